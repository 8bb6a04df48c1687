"""Small motion made large, or taken away: phase-based magnification of videos and of streams.

N. Wadhwa, M. Rubinstein, F. Durand and W. T. Freeman, "Phase-based video motion processing",
SIGGRAPH 2013.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from phasenet import _extension, checks
from phasenet.fir_magnification import FilmMagnifier
from phasenet.frames import as_tensor, integer_scale, luma, warn_of_colours
from phasenet.motion_pyramid import MagnifyOptions, MotionPyramid, magnify_options
from phasenet.operators import has_tangent
from phasenet.precision import compute_dtype
from phasenet.temporal_filters import fir_reach, iir_sections
from phasenet.turn_phase import new_state

_TEMPORAL = ("fir", "iir")
_STEP = 64  # frames of a stream that are magnified at a time, at least


def magnify_motion(
    frames: Tensor | np.ndarray,
    factor: float,
    *,
    fps: float,
    low: float,
    high: float,
    nbands: int = 8,
    height: int | None = None,
    bands_per_octave: int = 2,
    smoothing: float = 2.0,
    temporal: str = "fir",
    attenuate: bool = False,
    limit: float | None = None,
    reference: str | int | Tensor | np.ndarray = "first",
    color: bool = False,
) -> Tensor:
    """A video whose motion in a band of frequencies is `factor` times as large.

    The phases of a complex steerable pyramid say where structure of each scale and direction is;
    how far they move from frame to frame is filtered in time, smoothed with the amplitudes as
    weights (`turn_phase`), and added ``factor - 1`` times. Motion holds up to about a quarter of
    the wavelength of the structure that moves, ``factor`` times the motion counted; finer structure
    smears. Nothing is recorded for gradients: use `turn_phase` where they are needed. NaN or
    infinity in a frame stays in all later ones, and with "fir" comes into those before it that are
    filtered with it, in a short video all.

    Args:
        frames: ``[..., T, H, W]`` grey frames, or with `color` RGB ``[..., T, 3, H, W]``, a tensor
            or an array; uint8, uint16, int16 or floating, of any scale.
        factor: how much larger the motion becomes: 1 changes nothing, 0 takes the band's motion
            away, negative ones reverse it.
        fps: frames per second.
        low, high: edges of the band in Hz. From 0 on, how far structure is from where it is in the
            `reference` counts as motion; `high` is at most ``fps / 2``.
        nbands, height, bands_per_octave: of the pyramid, as in `SteerablePyramid`; None for the
            largest height. More and narrower bands are more exact and slower.
        smoothing: of the phases, in pixels of each band, as in `turn_phase`.
        temporal: "fir": a linear filter without delay (Kaiser's window; on all frames, at most 7
            seconds around each for ``low=0.5``). "iir": a Butterworth filter of order 3, which only
            looks back and delays what lies beside the middle of the band; `MotionMagnifier`.
        attenuate: also take away what moves outside the band.
        limit: about how many pixels the added motion stays below, so that what moves far is not
            torn apart; in each filter it also stays below half of its wavelength then. What is less
            than half as far is added as it is, to 1.5 %. None for no limit.
        reference: the frame that motion is counted from, where `low` is 0 or with `attenuate`:
            "first", a number, "mean" for the mean picture, or a picture like one of `frames`. With
            temporal="iir" only "first".
        color: magnify the luma of colours and keep the rest.

    Returns:
        A tensor of the shape and dtype of `frames`. Integers are rounded, and clamped to what the
        dtype holds.

    Raises:
        TypeError: no dense tensor of such a dtype, or an option of another type.
        ValueError: another shape, an option out of its range, frames that need a gradient, or
            phases of one band that exceed the machine's memory.

    Warns of frames ``[..., 3, H, W]`` without `color`, which may be 3 grey frames.
    """
    checks.check_choice("temporal", temporal, _TEMPORAL)
    options = magnify_options(
        factor, fps, low, high, nbands, height, bands_per_octave, smoothing, attenuate, limit
    )
    frames = _checked(frames, color, ("[..., T, H, W]", "[..., T, 3, H, W]"), 3)
    still, number = _still(reference, frames, color)
    if temporal == "iir" and not (isinstance(reference, str) and reference == "first"):
        raise ValueError("reference: expected 'first' for temporal='iir', got another")
    result = torch.empty_like(frames, memory_format=torch.contiguous_format)
    if frames.numel() == 0:
        return result
    axes = 4 if color else 3  # of a video
    videos, results = (x.reshape(-1, *x.shape[-axes:]) for x in (frames, result))
    stills = still.reshape(-1, *still.shape[-2:])
    with torch.no_grad():
        if temporal == "iir":
            stream = _Stream(options, options.pyramid(stills))
            for t in range(videos.shape[1]):
                frame = videos[:, t]
                moved = stream.push(values := _grey(frame, color))
                results[:, t] = _restored(frame, moved - values, color)
        else:
            for video, one, into in zip(videos, stills, results, strict=True):
                _magnify_film(video, one, number, options, into)
    return result


def magnify_frames(
    frames: Iterable[Tensor | np.ndarray],
    factor: float,
    *,
    fps: float,
    low: float,
    high: float,
    nbands: int = 8,
    height: int | None = None,
    bands_per_octave: int = 2,
    smoothing: float = 2.0,
    attenuate: bool = False,
    limit: float | None = None,
    color: bool = False,
    progress: Callable[[float], object] | None = None,
) -> Iterator[Tensor]:
    """The frames of a film of any length, magnified as by `magnify_motion` with ``temporal="fir"``.

    It takes frames as it gives them, but for those that the filter reaches over, which are held:
    up to 4 times as many as it reaches ahead (7 seconds for ``low=0.5``). NaN spreads as there.

    Args:
        frames: ``[H, W]``, with `color` ``[3, H, W]``, all alike.
        factor, fps, low, high, nbands, height, bands_per_octave: as for `magnify_motion`.
        smoothing, attenuate, limit, color: likewise. Motion is counted from the first frame.
        progress: called with how many frames' work is done, as parts of a frame's work are.

    Yields:
        A tensor of the shape and dtype of each.

    Raises:
        TypeError, ValueError: as `magnify_motion`, and for a frame unlike the first.
    """
    options = magnify_options(
        factor, fps, low, high, nbands, height, bands_per_octave, smoothing, attenuate, limit
    )
    return _magnified_frames(frames, options, color, progress)


def _magnified_frames(
    frames: Iterable[Tensor | np.ndarray],
    options: MagnifyOptions,
    color: bool,
    progress: Callable[[float], object] | None,
) -> Iterator[Tensor]:
    reach = fir_reach(options.low, options.high, options.fps)
    step = max(_STEP, reach)
    magnifier: FilmMagnifier | None = None
    held: list[Tensor] = []  # `before` frames that are done, and those that follow
    before = given = 0
    like: tuple[Any, ...] = ()

    def done(count: int) -> Iterator[Tensor]:
        nonlocal magnifier, before, given
        some = torch.stack(held)

        def told(share: float) -> None:
            if progress is not None:
                progress(given + share * count)

        with torch.no_grad():
            if magnifier is None:
                magnifier = FilmMagnifier(
                    _grey(some[0], color), options, partial(_grey, color=color), len(held) - 1
                )
            following = max(before + count - reach, 0)
            change = magnifier.change(some, before, before + count, following, told)
            moved = _restored(some[before : before + count], change, color)
        given += count
        before = before + count - following
        del held[:following]
        yield from moved.unbind()

    for given_frame in frames:
        frame = _checked(given_frame, color, ("[H, W]", "[3, H, W]"), 2, "frame", exact=True)
        like = _checked_likeness(like, frame)
        held.append(frame)
        if frame.numel() == 0:
            yield held.pop().clone()
        elif len(held) == before + step + reach:
            yield from done(step)
    if len(held) > before:
        yield from done(len(held) - before)


def _magnify_film(
    video: Tensor, still: Tensor, number: int | None, options: MagnifyOptions, result: Tensor
) -> None:
    """Write a video ``[T, H, W]`` or ``[T, 3, H, W]`` into `result`, motion magnified."""
    length, color = len(video), video.dim() == 4
    magnifier = FilmMagnifier(still, options, partial(_grey, color=color), length - 1)
    if number is not None and options.low == 0:  # else the filter takes away what is constant
        magnifier.count_from(video[: number + 1])
    reach = magnifier.reach
    chunk = length if length <= magnifier.longest else magnifier.longest - 2 * reach
    for begin in range(0, length, chunk):
        end = min(begin + chunk, length)
        start, stop = max(begin - reach, 0), min(end + reach, length)
        following = max(end - reach, 0) - start
        change = magnifier.change(video[start:stop], begin - start, end - start, following)
        for t in range(begin, end):
            result[t] = _restored(video[t], change[t - begin], color)


class MotionMagnifier:
    """Magnified motion of frames that come one by one: `magnify_motion` with ``temporal="iir"``.

    Memory and time per frame do not grow with the video, and frames are equal to the function's.
    Motion is counted from the first frame on. NaN or infinity in a frame stays in all later ones.

    ::

        magnifier = phasenet.MotionMagnifier(20, fps=30, low=0.8, high=1.5)
        for frame in camera:
            show(magnifier.push(frame))

    Args:
        factor, fps, low, high, nbands, height, bands_per_octave: as in `magnify_motion`.
        smoothing, attenuate, limit, color: likewise.

    Raises:
        TypeError, ValueError: an option that `magnify_motion` refuses too.
    """

    def __init__(
        self,
        factor: float,
        *,
        fps: float,
        low: float,
        high: float,
        nbands: int = 8,
        height: int | None = None,
        bands_per_octave: int = 2,
        smoothing: float = 2.0,
        attenuate: bool = False,
        limit: float | None = None,
        color: bool = False,
    ) -> None:
        self._options = magnify_options(
            factor, fps, low, high, nbands, height, bands_per_octave, smoothing, attenuate, limit
        )
        self._color = color
        self.reset()

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self._options._asdict().items())
        return f"MotionMagnifier({options}, color={self._color})"

    def reset(self) -> None:
        """Forget all frames: the next one begins a new video, of any size, dtype and device."""
        self._stream: _Stream | None = None
        self._first: tuple[Any, ...] = ()

    def push(self, frame: Tensor | np.ndarray) -> Tensor:
        """The next frame, magnified.

        Args:
            frame: ``[..., H, W]``, with `color` ``[..., 3, H, W]``, as one frame of `frames` of
                `magnify_motion`; all frames of a video are alike.

        Returns:
            A tensor of its shape and dtype.

        Raises:
            TypeError, ValueError: a frame that `magnify_motion` refuses, or of another shape, dtype
                or device than the first.
        """
        frame = _checked(frame, self._color, ("[..., H, W]", "[..., 3, H, W]"), 2, "frame")
        self._first = _checked_likeness(self._first, frame)
        if frame.numel() == 0:
            return frame.clone()
        with torch.no_grad():
            values = _grey(frame, self._color)
            if self._stream is None:
                self._stream = _Stream(self._options, self._options.pyramid(values))
            return _restored(frame, self._stream.push(values) - values, self._color)


def _checked_likeness(first: tuple[Any, ...], frame: Tensor) -> tuple[Any, ...]:
    """Shape, dtype and device of a frame; refuse others than the first's, if there was one."""
    likeness = tuple(frame.shape), frame.dtype, frame.device
    for expected, got in zip(first or likeness, likeness, strict=True):
        if expected != got:
            raise ValueError(f"frame: expected {expected} as the first frame, got {got}")
    return likeness


