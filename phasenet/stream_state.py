"""What a stream keeps of its frames: planes, where operators can go on from them, else frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from phasenet import memory
from phasenet.precision import compute_dtype
from phasenet.pyramid import level_sizes

_ops = torch.ops.phasenet


class StreamOptions(NamedTuple):
    """Options of `phase_difference_windows`, checked."""

    num_phase: int
    height: int
    nbands: int
    levels: tuple[int, ...]
    unwrap: str
    boundary: str

    @property
    def before(self) -> int:
        """Frames of a window before the one it is numbered by."""
        return self.num_phase // 2 if self.boundary == "replicate" else 0

    def __str__(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())


class KeptPlanes:
    """Planes of the last frames and the windows under way, where the device has the operators."""

    _PARTS = 7  # tensors of a level; the last has the windows

    def __init__(self, options: StreamOptions, frame: Tensor, dtype: torch.dtype | None) -> None:
        self._options = options
        frames = frame.reshape(-1, *frame.shape[-2:])
        state = _fake_state(frames.to("meta"), *options[:4], dtype)
        windows = f"windows of {options.num_phase} differences"
        memory.check_bytes("num_phase", frame, windows, sum(x.nbytes for x in state))
        self._state = _ops.phase_stream_state(frames, *options[:4], dtype)

    @staticmethod
    def serves(device: torch.device) -> bool:
        """Whether the stream operators were built for this device."""
        key = {"cpu": "CPU", "cuda": "CUDA", "meta": "Meta"}[device.type]
        try:
            torch.library.get_kernel("phasenet::phase_stream_push", key)
        except RuntimeError:
            return False
        return True

    def push(self, number: int, frame: Tensor) -> None:
        frames = frame.reshape(-1, *frame.shape[-2:])
        _ops.phase_stream_push(frames, self._state, number, *self._options)

    def window(self, index: int, num_frames: int) -> list[Tensor]:
        """A copy of a window, ``[N, nbands * P, h, w]`` per level, after `num_frames` frames."""
        num_phase = self._options.num_phase
        copies = [x[:, index % num_phase].clone() for x in self._state[6 :: self._PARTS]]
        # What lies behind the last frame is still that of an older window.
        made = num_frames - 1 - (index - self._options.before)
        if made < num_phase:
            for copy in copies:
                copy.unflatten(1, (-1, num_phase))[:, :, made:].zero_()
        return copies


class KeptFrames:
    """The last frames, of which each window is made anew by the operator for whole videos."""

    def __init__(self, options: StreamOptions, frame: Tensor, dtype: torch.dtype | None) -> None:
        self._options = options
        self._dtype = dtype
        self._frames: deque[Tensor] = deque(maxlen=options.num_phase + 1)

    def push(self, number: int, frame: Tensor) -> None:
        self._frames.append(frame.clone())

    def window(self, index: int, num_frames: int) -> list[Tensor]:
        """A window, ``[..., 1, nbands * P, h, w]`` per level, after `num_frames` frames."""
        start = index - self._options.before
        oldest = num_frames - len(self._frames)
        numbers = [start + i for i in range(self._options.num_phase + 1)]
        frames = [self._frames[min(max(n, 0), num_frames - 1) - oldest] for n in numbers]
        options = self._options._replace(boundary="valid")
        return _ops.phase_difference_windows(torch.stack(frames, -3), *options, self._dtype)


# --- Fake kernels -------------------------------------------------------------------------------


@torch.library.register_fake("phasenet::phase_stream_state")
def _fake_state(
    frames: Tensor,
    num_phase: int,
    height: int,
    nbands: int,
    levels: Sequence[int],
    dtype: torch.dtype | None = None,
) -> list[Tensor]:
    count, height_px, width_px = frames.shape
    computed = compute_dtype(frames.dtype)
    sizes = level_sizes((2 * height_px, 2 * width_px), height)
    state = []
    for level in levels:
        h, w = sizes[level - 1][0] // 2, sizes[level - 1][1] // 2
        planes = (num_phase + 1) * nbands
        jump_bytes = 12 * (h * ((w + 15) // 16) + 1)  # JumpCell, jump_cells of the kernels
        shapes: list[tuple[tuple[Any, ...], torch.dtype]] = [
            *(((count, planes * h * w + 16), computed) for _ in range(4)),
            ((count, planes * jump_bytes), torch.uint8),
            ((count, planes), torch.int64),
            ((count, num_phase, nbands * num_phase, h, w), dtype or computed),
        ]
        state += [frames.new_empty(shape, dtype=kind) for shape, kind in shapes]
    return state


@torch.library.register_fake("phasenet::phase_stream_push")
def _fake_push(frames: Tensor, state: list[Tensor], t: int, *options: Any) -> None:
    return None
