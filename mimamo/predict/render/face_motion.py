"""How the face moves into each frame: its window of phase differences, and motion in pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from mimamo.data.clips import context_indices
from mimamo.model.config import MIMAMOConfig
from mimamo.model.features import phase_windows
from phasenet import local_motion

_CHUNK = 64  # frames whose motion is computed, and held, at a time


@dataclass(frozen=True, eq=False)
class FaceMotion:
    """Of one frame, as the network sees it at level 1.

    Attributes:
        window: float32 ``[nbands, P, S, S]``, the phase differences around the frame, radians.
        field: float32 ``[2, S, S]``, motion since the frame before along x and y, pixels of the
            grey face; zero in the first frame.
        weight: float32 ``[S, S]``, what `field` is worth, 0 to 1, see `phasenet.local_motion`.
    """

    window: np.ndarray
    field: np.ndarray
    weight: np.ndarray

    @property
    def middle(self) -> int:
        """The difference of the window between the frame before and this one."""
        return max(0, self.window.shape[1] // 2 - 1)

    @property
    def difference(self) -> np.ndarray:
        """The phase difference to the frame before, float32 ``[nbands, S, S]``, radians."""
        return self.window[:, self.middle]


def face_motions(frames: np.ndarray, config: MIMAMOConfig) -> Iterator[FaceMotion]:
    """Yield how the face moves into each frame.

    Args:
        frames: grey faces in order, uint8 ``[F, S, S]``.
        config: of the phase differences.
    """
    for start in range(0, len(frames), _CHUNK):
        length = min(_CHUNK, len(frames) - start)
        around = context_indices(start, length, config.num_phase, len(frames))
        level = phase_windows(torch.from_numpy(frames[around]), config, context=True)[0]
        windows = level.unflatten(1, (config.nbands, config.num_phase)).numpy()
        # The frame before the first is the first itself.
        before = torch.from_numpy(frames[[max(0, start - 1), *range(start, start + length)]])
        fields, weights = (x.numpy() for x in local_motion(before, nbands=2, return_weight=True))
        parts = zip(windows, fields, weights, strict=True)
        yield from (FaceMotion(*part) for part in parts)
