"""Faces: finding, following and aligning the faces of a video."""

from mimamo.faces.alignment import align_face, phase_frames
from mimamo.faces.centerface import CenterFace
from mimamo.faces.detection import Detection, Detector
from mimamo.faces.observe import FaceObservation, Faces, observe_faces
from mimamo.faces.tracks import FaceChoice, FaceTracks
from mimamo.faces.yunet import YuNet

__all__ = [
    "CenterFace",
    "Detection",
    "Detector",
    "FaceChoice",
    "FaceObservation",
    "FaceTracks",
    "Faces",
    "YuNet",
    "align_face",
    "observe_faces",
    "phase_frames",
]
