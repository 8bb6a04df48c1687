"""Phase differences of a video whose frames come one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from phasenet import _extension, checks
from phasenet.precision import compute_input, result_dtype
from phasenet.pyramid import level_sizes
from phasenet.stream_state import KeptFrames, KeptPlanes, StreamOptions


class StreamWindow(NamedTuple):
    """One window of a stream.

    Attributes:
        index: its number: that of the frame it belongs to (boundary "replicate") or of its first
            frame ("valid").
        levels: one tensor ``[..., nbands * P, h, w]`` for each level, in radians per frame.
    """

    index: int  # type: ignore[assignment]  # hides the method of tuples
    levels: tuple[Tensor, ...]


class PhaseStream:
    """Phase differences of frames that come one by one, each window as soon as it is complete.

    Windows are equal, bit for bit, to those of `phase_difference_windows` on the whole video.
    Memory and time per frame do not grow with the video. On the CPU every frame is transformed
    once; on CUDA the last ``P + 1`` frames are kept instead, and transformed again for each window.
    Nothing is recorded for gradients. NaN or infinity in a frame stays in the windows that have it.

    ::

        stream = phasenet.PhaseStream()
        for frame in camera:
            for index, levels in stream.push(frame):
                ...
        for index, levels in stream.flush():
            ...

    Args:
        num_phase, height, nbands, levels, unwrap, boundary, dtype: as in
            `phase_difference_windows`.

    Raises:
        TypeError, ValueError: an option that `phase_difference_windows` refuses too.
    """

    def __init__(
        self,
        num_phase: int = 12,
        *,
        height: int = 4,
        nbands: int = 2,
        levels: Sequence[int] = (1, 2),
        unwrap: str = "full",
        boundary: str = "replicate",
        dtype: torch.dtype | None = None,
    ) -> None:
        num_phase = checks.check_num_phase(num_phase)
        height, nbands = checks.check_pyramid_options(height, nbands)
        levels = checks.check_levels(levels, height)
        checks.check_choice("unwrap", unwrap, checks.UNWRAP_MODES)
        checks.check_choice("boundary", boundary, checks.BOUNDARIES)
        if dtype is not None:
            checks.check_output_dtype(dtype)
        self._options = StreamOptions(num_phase, height, nbands, levels, unwrap, boundary)
        self._dtype = dtype
        self.reset()

    @property
    def delay(self) -> int:
        """How many frames a window waits for after the one it is numbered by."""
        return self._options.num_phase - self._options.before

    def __repr__(self) -> str:
        dtype = "" if self._dtype is None else f", dtype={self._dtype}"
        return f"PhaseStream({self._options}{dtype}): {self._frames} frames"

    def reset(self) -> None:
        """Forget all frames: the next one begins a new video, of any size, dtype and device."""
        self._state: Any = None
        self._first: Tensor | None = None
        self._frames = 0

    @torch.no_grad()
    def push(self, frame: Tensor) -> list[StreamWindow]:
        """Add a frame; returns the window that it completes, if there is one.

        Args:
            frame: ``[..., H, W]`` with grey values in [0, 1], or uint8, as one frame of `frames` of
                `phase_difference_windows`; all frames of a video are alike.

        Raises:
            TypeError: `frame` is not a dense tensor of a dtype that is taken.
            ValueError: it is too small for ``height``, on a device without operators, or of
                another shape, dtype or device than the frames before; or the windows under way,
                ``P`` of ``nbands * P`` planes for each level, exceed the machine's memory.
        """
        if self._state is None:
            self._begin(frame)
        self._check_like_first(frame)
        self._state.push(self._frames, compute_input(frame))
        self._frames += 1
        complete = self._frames - 1 - self.delay
        return [self._window(complete)] if complete >= 0 else []

    @torch.no_grad()
    def flush(self) -> list[StreamWindow]:
        """End the video; returns the windows that its last frame completes, then starts over.

        With boundary "replicate" these are the last ``P - P // 2``, which repeat the last frame.
        With "valid" there are none: every window has come already.
        """
        rest = []
        if self._options.boundary == "replicate":
            first = max(0, self._frames - self.delay)
            rest = [self._window(index) for index in range(first, self._frames)]
        self.reset()
        return rest

    def _begin(self, frame: Tensor) -> None:
        options = self._options
        checks.check_images("frame", frame, 2, "[..., H, W]")
        _extension.check_device("frame", frame)
        mirrored = [2 * side for side in frame.shape[-2:]]
        checks.check_height_fits("frame", mirrored, options.height, frame.shape)
        dtype = result_dtype(frame, self._dtype)
        kept = KeptPlanes if KeptPlanes.serves(frame.device) else KeptFrames
        self._state = kept(options, compute_input(frame), dtype)
        self._first = frame.detach()[..., :0, :0]  # its dtype and device, none of its memory
        self._shape = frame.shape

    def _check_like_first(self, frame: Tensor) -> None:
        first = self._first
        assert first is not None
        if not isinstance(frame, Tensor):
            raise TypeError(f"frame: expected a torch.Tensor, got {type(frame).__name__}")
        if frame.shape != self._shape:
            raise ValueError(
                f"frame: expected shape {list(self._shape)} as the first frame, "
                f"got {list(frame.shape)}"
            )
        for what in ("dtype", "device", "layout"):
            expected, got = getattr(first, what), getattr(frame, what)
            if got != expected:
                raise ValueError(f"frame: expected {expected} as the first frame, got {got}")

    def _window(self, index: int) -> StreamWindow:
        h, w = self._shape[-2:]
        sizes = level_sizes((2 * h, 2 * w), self._options.height)
        channels = self._options.nbands * self._options.num_phase
        planes = self._state.window(index, self._frames)
        shapes = [
            (*self._shape[:-2], channels, sizes[level - 1][0] // 2, sizes[level - 1][1] // 2)
            for level in self._options.levels
        ]
        return StreamWindow(
            index, tuple(x.reshape(shape) for x, shape in zip(planes, shapes, strict=True))
        )
