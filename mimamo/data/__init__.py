"""Data sets: their readers, the cache, the clips cut from it, folds, and augmentation."""

from mimamo.data.affwild2 import AffWild2 as AffWild2
from mimamo.data.annotations import read_annotations as read_annotations
from mimamo.data.augmentation import augment_clips as augment_clips
from mimamo.data.cache import Cache as Cache
from mimamo.data.cached_video import CachedVideo as CachedVideo
from mimamo.data.clips import Clip as Clip
from mimamo.data.clips import ClipDataset as ClipDataset
from mimamo.data.clips import VideoSequence as VideoSequence
from mimamo.data.dataset import DatasetVideo as DatasetVideo
from mimamo.data.dataset import Problems as Problems
from mimamo.data.folds import split as split
from mimamo.data.folds import subject_of as subject_of
from mimamo.data.omg import OMGEmotion as OMGEmotion