def _still(reference: Any, frames: Tensor, color: bool) -> tuple[Tensor, int | None]:
    """Grey values ``[..., H, W]`` of what motion is counted from, and the frame's number if any."""
    axis = -4 if color else -3
    length, reference = frames.shape[axis], as_tensor("reference", reference)
    if isinstance(reference, Tensor):
        shape = [*frames.shape[:axis], *frames.shape[axis + 1 :]]
        checks.check_tensor("reference", reference, shape, frames.dtype, frames.device)
        return _grey(reference.detach(), color), None
    if isinstance(reference, str):
        checks.check_choice("reference", reference, ("first", "mean"))
    number = 0 if isinstance(reference, str) else reference
    number = checks.check_integer("reference", number, 0, max(length - 1, 0))
    if length == 0 or reference == "mean":
        total = torch.zeros_like(_grey(frames.narrow(axis, 0, 0), color).sum(-3))
        for t in range(length):
            total += _grey(frames.select(axis, t), color)
        return total / max(length, 1), None
    return _grey(frames.select(axis, number), color), number


# --- Pictures as numbers, and back ----------------------------------------------------------------


def _checked(
    frames: Any,
    color: bool,
    shapes: tuple[str, str],
    dims: int,
    name: str = "frames",
    exact: bool = False,
) -> Tensor:
    """Return frames as a tensor; refuse what are none of these shapes, or need a gradient."""
    checks.check_flag("color", color)
    frames = as_tensor(name, frames)
    shape, axes = shapes[color], dims + color
    checks.check_frames(name, frames, axes, shape)
    if (color and frames.shape[-3] != 3) or (exact and frames.dim() != axes):
        raise ValueError(f"{name}: expected shape {shape}, got {list(frames.shape)}")
    if dims == 3:  # a film; of one frame with three channels each may be magnified by itself
        warn_of_colours(frames, color)
    _extension.check_device(name, frames)
    if (torch.is_grad_enabled() and frames.requires_grad) or has_tangent((frames,)):
        raise ValueError(
            f"{name}: expected a tensor without gradient, for none is recorded; use turn_phase "
            "where it is needed"
        )
    return frames


