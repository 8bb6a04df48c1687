"""Small motion made large, or taken away: phase-based magnification of videos and of streams.

N. Wadhwa, M. Rubinstein, F. Durand and W. T. Freeman, "Phase-based video motion processing",
SIGGRAPH 2013.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from phasenet import _extension, checks
from phasenet.band_phase import band_phase
from phasenet.frames import integer_scale, luma
from phasenet.motion_pyramid import MotionPyramid, carried_share
from phasenet.operators import has_tangent
from phasenet.precision import compute_dtype
from phasenet.temporal_filters import fir_matrix, fir_taps, iir_sections
from phasenet.turn_phase import new_state, turn_phase

_PHASE_BYTES = 256 << 20  # of the phases of a film that are there at a time
_RUN_PIXELS = 1 << 19  # of the frames that are transformed at a time
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
            moved = torch.stack(
                [
                    _magnified(video, still, number, options, pyramid)
                    for video, still in zip(videos, stills, strict=True)
                ]
            )
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


class _Options(NamedTuple):
    factor: float
    fps: float
    low: float
    high: float
    nbands: int
    height: int | None
    bands_per_octave: int
    smoothing: float
    attenuate: bool

    @property
    def gain(self) -> float:
        """Of the filtered phases, of which those that are attenuated are taken away beside.

        It makes up for what phases do not carry along, so that textures move by the factor; a
        single wave then moves by that much more.
        """
        share = carried_share(self.nbands, self.bands_per_octave)
        return (self.factor - 1) / share + float(self.attenuate)

    def pyramid(self, values: Tensor) -> MotionPyramid:
        return MotionPyramid(
            values.shape[-2:], self.height, self.nbands, self.bands_per_octave, values[..., :0, :0]
        )


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
) -> _Options:
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
    return _Options(
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
    def __init__(self, options: _Options, pyramid: MotionPyramid) -> None:
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


# --- All frames at once ---------------------------------------------------------------------------

_Plane = tuple[int, int]  # a scale and an orientation


def _magnified(
    video: Tensor, still: Tensor, number: int | None, options: _Options, pyramid: MotionPyramid
) -> Tensor:
    """The frames ``[T, H, W]`` of one video, filtered by a matrix."""
    length = len(video)
    taps = fir_taps(options.low, options.high, options.fps, length - 1)
    origin = pyramid.bands(still)[0]
    sizes = [band[0].nbytes // 2 for band in origin]  # of a phase, for each orientation
    # Each chunk of frames is filtered with as many on both sides as there are taps.
    halo = len(taps) // 2
    most = max(_PHASE_BYTES // max(sizes), 4 * halo + 1)
    chunk = length if length <= most else most - 2 * halo
    checks.check_memory("frames", video, "phases of a band", min(length, most) * max(sizes))
    result = torch.empty_like(video)
    for begin in range(0, length, chunk):
        end = min(begin + chunk, length)
        start, stop = max(begin - halo, 0), min(end + halo, length)
        matrix = options.gain * fir_matrix(taps, stop - start)[begin - start : end - start]
        groups = list(_groups(sizes, options.nbands, _PHASE_BYTES // (stop - start)))
        for group in groups:
            moved = _moved(video[start:stop], pyramid, origin, group)
            if number is not None and start <= number < stop:
                for plane in moved:  # nothing at the reference itself, which is come to by others
                    plane -= plane[number - start].clone()
            for run in _runs(begin, end, pyramid):
                rows = matrix[run.start - begin : run.stop - begin].to(video)
                turns = [(rows @ plane.flatten(1)).unflatten(1, plane.shape[1:]) for plane in moved]
                changed = _turned(video[run], pyramid, origin, group, turns, options)
                result[run] = changed if group is groups[0] else result[run] + changed - video[run]
    return result


def _groups(sizes: Sequence[int], nbands: int, most: int) -> Any:
    """Planes whose phases are there at the same time: `most` bytes a frame, or one."""
    group: list[_Plane] = []
    held = 0
    for plane in [(scale, band) for scale in range(len(sizes)) for band in range(nbands)]:
        if group and held + sizes[plane[0]] > most:
            yield group
            group, held = [], 0
        group.append(plane)
        held += sizes[plane[0]]
    yield group


def _runs(begin: int, end: int, pyramid: MotionPyramid) -> list[slice]:
    step = max(1, _RUN_PIXELS // (pyramid.sides[0] * pyramid.sides[1]))
    return [slice(t, min(t + step, end)) for t in range(begin, end, step)]


def _moved(
    video: Tensor, pyramid: MotionPyramid, origin: Sequence[Tensor], group: Sequence[_Plane]
) -> list[Tensor]:
    """How far the phases are from those of `origin`, unwrapped in time: [T, h, w] of each plane."""
    moved = [video.new_empty((len(video), *origin[scale].shape[-2:])) for scale, _ in group]
    before = [band_phase(origin[scale][band]) for scale, band in group]
    for run in _runs(0, len(video), pyramid):
        bands, _ = pyramid.bands(video[run])
        for i, (scale, band) in enumerate(group):
            phases = band_phase(bands[scale][:, band])
            step = torch.cat([before[i][None], phases]).diff(dim=0)
            step -= 2 * torch.pi * torch.round(step / (2 * torch.pi))
            if run.start > 0:
                step[0] += moved[i][run.start - 1]
            torch.cumsum(step, 0, out=moved[i][run])
            before[i] = phases[-1]
    return moved


def _turned(
    frames: Tensor,
    pyramid: MotionPyramid,
    origin: Sequence[Tensor],
    group: Sequence[_Plane],
    turns: Sequence[Tensor],
    options: _Options,
) -> Tensor:
    """`frames` with the phases of these planes turned."""
    bands, coeffs = pyramid.bands(frames)
    for (scale, band), turn in zip(group, turns, strict=True):
        plane = bands[scale][:, band]
        if options.attenuate:
            plane = torch.polar(plane.abs(), band_phase(origin[scale][band]).expand_as(turn))
        bands[scale][:, band] = turn_phase(plane, turn, smoothing=options.smoothing)
    return pyramid.pictures(bands, coeffs)
