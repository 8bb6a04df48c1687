"""FaceTracker: which face is followed; LandmarkFilter: what is smoothed and what is not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from mimamo.faces.alignment import TEMPLATE
from mimamo.faces.detection import Detection
from mimamo.faces.tracking import FaceTracker, LandmarkFilter, look_closer

IMAGE = np.zeros((480, 640, 3), np.uint8)


def _face(x, y=200.0, size=100.0, score=0.9):
    half = size / 2
    landmarks = ((TEMPLATE - TEMPLATE.mean(axis=0)) * size / 112 + (x, y)).astype(np.float32)
    return Detection(
        np.array([x - half, y - half, x + half, y + half], np.float32), landmarks, score
    )


class Script:
    """A detector that finds, in each new frame, what was written down for it.

    In the tracker's close views it finds nothing, so the tracker keeps what it has; or, with
    `close`, a face in the middle.
    """

    def __init__(self, *frames, close=None):
        self._frames = iter(frames)
        self._close = close

    def __call__(self, image):
        if image.shape == IMAGE.shape:
            return next(self._frames)
        return [self._close] if self._close is not None else []


def _follow(*frames, close=None, **options):
    tracker = FaceTracker(Script(*frames, close=close), steady=False, **options)
    found = [tracker(IMAGE, time=step / 30) for step in range(len(frames))]
    return [None if face is None else float(face.centre[0]) for face in found]


class TestChoice:
    def test_begins_with_the_greatest_area_times_score(self):
        assert _follow([_face(100, size=80), _face(300, size=100)]) == [300]
        assert _follow([_face(100, size=95, score=0.9), _face(300, score=0.5)]) == [100]

    def test_chooses_again_where_the_size_of_frames_changes(self):
        """The place of the last face was in other pixels."""
        seen = {480: [_face(100)], 240: [_face(400, y=100)]}
        tracker = FaceTracker(lambda image: seen.get(image.shape[0], []), steady=False)
        found = [tracker(IMAGE[::step], 0.0) for step in (1, 1, 2, 2)]
        assert [float(face.centre[0]) for face in found] == [100, 100, 400, 400]

    def test_stays_with_its_face_when_a_larger_one_comes(self):
        frames = [[_face(100 + 10 * i)] + ([_face(400, size=180)] if i else []) for i in range(4)]
        assert _follow(*frames) == [100, 110, 120, 130]

    def test_takes_the_nearest_of_two_near_ones(self):
        assert _follow([_face(100)], [_face(160), _face(115)]) == [100, 115]

    def test_does_not_jump_to_a_face_elsewhere(self):
        assert _follow([_face(100)], [_face(400)], [_face(105)]) == [100, None, 105]

    @pytest.mark.parametrize("size", [40, 210])
    def test_does_not_take_a_face_of_quite_another_size(self, size):
        assert _follow([_face(100)], [_face(100, size=size)]) == [100, None]

    @pytest.mark.parametrize(("side", "expected"), [("left", 120), ("right", 400)])
    def test_with_a_side_begins_with_that_of_the_two_main_faces(self, side, expected):
        small = _face(20 if side == "left" else 600, size=30)
        assert _follow([_face(400, size=150), small, _face(120)], side=side) == [expected]
        # Both in the right half: still the one further left is the left one.
        pair = [_face(380), _face(600)]
        assert _follow(pair, side=side) == [380 if side == "left" else 600]

    @pytest.mark.parametrize("side", ["left", "right"])
    def test_with_a_side_a_lone_face_has_to_be_in_that_half(self, side):
        for place in (120, 500):
            own = place < 320 if side == "left" else place > 320
            assert _follow([_face(place)], side=side) == [place if own else None]

    def test_with_a_side_a_face_is_followed_across_the_middle(self):
        frames = [[_face(place)] for place in (290, 320, 350, 380)]
        assert _follow(*frames, side="left") == [290, 320, 350, 380]

    def test_a_missed_frame_is_no_face_and_the_face_is_found_again(self):
        assert _follow([_face(100)], [], [_face(110)]) == [100, None, 110]

    def test_begins_anew_once_its_patience_is_over(self):
        frames = [[_face(100)], *([[_face(400)]] * 4)]
        assert _follow(*frames, patience=3) == [100, None, None, None, 400]

    def test_nothing_anywhere(self):
        assert _follow([], [], []) == [None, None, None]


class TestCloserLook:
    def test_brings_a_face_back_that_the_whole_picture_did_not_show(self):
        close = _face(*(TEMPLATE.mean(axis=0) + 24), size=112)  # where the view expects it
        assert _follow([_face(100)], [], close=close) == pytest.approx([100, 100], abs=0.1)

    def test_does_not_take_another_face_at_the_views_edge(self):
        close = _face(5, 5, size=60)
        assert _follow([_face(100)], [], close=close) == [100, None]

    @pytest.mark.parametrize("degrees", [-50, 0, 40])
    def test_corrects_landmarks_that_are_off(self, detector, place, marked, degrees):
        frame, pose = place((160, 120), 0.8, degrees)
        truth = marked @ pose[:, :2].T + pose[:, 2]
        size = 70.0
        box = np.concatenate([truth.mean(axis=0) - size / 2, truth.mean(axis=0) + size / 2])
        rough = (truth + np.array([8, -6])).astype(np.float32)
        face = look_closer(detector, frame, Detection(box.astype(np.float32), rough, 0.5))
        assert np.abs(face.landmarks - truth).mean() < 3
        assert np.abs(face.centre - truth.mean(axis=0)).max() < 10
        assert 70 < face.size < 110

    def test_sees_nothing_where_there_is_no_face(self, detector, without_faces):
        assert look_closer(detector, without_faces[0], _face(160, 120)) is None


class TestSearchEvery:
    def follow(self, every, shown, close):
        """How often the whole picture was searched before each of some frames."""
        searches, counts = [], []

        def detector(image):
            if image.shape != IMAGE.shape:
                return [close] if close is not None else []
            searches.append(image)
            return shown

        tracker = FaceTracker(detector, search_every=every)
        for step in range(9):
            counts.append(len(searches))
            assert (tracker(IMAGE, step / 30) is not None) == bool(shown)
        return [after - before for before, after in pairwise([*counts, len(searches)])]

    def test_between_searches_only_the_view_is_looked_at(self):
        close = _face(*(TEMPLATE.mean(axis=0) + 24), size=112)
        shown = [_face(100)]
        assert self.follow(1, shown, close) == [1] * 9
        assert self.follow(2, shown, close) == [1, 0, 1, 0, 1, 0, 1, 0, 1]
        assert self.follow(4, shown, close) == [1, 0, 0, 0, 1, 0, 0, 0, 1]

    def test_a_face_that_is_lost_is_searched_at_once(self):
        assert self.follow(4, [_face(100)], None) == [1] * 9
        assert self.follow(4, [], None) == [1] * 9

    def test_finds_the_same_face_in_the_same_place(self, detector, place):
        frames = [place((160 + 2 * step, 120 - step), 0.8)[0] for step in range(8)]
        each, some = (
            [tracker(frame, step / 30) for step, frame in enumerate(frames)]
            for tracker in (FaceTracker(detector), FaceTracker(detector, search_every=8))
        )
        for a, b in zip(each, some, strict=True):
            assert np.abs(a.landmarks - b.landmarks).max() < 1.0

    def test_has_to_be_a_count(self):
        with pytest.raises(ValueError, match="search_every: expected at least 1, got 0"):
            FaceTracker(Script(), search_every=0)


class TestLandmarkFilter:
    def test_leaves_a_face_at_rest_where_it_is(self):
        smooth = LandmarkFilter()
        for step in range(5):
            result = smooth(_face(100).landmarks, step / 30)
        np.testing.assert_allclose(result, _face(100).landmarks, atol=1e-4)

    def test_calms_a_trembling_face(self):
        rng = np.random.default_rng(0)
        noisy = [_face(100, size=112).landmarks + rng.normal(0, 0.5, (5, 2)) for _ in range(300)]
        smooth = LandmarkFilter()
        calm = [smooth(landmarks, step / 30) for step, landmarks in enumerate(noisy)]
        assert _tremble(calm) < 0.5 * _tremble(noisy)

    @pytest.mark.parametrize("speed", [2.0, 8.0, 30.0])
    def test_lags_behind_a_moving_face_by_less_than_a_pixel(self, speed):
        smooth = LandmarkFilter()
        for step in range(60):  # `speed` pixels a frame, in the scale of the crop
            truth = _face(100 + speed * step, size=112).landmarks
            lag = np.abs(truth - smooth(truth, step / 30)).max()
        assert lag < 1.0

    def test_keeps_the_shape_of_a_moving_face(self):
        smooth = LandmarkFilter()
        for step in range(10):
            result = smooth(_face(100 + 3 * step).landmarks, step / 30)
        expected = _face(0).landmarks - _face(0).landmarks.mean(axis=0)
        np.testing.assert_allclose(result - result.mean(axis=0), expected, atol=1e-3)

    def test_does_not_depend_on_the_size_of_the_picture(self):
        small, large = LandmarkFilter(), LandmarkFilter()
        for step in range(10):
            landmarks = _face(100 + 5 * np.sin(step)).landmarks
            one, ten = small(landmarks, step / 30), large(10 * landmarks, step / 30)
        np.testing.assert_allclose(10 * one, ten, rtol=1e-5)

    def test_smooths_less_over_a_longer_time(self):
        followed = []
        for passed in (1 / 60, 1 / 15):
            smooth = LandmarkFilter()
            smooth(_face(100).landmarks, 0)
            followed.append(smooth(_face(101).landmarks, passed)[0, 0])
        assert followed[0] < followed[1] < _face(101).landmarks[0, 0]

    def test_a_gap_in_the_track_begins_it_anew(self):
        script = Script([_face(100)], [], [_face(104)])
        tracker = FaceTracker(script)
        found = [tracker(IMAGE, step / 30) for step in range(3)]
        np.testing.assert_array_equal(found[2].landmarks, _face(104).landmarks)


def _tremble(track):
    return np.diff(np.array(track), axis=0).std()
