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
import torch
from torch import Tensor

from phasenet.coefficients import PyramidCoeffs

Picture = np.ndarray
DARK = (24, 28, 34)

__all__ = [
    "colour_phase",
    "colour_signed",
    "draw_motion",
    "film_strip",
    "grey",
    "phase_wheel",
    "save",
    "tile",
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
        TypeError: `values` is complex.
        ValueError: `limit` is not positive.
    """
    x = _real("values", values)
    if limit is not None and not limit > 0:
        raise ValueError(f"limit: expected a positive number, got {limit}")
    limit = limit or float(np.nanmax(np.abs(x), initial=0)) or 1.0
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
        TypeError: `coefficients` is not complex.
        ValueError: `limit` is not positive.
    """
    c = _array(coefficients)
    if not np.iscomplexobj(c):
        raise TypeError(f"coefficients: expected complex numbers, got {c.dtype}")
    if limit is not None and not limit > 0:
        raise ValueError(f"limit: expected a positive number, got {limit}")
    c = np.nan_to_num(c)
    amplitude = np.abs(c)
    limit = limit or float(amplitude.max(initial=0)) or 1.0
    phase = np.angle(c)[..., None]
    # Three cosines a third of a turn apart: the lightness hardly changes on the way round.
    hue = 0.55 + 0.45 * np.cos(phase - 2 * math.pi / 3 * np.arange(3))
    share = np.sqrt(np.clip(amplitude / limit, 0, 1))[..., None]  # small ones stay visible
    return np.rint(255 * hue * share).astype(np.uint8)


def phase_wheel(size: int = 128) -> Picture:
    """The legend of `colour_phase`: the complex plane up to `limit`, uint8 ``[size, size, 3]``.

    Phase 0 is to the right and phases grow upwards, as in a textbook.
    """
    y, x = np.mgrid[1 : -1 : size * 1j, -1 : 1 : size * 1j]
    plane = x + 1j * y
    picture = colour_phase(plane, 1.0)
    picture[np.abs(plane) > 1] = 255
    return picture


def grey(values: Any, low: float | None = None, high: float | None = None) -> Picture:
    """Real values ``[...]`` from black (`low`, else the least) to white, uint8 ``[..., 3]``."""
    x = np.nan_to_num(_real("values", values))
    low = float(x.min(initial=math.inf)) if low is None else low
    high = float(x.max(initial=-math.inf)) if high is None else high
    share = np.clip((x - low) / max(high - low, 1e-12), 0, 1)
    return np.rint(np.repeat(255 * share[..., None], 3, axis=-1)).astype(np.uint8)


def tile(rows: Sequence[Sequence[Picture]], gap: int = 4, ground: Sequence[int] = DARK) -> Picture:
    """Pictures of any sizes in rows, each centred in its cell.

    Args:
        rows: pictures uint8 ``[h, w, 3]``; rows may differ in length.
        gap: pixels between and around them.
        ground: RGB of what they do not cover.

    Returns:
        uint8 ``[H, W, 3]``.

    Raises:
        ValueError: there is no picture.
    """
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
    """One image's pyramid: a row for each level, its orientations side by side.

    Bands are shown by `colour_phase`, each level to its own largest amplitude. The row above them
    has the highpass (`colour_signed`) and the lowpass (`grey`).

    Args:
        coeffs: of one image, ``highpass`` ``[H, W]``.
        gap: pixels between the pictures.

    Returns:
        uint8 ``[h, w, 3]``.

    Raises:
        ValueError: `coeffs` has batch dimensions.
    """
    if coeffs.highpass.dim() != 2:
        raise ValueError(
            "coeffs: expected those of one image, highpass [H, W], "
            f"got {list(coeffs.highpass.shape)}"
        )
    rows = [[colour_signed(coeffs.highpass), grey(coeffs.lowpass)]]
    rows += [list(colour_phase(level)) for level in coeffs.bands]
    return tile(rows, gap)


def film_strip(window: Tensor, limit: float = 1.0, gap: int = 2) -> Picture:
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
        ValueError: another number of dimensions.
    """
    planes = _real("window", window)
    if planes.ndim != 4:
        raise ValueError(f"window: expected shape [nbands, P, h, w], got {list(planes.shape)}")
    return tile([list(colour_signed(band, limit)) for band in planes], gap)


def draw_motion(
    frame: Any, motion: Any, *, scale: float = 10.0, step: int = 8, enlarge: int = 4
) -> Picture:
    """Motion as arrows over a frame.

    Args:
        frame: grey ``[H, W]``, uint8 or 0 to 1.
        motion: ``[2, H, W]``, pixels a frame: first along x (to the right), then along y (down).
        scale: how many pixels of the frame an arrow is long for a motion of one pixel.
        step: pixels of the frame between arrows; each shows the mean of its ``step x step`` cell.
        enlarge: pixels of the picture for each of the frame.

    Returns:
        uint8 ``[enlarge * H, enlarge * W, 3]``.

    Raises:
        ValueError: `motion` has not the size of `frame`, or `step` or `enlarge` is below 1.
        ImportError: OpenCV is not installed.
    """
    cv2 = _opencv()
    picture, field = _array(frame), _real("motion", motion)
    if step < 1 or enlarge < 1:
        raise ValueError(f"step, enlarge: expected at least 1, got {step}, {enlarge}")
    if picture.ndim != 2 or field.shape != (2, *picture.shape):
        raise ValueError(
            f"motion: expected shape [2, H, W] for frame {list(picture.shape)}, "
            f"got {list(field.shape)}"
        )
    high = 255 if picture.dtype == np.uint8 else 1
    small = grey(picture * 0.6, 0, high)  # darker, so that the arrows stand out
    big = np.repeat(np.repeat(small, enlarge, axis=0), enlarge, axis=1)
    for top in range(0, picture.shape[0] - step + 1, step):
        for left in range(0, picture.shape[1] - step + 1, step):
            cell = field[:, top : top + step, left : left + step]
            dx, dy = np.nan_to_num(cell).mean(axis=(1, 2)) * scale * enlarge
            x, y = ((np.array((left, top)) + step / 2) * enlarge).tolist()
            # OpenCV takes sixteenths of a pixel: short arrows keep their direction.
            start = (round(16 * x), round(16 * y))
            end = (round(16 * (x + dx)), round(16 * (y + dy)))
            cv2.line(big, start, end, (240, 160, 40), max(1, enlarge // 3), cv2.LINE_AA, 4)
            cv2.circle(big, end, 6 * enlarge, (255, 214, 140), -1, cv2.LINE_AA, 4)
    return big


def save(path: str | os.PathLike[str], picture: Picture) -> None:
    """Write `picture`, uint8 ``[h, w, 3]`` in RGB, to a file whose suffix says the format.

    Raises:
        OSError: the file cannot be written.
        ImportError: OpenCV is not installed.
    """
    cv2, path = _opencv(), Path(path)
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
            "phasenet.viz: OpenCV is not installed; pip install opencv-python (the extra viz)"
        ) from None
    return cv2


def _array(values: Any) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu().resolve_conj().resolve_neg()
        if values.dtype in (torch.float16, torch.bfloat16):
            values = values.float()
        return values.numpy()
    return np.asarray(values)


def _real(name: str, values: Any) -> np.ndarray:
    array = _array(values)
    if np.iscomplexobj(array):
        raise TypeError(f"{name}: expected real numbers, got {array.dtype}")
    return array.astype(np.float64)
