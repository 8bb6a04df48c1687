"""Phase differences of a video whose frames come one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from phasenet import _extension, checks
from phasenet.precision import compute_dtype, compute_input, result_dtype
from phasenet.shapes import level_sizes

_ops = torch.ops.phasenet


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
        return f"PhaseStream({self._options}{dtype}), frames so far: {self._frames}"

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


# --- What a stream keeps: planes, where operators can go on from them, else frames ----------------


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
        windows = f"windows with num_phase={options.num_phase}"
        checks.check_memory("num_phase", frame, windows, sum(x.nbytes for x in state))
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
        wrap_bytes = 12 * (h * ((w + 15) // 16) + 1)  # RowWraps, most_row_wraps of the kernels
        shapes: list[tuple[tuple[Any, ...], torch.dtype]] = [
            *(((count, planes * h * w + 16), computed) for _ in range(4)),
            ((count, planes * wrap_bytes), torch.uint8),
            ((count, planes), torch.int64),
            ((count, num_phase, nbands * num_phase, h, w), dtype or computed),
        ]
        state += [frames.new_empty(shape, dtype=kind) for shape, kind in shapes]
    return state


@torch.library.register_fake("phasenet::phase_stream_push")
def _fake_push(frames: Tensor, state: list[Tensor], t: int, *options: Any) -> None:
    return None
