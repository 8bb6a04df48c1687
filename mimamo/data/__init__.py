"""Data sets: annotated videos, the clips cut from them, and their augmentation."""

from mimamo.data.affwild2 import AffWild2, AnnotatedVideo
from mimamo.data.augmentation import augment_clips
from mimamo.data.clips import Clip, ClipDataset, VideoSequence

__all__ = ["AffWild2", "AnnotatedVideo", "Clip", "ClipDataset", "VideoSequence", "augment_clips"]