def _grey(frames: Tensor, color: bool) -> Tensor:
    """Grey values to compute with, of the scale that they came in."""
    values = frames.to(compute_dtype(frames.dtype))
    return luma(values) if color else values


def _restored(frames: Tensor, change: Tensor, color: bool) -> Tensor:
    """`frames`, of their dtype, with a change of their luma."""
    moved = frames.to(change.dtype) + (change.unsqueeze(-3) if color else change)
    if (most := integer_scale(frames.dtype)) is None:
        return moved.to(frames.dtype)
    least = -most - 1 if frames.dtype.is_signed else 0
    return moved.round_().clamp_(least, most).to(frames.dtype)


# --- As frames come -------------------------------------------------------------------------------


class _Stream:
    def __init__(self, options: MagnifyOptions, pyramid: MotionPyramid) -> None:
        self._options, self._pyramid = options, pyramid
        self._filter = iir_sections(options.low, options.high, options.fps)
        gains, limits = options.gains(pyramid.scales), options.limit_angles(pyramid.scales)
        self._turning = [*zip(gains, limits, strict=True)]
        self._states: list[Tensor] = []
        self._frames = 0

    def push(self, frame: Tensor) -> Tensor:
        options = self._options
        bands, coeffs = self._pyramid.bands(frame)
        if not self._states:
            self._states = [new_state(band, len(self._filter) // 5) for band in bands]
        for band, state, (gain, limit) in zip(bands, self._states, self._turning, strict=True):
            torch.ops.phasenet.turn_phase_push(
                band,
                state,
                self._frames,
                self._filter,
                gain,
                options.attenuate,
                options.smoothing,
                limit,
            )
        self._frames += 1
        return self._pyramid.pictures(bands, coeffs)
