"""What the network sees of a face: its appearance (spatial) and its motion (temporal)."""

from mimamo.features.precision import choose_precision, slow_precision
from mimamo.features.spatial import SpatialFeatures
from mimamo.features.temporal import phase_frames, phase_windows

__all__ = [
    "SpatialFeatures",
    "choose_precision",
    "phase_frames",
    "phase_windows",
    "slow_precision",
]
