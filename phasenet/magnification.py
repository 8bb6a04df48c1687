"""Small motion made large, or taken away: phase-based magnification of videos and of streams.

N. Wadhwa, M. Rubinstein, F. Durand and W. T. Freeman, "Phase-based video motion processing",
SIGGRAPH 2013.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from phasenet import _extension, checks
from phasenet.fir_magnification import magnify_film
from phasenet.frames import integer_scale, luma
from phasenet.motion_pyramid import MagnifyOptions, MotionPyramid
from phasenet.operators import has_tangent
from phasenet.precision import compute_dtype
from phasenet.temporal_filters import iir_sections
from phasenet.turn_phase import new_state

_TEMPORAL = ("fir", "iir")


def magnify_motion(
    frames: Tensor,
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
    reference: str | int | Tensor = "first",
    color: bool = False,
) -> Tensor:
    """A video whose motion in a band of frequencies is `factor` times as large.

    The phases of a complex steerable pyramid say where structure of each scale and direction is;
    how far they move from frame to frame is filtered in time, smoothed with the amplitudes as
    weights (`turn_phase`), and added ``factor - 1`` times. Motion holds up to about a quarter of
    the wavelength of the structure that moves, ``factor`` times the motion counted; finer structure
    smears. Nothing is recorded for gradients: use `turn_phase` where they are needed.

    Args:
        frames: ``[..., T, H, W]`` grey frames, or with `color` RGB ``[..., T, 3, H, W]``; uint8,
            uint16, int16 or floating, of any scale.
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
    """
    checks.check_choice("temporal", temporal, _TEMPORAL)
    options = _options(
        factor, fps, low, high, nbands, height, bands_per_octave, smoothing, attenuate
    )
    values = _checked(frames, color, ("[..., T, H, W]", "[..., T, 3, H, W]"), 3)
    length = values.shape[-3]
    still, number = _still(reference, frames, values, color)
    if temporal == "iir" and not (isinstance(reference, str) and reference == "first"):
        raise ValueError("reference: expected 'first' for temporal='iir', got another")
    if values.numel() == 0:
        return frames.clone()
    videos = values.reshape(-1, *values.shape[-3:])
    stills = still.reshape(-1, *still.shape[-2:])
    with torch.no_grad():
        pyramid = options.pyramid(videos)
        if temporal == "iir":
            stream = _Stream(options, pyramid)
            moved = torch.stack([stream.push(videos[:, t]) for t in range(length)], 1)
        else:
            moved = videos.clone()
            for video, still, result in zip(videos, stills, moved, strict=True):
                magnify_film(video, still, number, options, pyramid, result)
        return _restored(frames, values, moved.view_as(values), color)


class MotionMagnifier:
    """Magnified motion of frames that come one by one: `magnify_motion` with ``temporal="iir"``.

    Memory and time per frame do not grow with the video, and frames are equal to the function's.
    Motion is counted from the first frame on. NaN or infinity in a frame stays in all later ones.

    ::

        magnifier = phasenet.MotionMagnifier(20, fps=30, low=0.8, high=1.5)
        for frame in camera:
            show(magnifier.push(frame))

    Args:
        factor, fps, low, high, nbands, height, bands_per_octave, smoothing, attenuate, color: as in
            `magnify_motion`.

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
        color: bool = False,
    ) -> None:
        self._options = _options(
            factor, fps, low, high, nbands, height, bands_per_octave, smoothing, attenuate
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

    @torch.no_grad()
    def push(self, frame: Tensor) -> Tensor:
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
        values = _checked(frame, self._color, ("[..., H, W]", "[..., 3, H, W]"), 2, "frame")
        like = (tuple(frame.shape), frame.dtype, frame.device)
        if self._stream is None:
            self._stream = _Stream(self._options, self._options.pyramid(values))
            self._first = like
        for expected, got in zip(self._first, like, strict=True):
            if expected != got:
                raise ValueError(f"frame: expected {expected} as the first frame, got {got}")
        if values.numel() == 0:
            return frame.clone()
        return _restored(frame, values, self._stream.push(values), self._color)


def _options(
    factor: float,
    fps: float,
    low: float,
    high: float,
    nbands: int,
    height: int | None,
    bands_per_octave: int,
    smoothing: float,
    attenuate: bool,
) -> MagnifyOptions:
    factor = checks.check_number("factor", factor)
    fps = checks.check_positive("fps", fps)
    low = checks.check_positive("low", low, zero=True)
    high = checks.check_positive("high", high)
    if not low < high <= fps / 2:
        raise ValueError(
            f"low, high: expected low < high <= fps / 2 = {fps / 2:g} Hz, got {low:g} and {high:g}"
        )
    tall, nbands = checks.check_pyramid_options(3 if height is None else height, nbands)
    height = None if height is None else tall
    bands_per_octave, _ = checks.check_octave(bands_per_octave, None)
    smoothing = checks.check_smoothing(smoothing)
    return MagnifyOptions(
        factor, fps, low, high, nbands, height, bands_per_octave, smoothing, bool(attenuate)
    )


def _still(
    reference: Any, frames: Tensor, values: Tensor, color: bool
) -> tuple[Tensor, int | None]:
    """Grey values ``[..., H, W]`` of what motion is counted from, and the frame's number if any."""
    length = values.shape[-3]
    if isinstance(reference, Tensor):
        shape = [*values.shape[:-3], *([3] if color else []), *values.shape[-2:]]
        checks.check_tensor("reference", reference, shape, frames.dtype, frames.device)
        picture = reference.detach().to(values.dtype)
        return (luma(picture) if color else picture), None
    if isinstance(reference, str):
        checks.check_choice("reference", reference, ("first", "mean"))
    number = 0 if isinstance(reference, str) else reference
    number = checks.check_integer("reference", number, 0, max(length - 1, 0))
    if length == 0 or reference == "mean":
        return values.sum(-3) / max(length, 1), None
    return values[..., number, :, :], number


# --- Pictures as numbers, and back ----------------------------------------------------------------


def _checked(
    frames: Any, color: bool, shapes: tuple[str, str], dims: int, name: str = "frames"
) -> Tensor:
    """Grey values to compute with, of the scale that they came in."""
    shape = shapes[1] if color else shapes[0]
    checks.check_frames(name, frames, dims + bool(color), shape)
    if color and frames.shape[-3] != 3:
        raise ValueError(f"{name}: expected shape {shape}, got {list(frames.shape)}")
    _extension.check_device(name, frames)
    if (torch.is_grad_enabled() and frames.requires_grad) or has_tangent((frames,)):
        raise ValueError(
            f"{name}: expected a tensor without gradient, for none is recorded; use turn_phase "
            "where it is needed"
        )
    values = frames.to(compute_dtype(frames.dtype))
    return luma(values) if color else values


def _restored(frames: Tensor, values: Tensor, moved: Tensor, color: bool) -> Tensor:
    """`moved` as what `frames` were: with their colours, of their dtype."""
    if color:
        moved = frames + (moved - values).unsqueeze(-3)
    if (most := integer_scale(frames.dtype)) is None:
        return moved.to(frames.dtype)
    least = -most - 1 if frames.dtype.is_signed else 0
    return moved.round().clamp(least, most).to(frames.dtype)


# --- As frames come -------------------------------------------------------------------------------


class _Stream:
    def __init__(self, options: MagnifyOptions, pyramid: MotionPyramid) -> None:
        self._options, self._pyramid = options, pyramid
        self._filter = iir_sections(options.low, options.high, options.fps)
        self._states: list[Tensor] = []
        self._frames = 0

    def push(self, frame: Tensor) -> Tensor:
        options = self._options
        bands, coeffs = self._pyramid.bands(frame)
        if not self._states:
            self._states = [new_state(band, len(self._filter) // 5) for band in bands]
        for band, state in zip(bands, self._states, strict=True):
            torch.ops.phasenet.turn_phase_push(
                band,
                state,
                self._frames,
                self._filter,
                options.gain,
                options.attenuate,
                options.smoothing,
            )
        self._frames += 1
        return self._pyramid.pictures(bands, coeffs)
