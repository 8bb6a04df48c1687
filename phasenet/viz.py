"""Pictures of what phasenet computes, as uint8 arrays ``[h, w, 3]`` in RGB.

Import it by name (``import phasenet.viz``); only `save` and `draw_motion` need OpenCV (the extra
``viz``). Colours: sky blue for negative and orange for positive values, which those who do not tell
red from green tell apart too; phases go once round a wheel of equally light hues.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from phasenet import checks, viz_checks
from phasenet.coefficients import PyramidCoeffs
from phasenet.filters import Filter
from phasenet.viz_checks import Picture

_LONGEST = 1e4  # pixels of an arrow, beyond any picture
_BRIGHT = 98.0  # percentile of a level's amplitudes that is shown in full brightness
DARK = (24, 28, 34)
LEAST_WEIGHT = 0.1  # below it, an arrow may be off by a third of a pixel

__all__ = [
    "colour_phase",
    "colour_signed",
    "draw_motion",
    "film_strip",
    "grey",
    "motion_arrows",
    "phase_wheel",
    "save",
    "tile",
    "tile_filters",
    "tile_pyramid",
]


def colour_signed(values: Any, limit: float | None = None, ground: Sequence[int] = DARK) -> Picture:
    """Signed values in colours: blue below zero, `ground` at it, orange above.

    Args:
        values: real tensor or array of any shape ``[...]``.
        limit: the magnitude at both ends of the scale; the largest one if None. What lies beyond
            has the colour of the end, NaN that of `ground`.
        ground: RGB of zero, 0 to 255.

    Returns:
        uint8 ``[..., 3]``.

    Raises:
        TypeError: `values` are no real numbers, or an option has the wrong type.
        ValueError: `limit` is not positive, or `ground` no colour.
    """
    x = viz_checks.as_real("values", values)
    viz_checks.check_limit(limit)
    viz_checks.check_colour(ground)
    limit = limit or float(np.nan_to_num(np.abs(x)).max(initial=0)) or 1.0
    with np.errstate(all="ignore"):
        share = np.clip(np.nan_to_num(x / limit), -1, 1)
    ends = np.array([(170, 222, 255), (44, 126, 214), ground, (214, 104, 24), (255, 214, 140)])
    channels = [np.interp(share, np.linspace(-1, 1, len(ends)), channel) for channel in ends.T]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def colour_phase(coefficients: Any, limit: float | None = None) -> Picture:
    """Complex coefficients in colours: the hue is the phase, the brightness the amplitude.

    Args:
        coefficients: complex tensor or array of any shape ``[...]``.
        limit: the amplitude of full brightness; the largest one if None.

    Returns:
        uint8 ``[..., 3]``; `phase_wheel` is the legend.

    Raises:
        TypeError: `coefficients` are not complex, or `limit` is no number.
        ValueError: `limit` is not positive.
    """
    c = viz_checks.as_array("coefficients", coefficients)
    if not np.iscomplexobj(c):
        raise TypeError(f"coefficients: expected complex numbers, got {c.dtype}")
    viz_checks.check_limit(limit)
    c = np.nan_to_num(c)
    amplitude = np.abs(c)
    limit = limit or float(amplitude.max(initial=0)) or 1.0
    phase = np.angle(c)[..., None]
    # Three cosines a third of a turn apart: the lightness hardly changes on the way round.
    hue = 0.55 + 0.45 * np.cos(phase - 2 * math.pi / 3 * np.arange(3))
    with np.errstate(all="ignore"):
        amplitude = np.nan_to_num(np.clip(amplitude / limit, 0, 1))
    share = np.sqrt(amplitude)[..., None]  # small ones stay visible
    return np.rint(255 * hue * share).astype(np.uint8)


def phase_wheel(size: int = 128) -> Picture:
    """The legend of `colour_phase`: the complex plane up to `limit`, uint8 ``[size, size, 3]``.

    Phase 0 is to the right and phases grow upwards, as in a textbook.

    Raises:
        TypeError, ValueError: `size` is no integer from 1 to 8192.
    """
    checks.check_integer("size", size, 1, 8192)
    y, x = np.mgrid[1 : -1 : size * 1j, -1 : 1 : size * 1j]
    plane = x + 1j * y
    picture = colour_phase(plane, 1.0)
    picture[np.abs(plane) > 1] = 255
    return picture


def grey(values: Any, low: float | None = None, high: float | None = None) -> Picture:
    """Real values ``[...]`` from black (`low`, else the least) to white, uint8 ``[..., 3]``.

    Raises:
        TypeError: `values`, `low` or `high` are no real numbers.
        ValueError: `low` or `high` is not finite.
    """
    x = np.nan_to_num(viz_checks.as_real("values", values))
    for name, end in (("low", low), ("high", high)):
        if end is not None:
            viz_checks.check_number(name, end)
    low = float(x.min(initial=math.inf)) if low is None else low
    high = float(x.max(initial=-math.inf)) if high is None else high
    with np.errstate(all="ignore"):
        share = np.nan_to_num(np.clip((x - low) / max(high - low, 1e-12), 0, 1))
    return np.rint(np.repeat(255 * share[..., None], 3, axis=-1)).astype(np.uint8)


def tile(rows: Sequence[Sequence[Picture]], gap: int = 4, ground: Sequence[int] = DARK) -> Picture:
    """Pictures of any sizes in rows, each centred in its cell.

    Args:
        rows: pictures uint8 ``[h, w, 3]``; rows may differ in length.
        gap: pixels between and around them, up to 1024.
        ground: RGB of what they do not cover.

    Returns:
        uint8 ``[H, W, 3]``.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: there is no picture, or an option is out of range.
    """
    viz_checks.check_rows(rows)
    viz_checks.check_gap(gap)
    viz_checks.check_colour(ground)
    if not any(len(row) for row in rows):
        raise ValueError("rows: expected at least one picture, got none")
    columns = max(len(row) for row in rows)
    heights = [max((picture.shape[0] for picture in row), default=0) for row in rows]
    widths = [max(row[i].shape[1] for row in rows if i < len(row)) for i in range(columns)]
    shape = (sum(heights) + gap * (len(rows) + 1), sum(widths) + gap * (columns + 1), 3)
    whole = np.full(shape, ground, dtype=np.uint8)
    top = gap
    for row, height in zip(rows, heights, strict=True):
        left = gap
        for picture, width in zip(row, widths, strict=False):
            y, x = top + (height - picture.shape[0]) // 2, left + (width - picture.shape[1]) // 2
            whole[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
            left += width + gap
        top += height + gap
    return whole


def tile_pyramid(coeffs: PyramidCoeffs, gap: int = 4) -> Picture:
    """One image's pyramid: a row for each scale, its orientations side by side.

    Bands are shown by `colour_phase`, real ones by `colour_signed`, each scale in full brightness
    from the amplitude on that two coefficients in a hundred reach: photographs have few edges that
    are far above the rest. The row above them has the highpass, to the same percentile
    (`colour_signed`), and the lowpass (`grey`).

    Args:
        coeffs: of one image, ``highpass`` ``[H, W]``.
        gap: pixels between the pictures.

    Returns:
        uint8 ``[h, w, 3]``.

    Raises:
        TypeError: `coeffs` is no `PyramidCoeffs`.
        ValueError: `coeffs` has batch dimensions.
    """
    checks.check_coefficients_type(coeffs)
    coeffs = PyramidCoeffs(*coeffs)
    for part, dims in ((coeffs.highpass, 2), *((x, 3) for x in coeffs.bands), (coeffs.lowpass, 2)):
        checks.check_dense("coeffs", part)
        if part.dim() != dims:
            raise ValueError(
                "coeffs: expected those of one image, highpass and lowpass [H, W] and bands "
                f"[nbands, h, w], got {list(part.shape)}"
            )
    rows = [[colour_signed(coeffs.highpass, _usual(coeffs.highpass)), grey(coeffs.lowpass)]]
    rows += [list(_coloured(level, _usual(level))) for level in coeffs.bands]
    return tile(rows, gap)


def tile_filters(filters: Sequence[Filter], gap: int = 4) -> Picture:
    """A pyramid's filters: a row for each scale, and for the residuals the row above them.

    For each orientation its frequency response, frequency 0 in the middle (`grey`), and beside it
    its impulse response (`colour_phase`, where it is real `colour_signed`).

    Args:
        filters: of `phasenet.SteerablePyramid.filters`.
        gap: pixels between the pictures.

    Returns:
        uint8 ``[h, w, 3]``.

    Raises:
        TypeError: `filters` is no sequence of `Filter`.
        ValueError: there is none, or `gap` is out of range.
    """
    if not isinstance(filters, Sequence) or not all(isinstance(x, Filter) for x in filters):
        raise TypeError(f"filters: expected a sequence of Filter, got {type(filters).__name__}")
    rows: dict[int, list[Picture]] = {}
    for one in filters:
        response = one.response.abs()
        pair = [grey(response, 0, float(response.max())), _coloured(one.impulse)]
        rows.setdefault(-1 if one.scale is None else one.scale, []).extend(pair)
    return tile(list(rows.values()), gap)


def _coloured(values: Any, limit: float | None = None) -> Picture:
    is_complex = np.iscomplexobj(viz_checks.as_array("values", values))
    return (colour_phase if is_complex else colour_signed)(values, limit)


def _usual(values: Any) -> float | None:
    """A high percentile of the magnitudes; None where that is zero or there are none."""
    magnitudes = np.nan_to_num(np.abs(viz_checks.as_array("values", values)), posinf=0)
    return float(np.percentile(magnitudes, _BRIGHT)) or None if magnitudes.size else None


def film_strip(window: Any, limit: float = 1.0, gap: int = 2) -> Picture:
    """One window's phase differences as a film strip: time to the right, a row for each band.

    Args:
        window: ``[nbands, P, h, w]``, radians a frame, as `phasenet.phase_difference` gives it; a
            window of `phasenet.phase_difference_windows` becomes that by
            ``unflatten(0, (nbands, P))``.
        limit: radians a frame at the ends of the colour scale.
        gap: pixels between the planes.

    Returns:
        uint8 ``[H, W, 3]``.

    Raises:
        TypeError: `window` has no real numbers, or an option has the wrong type.
        ValueError: another number of dimensions, nothing to show, or an option out of range.
    """
    planes = viz_checks.as_real("window", window)
    if planes.ndim != 4 or 0 in planes.shape[:2]:
        raise ValueError(f"window: expected shape [nbands, P, h, w], got {list(planes.shape)}")
    if limit is None:
        raise TypeError("limit: expected a positive number, got None")
    return tile([list(colour_signed(band, limit)) for band in planes], gap)


def motion_arrows(
    motion: Any,
    weight: Any = None,
    *,
    scale: float = 10.0,
    step: int = 8,
    least_weight: float = LEAST_WEIGHT,
) -> np.ndarray:
    """Where the arrows that show motion begin and end.

    Args:
        motion: ``[2, H, W]``, pixels a frame: first along x (to the right), then along y (down).
        weight: ``[H, W]``, as `phasenet.local_motion` gives it; None for 1 everywhere.
        scale: how many pixels long an arrow is for a motion of one pixel.
        step: pixels between arrows; each shows the mean of its ``step x step`` cell, weighted by
            `weight`.
        least_weight: cells whose mean weight is below it have no arrow.

    Returns:
        float64 ``[N, 2, 2]``: N arrows, start and end, x and y in pixels from the left and upper
        border. NaN and infinity count as no motion; 1e4 pixels is the longest.

    Raises:
        TypeError: `motion` or `weight` has no real numbers, or an option has the wrong type.
        ValueError: `motion` or `weight` has another shape, `scale` or `least_weight` is not finite,
            or `step` is below 1.
    """
    field = viz_checks.as_real("motion", motion)
    if field.ndim != 3 or field.shape[0] != 2:
        raise ValueError(f"motion: expected shape [2, H, W], got {list(field.shape)}")
    viz_checks.check_number("scale", scale)
    viz_checks.check_number("least_weight", least_weight)
    step = min(checks.check_integer("step", step, 1), 1 + max(field.shape[1:]))  # leaves no cell
    share = np.ones(field.shape[1:]) if weight is None else viz_checks.as_real("weight", weight)
    if share.shape != field.shape[1:]:
        raise ValueError(
            f"weight: expected shape [H, W] for motion {list(field.shape)}, got {list(share.shape)}"
        )
    rows, columns = field.shape[1] // step, field.shape[2] // step
    share = np.clip(np.nan_to_num(share, posinf=0, neginf=0), 0, 1)
    cells = np.stack((*(share * np.nan_to_num(field, posinf=0, neginf=0)), share))
    cells = cells[:, : rows * step, : columns * step]
    *means, weights = cells.reshape(3, rows, step, columns, step).mean(axis=(2, 4))
    means = np.stack(means) / np.maximum(weights, np.finfo(np.float64).tiny)
    y, x = np.mgrid[:rows, :columns] * step + step / 2
    starts = np.stack((x, y), axis=-1).reshape(-1, 2)
    lengths = np.clip(scale * means.reshape(2, -1).T, -_LONGEST, _LONGEST)
    arrows = np.stack((starts, starts + lengths), axis=1)
    return arrows[weights.reshape(-1) >= least_weight]


def draw_motion(
    frame: Any,
    motion: Any,
    weight: Any = None,
    *,
    scale: float = 10.0,
    step: int = 8,
    enlarge: int = 4,
    least_weight: float = LEAST_WEIGHT,
) -> Picture:
    """Motion as arrows over a frame, where it is known.

    Args:
        frame: grey ``[H, W]``, uint8 or 0 to 1.
        motion: ``[2, H, W]``, pixels a frame: first along x (to the right), then along y (down).
        weight, least_weight: as in `motion_arrows`.
        scale, step: as in `motion_arrows`, in pixels of the frame.
        enlarge: pixels of the picture for each of the frame, up to 256.

    Returns:
        uint8 ``[enlarge * H, enlarge * W, 3]``.

    Raises:
        TypeError: `frame`, `motion` or `weight` has no real numbers, or an option has the wrong
            type.
        ValueError: `motion` or `weight` has not the size of `frame`, or an option is out of range.
        ImportError: OpenCV is not installed.
    """
    cv2 = _opencv()
    picture, field = viz_checks.as_array("frame", frame), viz_checks.as_real("motion", motion)
    viz_checks.as_real("frame", picture)
    checks.check_integer("enlarge", enlarge, 1, 256)
    if picture.ndim != 2 or field.shape != (2, *picture.shape):
        raise ValueError(
            f"motion: expected shape [2, H, W] for frame {list(picture.shape)}, "
            f"got {list(field.shape)}"
        )
    high = 255 if picture.dtype == np.uint8 else 1
    small = grey(picture * 0.6, 0, high)  # darker, so that the arrows stand out
    big = np.repeat(np.repeat(small, enlarge, axis=0), enlarge, axis=1)
    # OpenCV takes sixteenths of a pixel: short arrows keep their direction.
    arrows = motion_arrows(field, weight, scale=scale, step=step, least_weight=least_weight)
    for start, end in np.rint(16 * enlarge * arrows).astype(int).tolist():
        cv2.line(big, start, end, (240, 160, 40), max(1, enlarge // 3), cv2.LINE_AA, 4)
        cv2.circle(big, end, 6 * enlarge, (255, 214, 140), -1, cv2.LINE_AA, 4)
    return big


def save(path: str | os.PathLike[str], picture: Picture) -> None:
    """Write `picture`, uint8 ``[h, w, 3]`` in RGB, to a file whose suffix says the format.

    Raises:
        TypeError: `path` is no path, or `picture` no picture.
        OSError: the file cannot be written.
        ImportError: OpenCV is not installed.
    """
    cv2 = _opencv()
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path: expected a path, got {type(path).__name__}")
    viz_checks.check_picture("picture", picture)
    path = Path(path)
    try:
        done, data = cv2.imencode(path.suffix or ".png", picture[..., ::-1])
    except cv2.error:
        done, data = False, None
    if not done:
        raise OSError(f"{path}: expected a suffix such as .png, got {path.suffix!r}")
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(data.tobytes())
    partial.replace(path)


def _opencv() -> ModuleType:
    try:
        import cv2
    except ImportError:
        raise ImportError(
            "phasenet.viz: OpenCV is not installed; pip install opencv-python"
        ) from None
    return cv2
