"""The rendered picture of one frame, looked at where its parts lie."""

from __future__ import annotations

import numpy as np
import pytest

from mimamo.faces.observe import Faces
from mimamo.predict.render import panels
from mimamo.predict.render.face_motion import FaceMotion
from mimamo.predict.render.panels import MOTION_LIMIT, Renderer
from mimamo.predict.render.people import colour_of
from mimamo.predict.table import Predictions

VIDEO, CROP, BANDS = panels._VIDEO, panels._CROP, panels._BANDS


def faces(count: int, box=(30.0, 20.0, 70.0, 80.0)) -> Faces:
    boxes = np.tile(np.array(box, np.float32), (count, 1))
    middle = boxes.reshape(count, 2, 2).mean(axis=1, keepdims=True)
    points = middle + np.linspace(-10, 10, 10, dtype=np.float32).reshape(1, 5, 2)
    return Faces(boxes, points, np.ones(count, np.float32))


def moved(
    maps: np.ndarray,
    field: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    count: int = 12,
) -> FaceMotion:
    """Motion whose difference to the frame before is `maps`, one of the bands' whole window."""
    window = np.repeat(np.float32(maps)[:, None], count, axis=1)
    field = np.zeros((2, *maps.shape[1:])) if field is None else field
    return FaceMotion(window, field, np.ones(maps.shape[1:]) if weight is None else weight)


