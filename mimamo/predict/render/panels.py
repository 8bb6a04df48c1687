"""The picture of one frame in the rendered video: face, motion, and predictions up to now.

The layout is 1280x720 whatever the size of the input. What does not change is drawn once; a frame
costs a copy of that and what is new. Colours are RGB throughout.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import torch
from matplotlib.ticker import MaxNLocator
from torch.nn.functional import adaptive_avg_pool2d

from mimamo.faces import Faces
from mimamo.predict.render import canvas
from mimamo.predict.render.canvas import (
    AROUSAL,
    BACKGROUND,
    EDGE,
    FACE,
    INK,
    VALENCE,
    Axes,
    Colour,
    Rect,
)
from mimamo.predict.render.face_motion import FaceMotion
from mimamo.predict.render.people import People, colour_of
from mimamo.predict.table import Predictions, runs
from mimamo.progress import counted, shortened
from mimamo.video.letterbox import letterbox
from phasenet.viz import colour_signed, film_strip, motion_arrows

WIDTH, HEIGHT = 1280, 720
MOTION_LIMIT = 0.5  # radians a frame at the ends of the colour scale

_PANEL: Colour = (24, 28, 34)
_GRID: Colour = (44, 50, 58)
_FAINT: Colour = (150, 158, 170)

_VIDEO = Rect(24, 56, 800, 450)
_CROP = Rect(848, 56, 160, 160)
_BANDS = (Rect(1020, 56, 114, 114), Rect(1142, 56, 114, 114))
_BAR = Rect(1020, 180, 236, 8)
_STRIP = Rect(847, 262, 410, 70)
_PLANE = Rect(943, 384, 262, 262)
_OVER_TIME = Rect(66, 556, 758, 124)

_ARROWS = 20  # times what moved
_HEAD: Colour = (255, 214, 140)
_ARROW_STEP = 6  # pixels of the grey face between arrows
_STRIP_GAP = 2
_STRIP_PLANES = 24  # a longer window is shown in part

_SPAN = 30.0  # seconds of the trajectories in view; a longer video scrolls
_TRAIL = 3.0  # seconds of the path in the plane in view
_TRAIL_STEPS = 16  # shades of its fading
_NAMED = 4  # faces whose values are written


class Renderer:
    """Draws the rendered frames of one video.

    Args:
        name: the title.
        predictions: of every frame of the video.
        faces: where the faces are, in the rows of `predictions`.
        nbands: orientations of the pyramid, to name the directions of the motion maps.
        num_phase: differences of a window.
        people: show several faces each in a colour.
    """

    def __init__(
        self,
        name: str,
        predictions: Predictions,
        faces: Faces,
        nbands: int = 2,
        num_phase: int = 12,
        *,
        people: bool = False,
    ) -> None:
        self._predictions = predictions
        self._known, self._seams = predictions.known, predictions.seams
        self._parts = predictions.parts
        self._faces = faces
        self._people = People(predictions) if people and len(predictions.numbers) > 1 else None
        self._rows = list(predictions.rows_of_frames())
        firsts = [rows[0] for rows in self._rows]
        # Of each frame: when it is, and whether any face was found.
        self._times, self._seen = predictions.times[firsts], predictions.found[firsts]
        times = self._times
        self._frame_time = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
        self._span = min(_SPAN, max(float(times[-1]), self._frame_time)) if len(times) else 1.0
        limit = predictions.axis_limit
        self._plane = Axes(_PLANE, -limit, limit, limit)
        self._still = self._draw_still(name, nbands, num_phase)

    def draw(
        self,
        index: int,
        image: np.ndarray | None,
        crop: np.ndarray | None = None,
        motion: FaceMotion | None = None,
    ) -> np.ndarray:
        """The rendered frame.

        Args:
            index: the frame's, from 0.
            image: uint8 ``[H, W, 3]``, the frame; None if there is none to show.
            crop: uint8 ``[h, w, 3]``, the aligned face, if one was found.
            motion: of the face, drawn over `crop`; of the phase differences the first two bands
                are shown, those to the frame before and those of the whole window.

        Returns:
            uint8 ``[720, 1280, 3]``.
        """
        picture = self._still.copy()
        self._draw_video(picture, index, image)
        if crop is not None:
            canvas.paste(picture, crop, _CROP)
            if self._people is not None:  # whose it is
                canvas.frame(picture, _CROP, self._colour(self._rows[index][0]))
        if motion is not None:
            for band, rect in zip(motion.difference, _BANDS, strict=False):
                rect.of(picture)[...] = self._coloured(band, rect)
            _draw_arrows(_CROP.of(picture), motion)
            _draw_strip(picture, motion)
        self._draw_over_time(picture, index)
        self._draw_plane(picture, index)
        return picture

    def _draw_still(self, name: str, nbands: int, num_phase: int) -> np.ndarray:
        still = np.full((HEIGHT, WIDTH, 3), BACKGROUND, dtype=np.uint8)
        for rect in (_VIDEO, _CROP, *_BANDS, _STRIP, _PLANE, _OVER_TIME):
            rect.of(still)[...] = _PANEL
        canvas.write(still, shortened(name, 44), _VIDEO.left, 34, INK, 18, bold=True)
        title = f"face, motion \N{MULTIPLICATION SIGN} {_ARROWS}"
        canvas.write(still, title, _CROP.left, 36, _FAINT, 13)
        for band, rect in enumerate(_BANDS):
            angle = 180 * band / nbands  # of the motion a band sees best
            direction = "↔" if angle == 0 else "↕" if angle == 90 else f"{angle:.0f}°"
            canvas.write(still, f"phases {direction}", rect.left, 36, _FAINT, 13)
        many = counted(num_phase, "phase difference")
        text = f"the {many} around this frame: past to future"
        canvas.write(still, text, _CROP.left, _STRIP.top - 14, _FAINT, 13)

        ramp = np.linspace(-MOTION_LIMIT, MOTION_LIMIT, _BAR.width, dtype=np.float32)[None]
        _BAR.of(still)[...] = self._coloured(ramp, _BAR)
        for x, text, anchor in (
            (_BAR.left, _number(-MOTION_LIMIT), "left"),
            ((_BAR.left + _BAR.right) / 2, "radians a frame, level 1", "middle"),
            (_BAR.right, _number(MOTION_LIMIT), "right"),
        ):
            canvas.write(still, text, x, _BAR.bottom + 12, _FAINT, 12, anchor=anchor)

        limit = self._predictions.axis_limit
        for value in _ticks(-limit, limit, 4):
            colour, text = EDGE if value == 0 else _GRID, _number(value)
            x, y = self._plane.pixels(value, value)
            canvas.line(still, [(x, _PLANE.top), (x, _PLANE.bottom)], colour)
            canvas.line(still, [(_PLANE.left, y), (_PLANE.right, y)], colour)
            canvas.write(still, text, x, _PLANE.bottom + 13, _FAINT, 12, anchor="middle")
            canvas.write(still, text, _PLANE.left - 7, y, _FAINT, 12, anchor="right")
            y = self._over_time(0).pixels(0, value)[1]
            canvas.line(still, [(_OVER_TIME.left, y), (_OVER_TIME.right, y)], colour)
            canvas.write(still, text, _OVER_TIME.left - 7, y, _FAINT, 12, anchor="right")
        # Of several people, these colours are faces'.
        up, across = (AROUSAL, VALENCE) if self._people is None else (INK, INK)
        canvas.write(still, "arousal", _PLANE.left, _PLANE.top - 15, up, 14, bold=True)
        x, y = _PLANE.right, _PLANE.bottom + 34
        canvas.write(still, "valence", x, y, across, 14, bold=True, anchor="right")
        return still

    def _draw_video(self, picture: np.ndarray, index: int, image: np.ndarray | None) -> None:
        count, time = len(self._times), self._times[index]
        text = f"frame {index + 1} / {count}   {time:.2f} s"
        canvas.write(picture, text, _VIDEO.right, 35, _FAINT, 14, anchor="right")
        panel = _VIDEO.of(picture)
        if image is not None:
            scale, shift = letterbox(panel, image)
            for row in self._rows[index]:
                if np.isnan(self._faces.boxes[row, 0]):
                    continue
                colour = self._colour(row)
                _draw_box(panel, self._faces.boxes[row].reshape(2, 2) * scale + shift, colour)
                for point in self._faces.landmarks[row] * scale + shift:
                    canvas.dot(panel, point, 3.5, BACKGROUND)
                    canvas.dot(panel, point, 2.5, colour)
        if not self._seen[index]:
            canvas.shade(panel, Rect(12, 12, 132, 30), BACKGROUND, 0.75)
            canvas.write(panel, "no face found", 22, 27, INK, 15)

    def _draw_over_time(self, picture: np.ndarray, index: int) -> None:
        times, found = self._times, self._seen
        now = float(times[index])
        axes = self._over_time(now)
        area, bottom = _OVER_TIME, _OVER_TIME.bottom
        first = max(0, int(np.searchsorted(times, axes.x0)) - 1)
        shown = slice(first, index + 1)
        panel = area.of(picture)
        inside = Axes(Rect(0, 0, area.width, area.height), axes.x0, axes.x1, axes.limit)
        half = self._frame_time / 2
        for start, stop in runs(~found[shown]):
            span = times[first + start] - half, min(times[first + stop - 1] + half, now)
            left, right = np.clip(np.rint(inside.pixels(span, (0, 0))[:, 0]), 0, area.width)
            canvas.shade(panel, Rect(int(left), 0, int(right - left), area.height), EDGE, 0.45)
        for tick in _ticks(axes.x0, axes.x1, 8):
            x = axes.pixels(tick, 0)[0]
            canvas.line(picture, [(x, bottom), (x, bottom + 4)], EDGE)
            canvas.write(picture, self._clock(tick), x, bottom + 14, _FAINT, 12, anchor="middle")
        if self._people is not None:
            self._people.draw(panel, inside, first, index)
            self._write_values(picture, index)
            return

        for seam in self._seams[(self._seams >= axes.x0) & (self._seams <= now)]:
            x = inside.pixels(seam - half, 0)[0]
            canvas.line(panel, [(x, 0), (x, area.height)], EDGE)
        known = self._known[shown]
        held = known & ~found[shown]
        held[:-1] |= found[shown][:-1] & held[1:]  # join the prediction that is held
        x = area.left
        for column, name, colour in ((0, "valence", VALENCE), (1, "arousal", AROUSAL)):
            values = self._predictions.values[shown, column]
            points = inside.pixels(times[shown], values)
            for start, stop in runs(held, self._parts[shown]):
                canvas.line(panel, points[start:stop], _mixed(colour, _PANEL, 0.5), 1)
            for start, stop in runs(self._predictions.face[shown], self._parts[shown]):
                canvas.line(panel, points[start:stop], colour, 2)
            text = "\N{EN DASH}"
            if known[-1]:
                canvas.dot(picture, points[-1] + (area.left, area.top), 4, colour)
                text = _number(round(float(values[-1]), 2) + 0.0, "+.2f")
            x = canvas.write(picture, name, x, area.top - 19, colour, 15, bold=True) + 8
            canvas.write(picture, text, x, area.top - 19, INK, 15)
            x += 76

    def _write_values(self, picture: np.ndarray, index: int) -> None:
        """How valence and arousal look, and those of the first faces of a frame."""
        y = _OVER_TIME.top - 19
        x = canvas.write(picture, "valence thick, arousal thin", _OVER_TIME.left, y, INK, 15)
        for row in [row for row in self._rows[index] if self._predictions.face[row]][:_NAMED]:
            values = (
                _number(round(float(v), 2) + 0.0, "+.2f") for v in self._predictions.values[row]
            )
            text = f"{self._predictions.face[row]}: {' '.join(values)}"
            x = canvas.write(picture, text, x + 24, y, self._colour(row), 15)

    def _draw_plane(self, picture: np.ndarray, index: int) -> None:
        if self._people is not None:
            self._draw_people_in_plane(picture, index)
            return
        times, values = self._predictions.times, self._predictions.values
        found = self._predictions.found
        first = int(np.searchsorted(times, times[index] - _TRAIL))
        shown = slice(first, index + 1)
        points = self._plane.pixels(*values[shown].T)
        for start, stop in runs(self._predictions.face[shown], self._parts[shown]):
            for a, b in _pieces(start, stop, max(1, len(points) // _TRAIL_STEPS)):
                age = (times[index] - times[first + a]) / _TRAIL
                canvas.line(picture, points[a:b], _mixed(_PANEL, INK, 0.9 * age), 2)
        if self._known[index]:
            canvas.dot(picture, points[-1], 8, BACKGROUND)
            canvas.dot(picture, points[-1], 6.5, FACE if found[index] else _FAINT)

    def _draw_people_in_plane(self, picture: np.ndarray, index: int) -> None:
        first = int(np.searchsorted(self._times, self._times[index] - _TRAIL))
        for rows in self._people.between(first, index) if self._people else ():
            points = self._plane.pixels(*self._predictions.values[rows].T)
            colour = self._colour(rows[0])
            canvas.line(picture, points, _mixed(colour, _PANEL, 0.5), 2)
            if self._predictions.frames[rows[-1]] == index:
                canvas.dot(picture, points[-1], 8, BACKGROUND)
                canvas.dot(picture, points[-1], 6.5, colour)

    def _colour(self, row: int) -> Colour:
        """The colour of a row's face."""
        return colour_of(int(self._predictions.face[row]))

    def _over_time(self, now: float) -> Axes:
        """The axes of the trajectories at a time: from 0, or the last `_SPAN` seconds."""
        start = max(0.0, now - self._span)
        return Axes(_OVER_TIME, start, start + self._span, self._predictions.axis_limit)

    def _clock(self, seconds: float) -> str:
        if self._times[-1] < 60:
            return f"{seconds:g} s"
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"

    def _coloured(self, values: np.ndarray, rect: Rect) -> np.ndarray:
        """`values` ``[h, w]`` in the size of `rect` and the colours of the motion scale."""
        size = (rect.width, rect.height)
        values = cv2.resize(values, size, interpolation=cv2.INTER_LINEAR)
        return colour_signed(values, MOTION_LIMIT, _PANEL)


