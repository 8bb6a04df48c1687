"""CenterFace on batches of frames: the faces, tracks and crops of one frame after the other."""

from __future__ import annotations

import os
from itertools import islice

import numpy as np
import pytest
from support.films import face_frames

import mimamo.faces.batched_centerface as batched_centerface
from mimamo.faces import CenterFace, observe_faces
from mimamo.faces.batched_centerface import BatchedCenterFace, centerface
from mimamo.faces.tracking import VIEW_SIZE, look_closer
from mimamo.video import VideoFrame, VideoReader


@pytest.fixture(scope="module")
def batched() -> BatchedCenterFace:
    return BatchedCenterFace("cpu")


def _frames(images):
    return [VideoFrame(index, index / 30, image) for index, image in enumerate(images)]


def _assert_same(got, expected, grey_levels=1):
    assert [(x.index, x.time, x.face, x.others) for x in got] == [
        (x.index, x.time, x.face, x.others) for x in expected
    ]
    for one, other in zip(got, expected, strict=True):
        assert one.image is other.image
        assert one.score == pytest.approx(other.score, abs=0.01)
        if other.face:
            assert np.abs(one.box - other.box).max() < 0.5
            assert np.abs(one.landmarks - other.landmarks).max() < 0.5
            crop = np.asarray(one.crop)
            assert crop.dtype == np.uint8
            assert crop.shape == (112, 112, 3)
            assert np.abs(crop.astype(int) - other.crop).mean() < grey_levels


class TestSearch:
    @pytest.mark.parametrize(
        ("size", "scale"),
        [
            ((320, 240), 0.5), ((350, 211), 0.5), ((90, 70), 0.5),
            ((1920, 1080), 3.1), ((1919, 1081), 2.3), ((1080, 1920), 2.7),
        ],
    )  # fmt: skip
    def test_a_face(self, batched, detector, place, size, scale):
        frame, _ = place((size[0] / 2, size[1] / 2), scale, size=size)
        (got,), (expected,) = batched(frame), detector(frame)
        assert np.abs(got.box - expected.box).max() < 0.1
        assert np.abs(got.landmarks - expected.landmarks).max() < 0.1
        assert got.score == pytest.approx(expected.score, abs=1e-3)

    @pytest.mark.parametrize("size", [(1920, 1080), (1919, 1081), (1080, 1920), (1281, 721)])
    def test_a_face_of_a_large_picture_looked_at_closely(self, batched, detector, place, size):
        for step in range(4):
            centre = (size[0] / 2 + 11.3 * step, size[1] / 2 - 5.7 * step)
            frame, _ = place(centre, 2.1 + 0.17 * step, 4.0 * step, size=size)
            frame = frame + np.random.default_rng(step).normal(0, 2, frame.shape)
            frame = np.clip(frame, 0, 255).astype(np.uint8)
            (view,) = batched.batch([frame], 1, [True], []).views
            (face,), (one,) = view.faces(), detector(frame)
            got, expected = view.look_closer(face), look_closer(detector, frame, one)
            assert np.abs(got.box - expected.box).max() < 0.5
            assert np.abs(got.landmarks - expected.landmarks).max() < 0.3

    def test_only_frames_without_a_face_are_searched_at_the_second_size(self, place, monkeypatch):
        near, _ = place((500, 300), 1.5, size=(960, 540))
        far, _ = place((400, 200), 0.2, size=(960, 540))
        batched, shapes = BatchedCenterFace("cpu"), []
        original = batched.detect

        def detect(pictures):
            shapes.append(tuple(pictures.shape))
            return original(pictures)

        monkeypatch.setattr(batched, "detect", detect)
        found = batched.search(batched.upload([near, far, near]))
        assert shapes == [(3, 3, 180, 320), (1, 3, 540, 960)]
        for frame, faces in zip((near, far, near), found, strict=True):
            (got,), (expected,) = faces, CenterFace()(frame)
            assert np.abs(got.box - expected.box).max() < 0.5

    def test_pictures_and_views_are_split_into_passes(self, batched, place, monkeypatch):
        frames = np.stack([place((100 + 10 * x, 100), 0.7)[0] for x in range(3)])
        whole = batched.batch(frames, 1, 3 * [True], [])
        monkeypatch.setattr(batched_centerface, "_MOST_INPUT", 1)
        parts = batched.batch(frames, 1, 3 * [True], [])
        for one, other in zip(parts.views, whole.views, strict=True):
            (got,), (expected,) = one.faces(), other.faces()
            np.testing.assert_allclose(got.box, expected.box, atol=0.1)
            closer = one.look_closer(got), other.look_closer(expected)
            np.testing.assert_allclose(*(x.landmarks for x in closer), atol=0.1)

    def test_large_frames_come_a_few_at_a_time(self, batched):
        assert batched.frames_at_once((360, 640, 3)) == 32
        assert batched.frames_at_once((2160, 3840, 3)) == 2
        assert batched.frames_at_once((8192, 8192, 3)) == 1

    def test_only_a_cpu_has_opencvs(self):
        assert isinstance(centerface("cpu"), CenterFace)
        assert isinstance(centerface("meta"), BatchedCenterFace)


