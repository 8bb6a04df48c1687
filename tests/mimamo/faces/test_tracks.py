"""FaceTracks: which faces are followed, which are chosen, and where a track ends."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from support.films import face_frames
from support.scripted_faces import IMAGE, Script, face_at, picture_of

from mimamo.faces.alignment import TEMPLATE
from mimamo.faces.tracks import FaceTracks


def _found(*frames, close=None, images=None, **options):
    """Of each frame, number and place of the faces; `images` are plain by default."""
    tracks = FaceTracks(Script(*frames, close=close), steady=False, **options)
    images = [IMAGE] * len(frames) if images is None else images
    found = [tracks(image, step / 30) for step, image in enumerate(images)]
    return [[(number, float(face.centre[0])) for number, face in each] for each in found]


def _follow(*frames, **options):
    """Of each frame, the place of the face chosen."""
    return [each[0][1] if each else None for each in _found(*frames, **options)]


class TestChoice:
    def test_begins_with_the_greatest_area_times_score(self):
        assert _follow([face_at(100, size=80), face_at(300, size=100)]) == [300]
        assert _follow([face_at(100, size=95, score=0.9), face_at(300, score=0.5)]) == [100]

    def test_chooses_again_where_the_size_of_frames_changes(self):
        """The place of the last face was in other pixels."""
        seen = {480: [face_at(100)], 240: [face_at(400, y=100)]}
        tracks = FaceTracks(lambda image: seen.get(image.shape[0], []), steady=False)
        found = [tracks(IMAGE[::step], 0.0)[0] for step in (1, 1, 2, 2)]
        assert [number for number, _ in found] == [1, 1, 2, 2]
        assert [float(face.centre[0]) for _, face in found] == [100, 100, 400, 400]

    def test_stays_with_its_face_when_a_larger_one_comes(self):
        frames = [
            [face_at(100 + 10 * i)] + ([face_at(400, size=180)] if i else []) for i in range(4)
        ]
        assert _follow(*frames) == [100, 110, 120, 130]

    def test_takes_the_nearest_of_two_near_ones(self):
        assert _follow([face_at(100)], [face_at(160), face_at(115)]) == [100, 115]

    def test_does_not_jump_to_a_face_elsewhere(self):
        assert _follow([face_at(100)], [face_at(400)], [face_at(105)]) == [100, None, 105]

    @pytest.mark.parametrize("size", [40, 210])
    def test_does_not_take_a_face_of_quite_another_size(self, size):
        assert _follow([face_at(100)], [face_at(100, size=size)]) == [100, None]

    @pytest.mark.parametrize(("side", "expected"), [("left", 120), ("right", 400)])
    def test_with_a_side_begins_with_that_of_the_two_main_faces(self, side, expected):
        small = face_at(20 if side == "left" else 600, size=30)
        assert _follow([face_at(400, size=150), small, face_at(120)], faces=side) == [expected]
        # Both in the right half: still the one further left is the left one.
        pair = [face_at(380), face_at(600)]
        assert _follow(pair, faces=side) == [380 if side == "left" else 600]

    @pytest.mark.parametrize("side", ["left", "right"])
    def test_with_a_side_a_lone_face_has_to_be_in_that_half(self, side):
        for place in (120, 500):
            own = place < 320 if side == "left" else place > 320
            assert _follow([face_at(place)], faces=side) == [place if own else None]

    def test_with_a_side_a_face_is_followed_across_the_middle(self):
        frames = [[face_at(place)] for place in (290, 320, 350, 380)]
        assert _follow(*frames, faces="left") == [290, 320, 350, 380]

    def test_a_missed_frame_is_no_face_and_the_face_is_found_again(self):
        assert _follow([face_at(100)], [], [face_at(110)]) == [100, None, 110]

    @pytest.mark.parametrize("faces", ["main", "all"])
    @pytest.mark.parametrize(("unseen", "lost", "number"), [(0, 3, 1), (0, 4, 2), (2, 1, 1),
                                                            (2, 2, 2)])  # fmt: skip
    def test_frames_a_film_has_lost_are_frames_without_a_face(self, faces, unseen, lost, number):
        """With a patience of four; those in which the face was not found count as well."""
        frames = [[face_at(100)], *([[]] * unseen), [face_at(100)], [face_at(101)]]
        tracks = FaceTracks(Script(*frames), faces, steady=False, patience=4)
        found = [
            tracks(IMAGE, step / 30, lost * (step == unseen + 1)) for step in range(len(frames))
        ]
        assert [number for each in found for number, _ in each] == [1, number, number]

    def test_begins_anew_once_its_patience_is_over(self):
        frames = [[face_at(100)], *([[face_at(400)]] * 4)]
        assert _follow(*frames, patience=3) == [100, None, None, None, 400]

    def test_nothing_anywhere(self):
        assert _follow([], [], []) == [None, None, None]


class TestEveryFace:
    def test_numbers_go_by_area_times_score_and_rows_by_number(self):
        frames = [[face_at(100, size=80), face_at(300)], [face_at(305), face_at(104, size=80)]]
        assert _found(*frames, faces="all") == [[(1, 300), (2, 100)], [(1, 305), (2, 104)]]

    def test_faces_come_and_go(self):
        frames = [[face_at(100)], [face_at(100), face_at(400)], [face_at(410)], [face_at(100)]]
        assert _found(*frames, faces="all") == [
            [(1, 100)], [(1, 100), (2, 400)], [(2, 410)], [(1, 100)]
        ]  # fmt: skip

    def test_one_of_many_has_to_be_certain_to_begin(self):
        frames = [[face_at(100), face_at(400, score=0.45)], [face_at(100, score=0.45)]]
        assert _found(*frames, faces="all") == [[(1, 100)], [(1, 100)]]
        assert _found(frames[1]) == [[(1, 100)]]

    def test_faces_are_assigned_all_at_once(self):
        """The nearest place of each would give both the same face."""
        frames = [[face_at(100), face_at(160)], [face_at(145), face_at(205)]]
        assert _found(*frames, faces="all")[1] == [(1, 145), (2, 205)]

    def test_people_who_cross_keep_their_numbers_by_their_looks(self):
        """They pass each other at 60 pixels a frame: by place alone they would be swapped."""
        places = [(100, 340), (160, 280), (220, 220), (280, 160), (340, 100)]
        frames = [[face_at(a), face_at(b)] if a != b else [face_at(a)] for a, b in places]
        images = [picture_of((b, 4), (a, 1)) for a, b in places]
        found = _found(*frames, faces="all", images=images)
        assert [dict(each)[1] for each in found] == [100, 160, 220, 280, 340]
        assert [dict(each).get(2) for each in found] == [340, 280, None, 160, 100]

    def test_a_face_is_not_found_twice(self):
        """What is close to both is the face that was found."""
        close = face_at(*(TEMPLATE.mean(axis=0) + 24), size=112)
        frames = [[face_at(100), face_at(130)], [face_at(115)]]
        assert len(_found(*frames, faces="all", close=close)[1]) == 1

    def test_only_those_chosen_are_looked_at_closely(self):
        views = []

        def detector(image):
            if image.shape == IMAGE.shape:
                return [face_at(x) for x in (100, 300, 500)]
            views.append(image)
            return []

        for faces, count in (("main", 1), ("left", 1), ("all", 3)):
            views.clear()
            FaceTracks(detector, faces)(IMAGE, 0.0)
            assert len(views) == count


class TestEnds:
    def test_a_gap_shorter_than_the_patience_does_not_end_a_track(self):
        frames = [[face_at(100)], [], [], [face_at(105)], [], [], [], [face_at(105)]]
        numbers = [[n for n, _ in each] for each in _found(*frames, patience=3)]
        assert numbers == [[1], [], [], [1], [], [], [], [2]]

    def test_a_cut_ends_it_though_the_face_is_in_the_same_place(self):
        images = [*face_frames("x"), *face_frames("m")]
        tracks = FaceTracks(lambda image: [face_at(100, y=60, size=60)], steady=False)
        numbers = [tracks(image, 0.0)[0][0] for image in (*images[:1] * 3, *images[1:] * 3)]
        assert numbers == [1, 1, 1, 2, 2, 2]

    def test_another_face_in_its_place_ends_it(self):
        frames, looks = [[face_at(100)]] * 4, (1, 1, 4, 4)
        images = [picture_of((100, look)) for look in looks]
        assert [each[0][0] for each in _found(*frames, images=images)] == [1, 1, 2, 2]

    def test_main_goes_on_with_another_face_after_the_gap(self):
        frames = [[face_at(100), face_at(400, size=80)], *[[face_at(400, size=80)]] * 4]
        assert _found(*frames, patience=3) == [[(1, 100)], [], [], [], [(2, 400)]]

    def test_the_same_look_elsewhere_is_the_same_face(self):
        places = (100, 110, 400)
        for look, number in ((1, 1), (4, 2)):
            images = [picture_of((x, 1 if x < 400 else look)) for x in places]
            found = _found(*([face_at(x)] for x in places), images=images, faces="all")
            assert [each[0][0] for each in found] == [1, 1, number]

    def test_alive_are_those_that_may_come_again(self):
        tracks, alive = FaceTracks(Script([face_at(100)], [], [], []), patience=2), []
        for _ in range(4):
            tracks(IMAGE, 0.0)
            alive.append(tracks.alive)
        assert alive == [{1}, {1}, set(), set()]


class TestRealFaces:
    """The bundled detector on films of two faces, each hidden, swapped or cut away."""

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("xxxx..xx", {1: "xxxx..xx"}),
            ("xxxoooo", {1: "xxx....", 2: "...xxxx"}),
            ("xxxmmm", {1: "xxx...", 2: "...xxx"}),
            ("xx-xxx", {1: "xx....", 2: "...xxx"}),
            ("xxxxxx|oo..oo", {1: "xx..xx", 2: "xxxxxx"}),
            # One goes, and the other is in that place.
            ("xx....|ooxxxx", {1: "xx....", 2: "xxxxxx"}),
        ],
    )
    def test_who_is_seen_when(self, detector, pattern, expected):
        tracks, seen = FaceTracks(detector, "all"), {}
        images = list(face_frames(pattern))
        for step, image in enumerate(images):
            for number, _ in tracks(image, step / 25):
                seen.setdefault(number, ["."] * len(images))[step] = "x"
        assert {number: "".join(letters) for number, letters in seen.items()} == expected


class TestCloserLook:
    def test_brings_a_face_back_that_the_whole_picture_did_not_show(self):
        close = face_at(*(TEMPLATE.mean(axis=0) + 24), size=112)  # where the view expects it
        assert _follow([face_at(100)], [], close=close) == pytest.approx([100, 100], abs=0.1)

    @pytest.mark.parametrize(
        ("closer", "number"), [(1.0, 1), (0.81, 1), (0.79, 2), (0.0, 2), (None, 2)]
    )
    @pytest.mark.parametrize("faces", ["main", "all"])
    def test_decides_where_the_first_one_shows_another(self, closer, number, faces):
        """As where landmarks are found pixels off, in a picture of few colours."""
        tracks, near = FaceTracks(Script(), faces, steady=False), face_at(101)
        found = []
        for first, second in ((1.0, 1.0), (1.0, 1.0), (0.6, closer), (1.0, 1.0)):
            view = SimpleNamespace(
                image=IMAGE,
                thumbnail=lambda: IMAGE[:27, :48, 0].astype(np.float32),
                faces=lambda: [face_at(100)],
                look_closer=lambda _, second=second: None if second is None else near,
                appearance=lambda face, first=first, second=second: np.array(
                    [x := second if face is near else first, (1 - x * x) ** 0.5], np.float32
                ),
            )
            found.append([number for number, _ in tracks.follow(view, 0.0)])
        assert found[:3] == [[1], [1], [number]]

    def test_does_not_take_another_face_at_the_views_edge(self):
        close = face_at(5, 5, size=60)
        assert _follow([face_at(100)], [], close=close) == [100, None]


class TestSearchEvery:
    def follow(self, every, shown, close):
        """How often the whole picture was searched before each of some frames."""
        searches, counts = [], []

        def detector(image):
            if image.shape != IMAGE.shape:
                return [close] if close is not None else []
            searches.append(image)
            return shown

        tracks = FaceTracks(detector, search_every=every)
        for step in range(9):
            counts.append(len(searches))
            assert bool(tracks(IMAGE, step / 30)) == bool(shown)
        return [after - before for before, after in pairwise([*counts, len(searches)])]

    def test_between_searches_only_the_view_is_looked_at(self):
        close = face_at(*(TEMPLATE.mean(axis=0) + 24), size=112)
        shown = [face_at(100)]
        assert self.follow(1, shown, close) == [1] * 9
        assert self.follow(2, shown, close) == [1, 0, 1, 0, 1, 0, 1, 0, 1]
        assert self.follow(4, shown, close) == [1, 0, 0, 0, 1, 0, 0, 0, 1]

    def test_a_face_that_is_lost_is_searched_at_once(self):
        assert self.follow(4, [face_at(100)], None) == [1] * 9
        assert self.follow(4, [], None) == [1] * 9

    def test_finds_the_same_face_in_the_same_place(self, detector, place):
        frames = [place((160 + 2 * step, 120 - step), 0.8)[0] for step in range(8)]
        each, some = (
            [tracks(frame, step / 30)[0][1] for step, frame in enumerate(frames)]
            for tracks in (FaceTracks(detector), FaceTracks(detector, search_every=8))
        )
        for a, b in zip(each, some, strict=True):
            assert np.abs(a.landmarks - b.landmarks).max() < 1.0

    def test_those_not_chosen_are_there_until_another_search(self):
        close = face_at(*(TEMPLATE.mean(axis=0) + 24), size=112)
        two = [face_at(100, size=100), face_at(400)]
        tracks, others = FaceTracks(Script(two, two, two[:1], close=close), search_every=3), []
        for step in range(7):
            tracks(IMAGE, step / 30)
            others.append(tracks.others)
        assert others == [1, 1, 1, 1, 1, 1, 0]

    def test_has_to_be_a_count(self):
        with pytest.raises(ValueError, match="search_every: expected at least 1, got 0"):
            FaceTracks(Script(), search_every=0)


class TestSmoothing:
    def test_a_gap_in_the_track_begins_it_anew(self):
        script = Script([face_at(100)], [], [face_at(104)])
        tracks = FaceTracks(script)
        found = [tracks(IMAGE, step / 30) for step in range(3)]
        np.testing.assert_array_equal(found[2][0][1].landmarks, face_at(104).landmarks)
