"""A generated face whose valence and arousal are known: a photograph, warped."""

from mimamo.synth.dataset import UNSEEN, Clip, write_dataset
from mimamo.synth.expression import Expression
from mimamo.synth.render import Camera, Light, Rendered, render
from mimamo.synth.video import VideoTruth, write_truth, write_video

__all__ = [
    "UNSEEN",
    "Camera",
    "Clip",
    "Expression",
    "Light",
    "Rendered",
    "VideoTruth",
    "render",
    "write_dataset",
    "write_truth",
    "write_video",
]