def _draw_arrows(panel: np.ndarray, motion: FaceMotion) -> None:
    """Motion, where it is known, as arrows over the face, which is made darker."""
    scale = panel.shape[0] / motion.field.shape[-1]
    np.multiply(panel, 0.7, out=panel, casting="unsafe")
    arrows = motion_arrows(motion.field, motion.weight, scale=_ARROWS, step=_ARROW_STEP)
    arrows = scale * arrows
    arrows = arrows[np.abs(arrows[:, 1] - arrows[:, 0]).max(axis=-1) > 1.5]
    canvas.lines(panel, arrows, AROUSAL)
    for end in arrows[:, 1]:
        canvas.dot(panel, end, 1.3, _HEAD)


def _draw_strip(picture: np.ndarray, motion: FaceMotion) -> None:
    """The window as a film strip, the difference to the frame before in a frame."""
    count = motion.window.shape[1]
    step = -(-count // _STRIP_PLANES)
    planes = motion.window[:2, motion.middle % step :: step]
    bands, shown = planes.shape[:2]
    side = (_STRIP.width - _STRIP_GAP) // shown - _STRIP_GAP
    side = min(side, (_STRIP.height - _STRIP_GAP) // bands - _STRIP_GAP)
    # All at once: a call of OpenCV for each plane takes many times as long.
    small = adaptive_avg_pool2d(torch.from_numpy(planes.copy()), side).numpy()
    strip = film_strip(small, MOTION_LIMIT, _STRIP_GAP)
    place = Rect(_STRIP.left, _STRIP.top, strip.shape[1], strip.shape[0])
    place.of(picture)[...] = strip
    left = _STRIP.left + _STRIP_GAP + motion.middle // step * (side + _STRIP_GAP)
    canvas.frame(
        picture, Rect(left, _STRIP.top + _STRIP_GAP, side, strip.shape[0] - 2 * _STRIP_GAP), FACE
    )


def _draw_box(panel: np.ndarray, corners: np.ndarray, face: Colour) -> None:
    """The face's box, `corners` ``[2, 2]`` in pixels: four brackets with a dark rim."""
    (left, top), (right, bottom) = corners
    arm = 0.22 * min(right - left, bottom - top)
    for colour, width in ((BACKGROUND, 4), (face, 2)):
        for x, y, dx, dy in (
            (left, top, arm, arm), (right, top, -arm, arm),
            (right, bottom, -arm, -arm), (left, bottom, arm, -arm),
        ):  # fmt: skip
            canvas.line(panel, np.array([(x + dx, y), (x, y), (x, y + dy)]), colour, width)


def _pieces(start: int, stop: int, length: int) -> list[tuple[int, int]]:
    """Half-open pieces of a stretch, each sharing its first point with the one before."""
    edges = [*range(start, stop - 1, length), stop - 1]
    return [(a, b + 1) for a, b in pairwise(edges)] or [(start, stop)]


def _ticks(low: float, high: float, count: int) -> list[float]:
    """At most `count` + 1 round numbers from `low` to `high`."""
    ticks = MaxNLocator(count, steps=(1, 2, 5, 10)).tick_values(low, high)
    return [float(tick) for tick in np.round(ticks, 9) + 0.0 if low - 1e-9 <= tick <= high + 1e-9]


def _number(value: float, style: str = "g") -> str:
    return format(value, style).replace("-", "\N{MINUS SIGN}")


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of colour `one` and the rest of `other`."""
    red, green, blue = (round(share * a + (1 - share) * b) for a, b in zip(one, other, strict=True))
    return red, green, blue