def grey(height: int, width: int, value: int = 100) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def pixels_of(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Where a colour lies in a picture, ``[N, 2]`` as x, y."""
    return np.argwhere((picture == colour).all(axis=-1))[:, ::-1]


class TestVideo:
    @pytest.mark.parametrize(
        "size", [(1, 1), (3, 5), (101, 33), (33, 101), (360, 640), (2160, 3840), (1, 900)]
    )
    def test_any_size_is_fitted_whole_and_undistorted(self, predictions, size):
        height, width = size
        none = faces(1, (np.nan,) * 4)
        renderer = Renderer("a", predictions("x"), none)
        picture = renderer.draw(0, grey(height, width))
        assert picture.shape == (720, 1280, 3)
        assert picture.dtype == np.uint8
        shown = pixels_of(VIDEO.of(picture), (100, 100, 100))
        scale = min(VIDEO.width / width, VIDEO.height / height)
        fitted = np.maximum(1, np.array((width, height)) * scale)
        np.testing.assert_allclose(shown.max(axis=0) - shown.min(axis=0) + 1, fitted, atol=0.5)
        np.testing.assert_allclose(
            shown.min(axis=0) + shown.max(axis=0), (VIDEO.width, VIDEO.height), atol=2
        )

    def test_the_box_is_where_the_face_is(self, predictions):
        renderer = Renderer("a", predictions("x."), faces(2))
        scale = VIDEO.height / 90
        picture = renderer.draw(0, grey(90, 160))
        drawn = pixels_of(VIDEO.of(picture), panels.FACE)
        np.testing.assert_allclose(drawn.min(axis=0), np.array((30, 20)) * scale, atol=4)
        np.testing.assert_allclose(drawn.max(axis=0), np.array((70, 80)) * scale, atol=4)

    def test_without_a_face_no_box_is_drawn_but_a_note(self, predictions):
        none = faces(2)
        none.boxes[1] = none.landmarks[1] = np.nan
        renderer = Renderer("a", predictions("x."), none)
        picture = VIDEO.of(renderer.draw(1, grey(90, 160)))
        assert len(pixels_of(picture, panels.FACE)) == 0
        note = picture[12:42, 12:144]
        assert len(pixels_of(note, (100, 100, 100))) == 0
        assert note.max() > 200

    def test_the_frame_is_left_as_it_is(self, predictions):
        image = grey(90, 160)
        Renderer("a", predictions("x"), faces(1)).draw(0, image, image, moved(np.ones((2, 8, 8))))
        assert (image == 100).all()

    def test_a_frame_does_not_depend_on_what_was_drawn_before(self, predictions):
        renderer = Renderer("a", predictions("xx.x"), faces(4))
        first = renderer.draw(3, grey(50, 50))
        renderer.draw(0, grey(50, 50, 7), grey(112, 112), moved(np.ones((2, 8, 8))))
        np.testing.assert_array_equal(renderer.draw(3, grey(50, 50)), first)


class TestMotion:
    def test_colours_tell_the_sign_and_zero_is_dark(self, predictions):
        renderer = Renderer("a", predictions("x"), faces(1))
        maps = np.zeros((2, 48, 48), np.float32)
        maps[0, :, :24], maps[0, :, 24:] = -MOTION_LIMIT / 2, MOTION_LIMIT / 2
        picture = renderer.draw(0, None, None, moved(maps))
        left, right = (
            BANDS[0].of(picture)[57, 20].astype(int),
            BANDS[0].of(picture)[57, -20].astype(int),
        )
        assert left[2] - left[0] > 100  # blue
        assert right[0] - right[2] > 100  # orange
        np.testing.assert_allclose(
            BANDS[1].of(picture), np.broadcast_to(panels._PANEL, (114, 114, 3)), atol=3
        )

    def test_beyond_the_scale_the_colour_stays_at_its_end(self, predictions):
        renderer = Renderer("a", predictions("x"), faces(1))
        ends = [
            BANDS[0].of(renderer.draw(0, None, None, moved(np.full((2, 8, 8), value))))
            for value in (MOTION_LIMIT, 15.0)
        ]
        np.testing.assert_array_equal(*ends)

    def test_the_crop_is_shown(self, predictions):
        renderer = Renderer("a", predictions("x"), faces(1))
        crop = np.zeros((112, 112, 3), np.uint8)
        crop[:56] = (250, 10, 20)
        shown = CROP.of(renderer.draw(0, None, crop))
        np.testing.assert_array_equal(shown[20, 80], (250, 10, 20))
        np.testing.assert_array_equal(shown[-20, 80], (0, 0, 0))

    def test_arrows_lie_over_the_face(self, predictions):
        renderer = Renderer("a", predictions("x"), faces(1))
        field = np.zeros((2, 48, 48), np.float32)
        field[0, :, 24:] = 0.2  # the right half moves to the right
        motion = moved(np.zeros((2, 48, 48)), field)
        crop = CROP.of(renderer.draw(0, None, grey(112, 112), motion)).astype(int)
        drawn = np.argwhere(crop[..., 0] - crop[..., 2] > 60)  # orange
        rows = np.unique(drawn[:, 0])
        assert len(rows) < 8 * 4  # eight rows of level lines
        # From the middle of the first moving cell of 6 pixels of the grey face.
        assert abs(drawn[:, 1].min() - 90) <= 1

    def test_no_arrow_where_motion_is_not_known(self, predictions):
        renderer = Renderer("a", predictions("x"), faces(1))
        field, weight = np.full((2, 48, 48), 0.2, np.float32), np.ones((48, 48), np.float32)
        weight[:24] = 0.05
        motion = moved(np.zeros((2, 48, 48)), field, weight)
        crop = CROP.of(renderer.draw(0, None, grey(112, 112), motion)).astype(int)
        drawn = np.argwhere(crop[..., 0] - crop[..., 2] > 60)
        assert len(drawn) > 100
        assert drawn[:, 0].min() > 80

    @pytest.mark.parametrize("count", [1, 2, 12, 13, 24, 25, 100])
    @pytest.mark.parametrize("bands", [2, 4])
    def test_the_film_strip_shows_the_window_from_past_to_future(self, predictions, count, bands):
        renderer = Renderer("a", predictions("x"), faces(1), bands, count)
        window = np.zeros((bands, count, 48, 48), np.float32)
        window[0, : count // 2 + 1] = -MOTION_LIMIT  # blue; the second row is dark
        window[0, count // 2 + 1 :] = MOTION_LIMIT  # orange
        motion = FaceMotion(window, np.zeros((2, 48, 48)), np.ones((48, 48)))
        picture = renderer.draw(0, None, None, motion)
        strip = panels._STRIP.of(picture).astype(int)
        blue = np.argwhere(strip[..., 2] - strip[..., 0] > 60)
        assert len(blue) > 8 * (count // 2 + 1) / max(1, count // 24 + 1)
        assert blue[:, 0].max() < strip.shape[0] / 2
        if count > 2:
            orange = np.argwhere((strip[..., 0] - strip[..., 2] > 60) & (strip[..., 1] < 220))
            assert blue[:, 1].max() < orange[:, 1].max()
        outside = picture.copy()
        panels._STRIP.of(outside)[...] = 0
        still = renderer.draw(0, None, None, moved(np.zeros((2, 48, 48))))
        panels._STRIP.of(still)[...] = 0
        for rect in panels._BANDS:
            rect.of(outside)[...] = rect.of(still)[...] = 0
        np.testing.assert_array_equal(outside, still)


class TestTrajectories:
    def test_only_the_past_is_drawn(self, predictions):
        renderer = Renderer("a", predictions("x" * 100), faces(100))
        strip = panels._OVER_TIME
        ends = []
        for index in (25, 50, 99):
            picture = strip.of(renderer.draw(index, None))
            ends.append(pixels_of(picture, panels.VALENCE)[:, 0].max())
        expected = np.array([25, 50, 99]) / 99 * strip.width
        np.testing.assert_allclose(ends, expected, atol=8)

    def test_a_long_video_scrolls(self, predictions):
        renderer = Renderer("a", predictions("x" * 900, fps=10), faces(900))
        strip = panels._OVER_TIME
        drawn = pixels_of(strip.of(renderer.draw(899, None)), panels.VALENCE)[:, 0]
        assert drawn.min() <= 2
        assert drawn.max() >= strip.width - 3

    def test_the_dot_in_the_plane_is_the_current_prediction(self, predictions):
        made = predictions("xxx..", scale=0.9)
        renderer = Renderer("a", made, faces(5))
        for index, colour in ((1, panels.FACE), (4, panels._FAINT)):  # found, held
            dot = pixels_of(panels._PLANE.of(renderer.draw(index, None)), colour).mean(axis=0)
            valence, arousal = made.values[index]
            place = (1 + np.array((valence, -arousal))) / 2 * panels._PLANE.width
            np.testing.assert_allclose(dot, place, atol=1.5)

    @pytest.mark.parametrize("pattern", ["....", "..x."])
    def test_before_the_first_face_nothing_is_drawn(self, predictions, pattern):
        picture = Renderer("a", predictions(pattern), faces(4)).draw(1, None)
        for colour in (panels.FACE, panels._FAINT, panels.VALENCE):
            assert len(pixels_of(panels._PLANE.of(picture), colour)) == 0
        assert len(pixels_of(panels._OVER_TIME.of(picture), panels.VALENCE)) == 0

    def test_nothing_is_drawn_across_frames_that_are_missing(self, torn):
        """Of one face and of two, in its colour; and in the plane."""
        one = torn.face == 1
        lone = Predictions(torn.times[one], torn.face[one], torn.values[one], gaps=torn.gaps)
        lone.values[:, 0] = np.linspace(-0.9, 0.9, 10)
        for made, colour, people in ((lone, panels.VALENCE, False), (torn, colour_of(1), True)):
            picture = Renderer("a", made, faces(len(made)), people=people).draw(9, None)
            strip = panels._OVER_TIME
            across = pixels_of(strip.of(picture), colour)[:, 0] / strip.width * made.times[-1]
            assert (across < 0.42).any()
            assert (across > 1.38).any()
            assert not ((across > 0.42) & (across < 1.38)).any()
        plane = panels._PLANE.of(Renderer("a", lone, faces(10)).draw(9, None))
        columns = np.flatnonzero((plane > 100).all(axis=-1).any(axis=0)) / panels._PLANE.width
        assert not ((columns > 0.47) & (columns < 0.53)).any()
        assert ((columns > 0.37) & (columns < 0.44)).any()

    def test_values_out_of_range_stay_inside_the_plane(self, predictions):
        made = predictions("x" * 20, scale=4.0)
        renderer = Renderer("a", made, faces(20))
        for index in range(20):
            assert len(pixels_of(panels._PLANE.of(renderer.draw(index, None)), panels.FACE)) > 80


class TestPeople:
    def draw(self, made, index, **options):
        where = faces(len(made))
        where.boxes[made.face == 2] += (60, 0, 60, 0)
        where.landmarks[made.face == 2] += (60, 0)
        return Renderer("a", made, where, **options).draw(index, grey(90, 160))

    def test_every_face_has_a_box_and_a_dot_in_its_colour(self, two_people):
        for index, second in ((1, False), (2, True), (4, False), (6, True)):
            picture = self.draw(two_people, index, people=True)
            for number, place in ((1, 50), (2, 110)):
                drawn = pixels_of(VIDEO.of(picture), colour_of(number))
                dot = pixels_of(panels._PLANE.of(picture), colour_of(number))
                if number == 2 and not second:
                    assert len(drawn) == len(dot) == 0
                    continue
                middle = (drawn.min(axis=0) + drawn.max(axis=0)) / 2
                np.testing.assert_allclose(middle, np.array((place, 50)) * 5, atol=8)
                assert len(dot) > 80

    def test_no_word_has_a_faces_colour(self, two_people):
        below = slice(panels._PLANE.bottom, panels.HEIGHT), slice(panels._PLANE.left, panels.WIDTH)
        for people, coloured in ((False, True), (True, False)):
            words = self.draw(two_people, 0, people=people)[below]
            assert (len(pixels_of(words, panels.VALENCE)) > 0) == coloured

    def test_curves_are_of_one_face_as_far_as_it_goes(self, two_people):
        strip = panels._OVER_TIME
        picture = self.draw(two_people, 9, people=True)
        across = pixels_of(strip.of(picture), colour_of(2))[:, 0] / strip.width
        assert 0.19 < across.min() < 0.21
        assert 0.69 < across.max() < 0.71
        assert not ((across > 0.32) & (across < 0.58)).any()

    def test_nobody_in_the_last_frame_is_said(self, two_people):
        picture = VIDEO.of(self.draw(two_people, 10, people=True))
        assert picture[12:42, 12:144].max() > 200

    def test_a_line_is_where_another_face_begins(self, predictions):
        made = predictions("x" * 10, fps=10)
        before = self.draw(made, 9)
        made.face[5:] = 2
        changed = (self.draw(made, 9) != before).any(axis=-1)
        strip = panels._OVER_TIME
        where = np.flatnonzero(strip.of(changed[..., None])[..., 0].mean(axis=0) > 0.5)
        np.testing.assert_allclose(where / strip.width, 0.5, atol=0.01)


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (-1, 1, 4, [-1, -0.5, 0, 0.5, 1]),
        (-2.7, 2.7, 4, [-2, 0, 2]),
        (0, 10.27, 8, [0, 2, 4, 6, 8, 10]),
        (71.3, 101.3, 8, [75, 80, 85, 90, 95, 100]),
        (0, 0.033, 8, [0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03]),
    ],
)
def test_ticks_are_round_numbers(low, high, count, expected):
    assert panels._ticks(low, high, count) == pytest.approx(expected)