@pytest.mark.usefixtures("by_threes")
class TestFilms:
    @pytest.mark.parametrize(
        ("pattern", "options"),
        [
            ("xxxx", {}),
            ("x..x", {"patience": 2}),
            ("xm-x", {}),
            ("xo|x.", {"faces": "all"}),
            pytest.param("xo|ox", {"faces": "left"}, marks=pytest.mark.slow),
            ("--", {}),
            ("x", {}),
        ],
    )
    def test_are_seen_as_frame_by_frame(self, batched, detector, pattern, options):
        frames = _frames(face_frames(pattern, 192))
        got = list(observe_faces(frames, batched, **options))
        _assert_same(got, list(observe_faces(frames, detector, **options)))

    @pytest.mark.parametrize("pattern", ["xxxxxxxx", "xx.xxo"])
    def test_searched_every_fourth_frame(self, batched, detector, pattern):
        frames = _frames(face_frames(pattern, 192))
        got, expected = (
            list(observe_faces(frames, x, search_every=4)) for x in (batched, detector)
        )
        _assert_same(got, expected, grey_levels=2)

    def test_frames_between_searches_are_looked_at_together(self, moving_face, monkeypatch):
        batched, seen = BatchedCenterFace("cpu"), []
        original = batched.detect

        def detect(pictures):
            seen.append((len(pictures), pictures.shape[2] == VIEW_SIZE))
            return original(pictures)

        monkeypatch.setattr(batched, "detect", detect)
        frames = _frames(moving_face.frames[:9])
        faces = list(observe_faces(frames, batched, search_every=4))
        assert [face.face for face in faces] == 9 * [1]
        between = [(1, True), (1, True), (2, True), (2, True), (2, True)]
        # Nobody is followed yet in the first three; then frames 4 and 8 are searched.
        assert seen == [(3, False), *between, (1, False), *between, (1, False), *between]

    def test_the_size_of_frames_changes(self, batched, detector):
        images = [*face_frames("xx", 160), *face_frames("xxx", 192), *face_frames("x", 160)]
        _assert_same(*(list(observe_faces(_frames(images), x)) for x in (batched, detector)))

    def test_whole_batches_are_read_before_their_faces_are_given(self, batched, moving_face):
        read = []

        def frames():
            for frame in _frames(moving_face.frames[:4]):
                read.append(frame.index)
                yield frame

        given = [(face.index, len(read)) for face in observe_faces(frames(), batched)]
        assert given == [(index, min(4, 3 * (index // 3 + 1))) for index in range(4)]

    def test_what_was_prepared_is_not_asked_for_again(self, batched, moving_face, monkeypatch):
        monkeypatch.setattr(BatchedCenterFace, "__call__", lambda *_: pytest.fail("asked for"))
        faces = list(observe_faces(_frames(moving_face.frames[:4]), batched))
        assert [face.face for face in faces] == 4 * [1]


@pytest.mark.slow
def test_a_long_film_is_seen_as_frame_by_frame(batched, detector, moving_face):
    frames = _frames([*moving_face.frames, *moving_face.frames[:20]])
    _assert_same(*(list(observe_faces(frames, x)) for x in (batched, detector)))


@pytest.mark.slow
@pytest.mark.skipif(
    "MIMAMO_TEST_VIDEO" not in os.environ, reason="MIMAMO_TEST_VIDEO names no video of a face"
)
def test_a_real_film_is_seen_as_frame_by_frame(batched, detector):
    frames = list(islice(VideoReader(os.environ["MIMAMO_TEST_VIDEO"]), 400))
    _assert_same(*(list(observe_faces(frames, x)) for x in (batched, detector)))
