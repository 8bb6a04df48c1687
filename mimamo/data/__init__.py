"""Data sets: their readers, the cache, the clips cut from it, folds, and augmentation."""

from mimamo.data.affwild2 import AffWild2
from mimamo.data.annotations import read_annotations
from mimamo.data.augmentation import augment_clips
from mimamo.data.cache import Cache, CachedVideo
from mimamo.data.clips import Clip, ClipDataset, VideoSequence
from mimamo.data.dataset import DatasetVideo
from mimamo.data.folds import split, subject_of
from mimamo.data.omg import OMGEmotion
from mimamo.data.problems import Problems

__all__ = [
    "AffWild2",
    "Cache",
    "CachedVideo",
    "Clip",
    "ClipDataset",
    "DatasetVideo",
    "OMGEmotion",
    "Problems",
    "VideoSequence",
    "augment_clips",
    "read_annotations",
    "split",
    "subject_of",
]
