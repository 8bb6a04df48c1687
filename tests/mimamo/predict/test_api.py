"""From videos to files, with random weights and a moving photograph."""

from __future__ import annotations

import csv
import math
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from support.digests import digests
from support.films import face_frames, noise, write_film
from support.pages import content_of
from support.predictions import read_predictions

from mimamo.errors import InputError
from mimamo.faces import CenterFace, observe_faces, phase_frames
from mimamo.model import load_checkpoint
from mimamo.model.features import SpatialFeatures
from mimamo.predict import PredictSettings, predict_many, predict_video
from mimamo.predict.clips import predict_sequence
from mimamo.predict.table import NO_FACE
from mimamo.video import VideoReader
from mimamo.video.decoding import Decoding

PATTERN = "...xxxxxxxx....xxxxxx.."
FOUND = np.array([letter == "x" for letter in PATTERN])


class Log:
    """Keeps what it is called with."""

    def __init__(self):
        self.stages, self.warnings, self.finished = [], [], []

    def show(self, stage, done, total):
        if done == 0:
            self.stages.append([])
        self.stages[-1] = [stage, total, done]

    def warn(self, message):
        self.warnings.append(message)

    def finish(self, result):
        self.finished.append(result.source.name)


@pytest.fixture(scope="module")
def video(tmp_path_factory, film) -> Path:
    return film(tmp_path_factory.mktemp("video") / "face.mp4", PATTERN)


def cut_film(path: Path) -> Path:
    """The first half of a film of 20 frames of noise."""
    write_film(path, noise(20), "mpeg4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


class TestValues:
    def test_every_frame_has_a_row_and_frames_without_a_face_follow_the_rule(
        self, tmp_path, checkpoint, video
    ):
        predict_video(video, checkpoint, tmp_path)
        table = read_predictions(tmp_path / "face.csv")
        np.testing.assert_array_equal(table.found, FOUND)
        np.testing.assert_allclose(table.times, np.arange(len(PATTERN)) / 25, atol=1e-6)
        assert (table.values[:3] == -5).all()
        assert (table.values[11:15] == table.values[10]).all()
        assert (table.values[21:] == table.values[20]).all()
        seen = table.values[FOUND]
        assert np.isfinite(seen).all()
        assert len(np.unique(seen, axis=0)) == len(seen)

    @pytest.mark.slow
    @pytest.mark.parametrize("batch_size", [1, 5, 64])
    def test_they_are_the_networks_whatever_the_batch_size(
        self, tmp_path, checkpoint, video, batch_size
    ):
        crops = [face.crop for face in observe_faces(VideoReader(video), CenterFace())]
        faces = np.stack([crop for crop in crops if crop is not None])
        expected = predict_sequence(
            checkpoint.network, SpatialFeatures(checkpoint.backbone)(faces), phase_frames(faces)
        )
        settings = PredictSettings(batch_size=batch_size, precision="float32", plot=False)
        result = predict_video(video, checkpoint, tmp_path, settings)
        np.testing.assert_allclose(result.predictions.values[FOUND], expected, atol=1e-5)

    @pytest.mark.slow
    def test_aligned_faces_give_what_their_video_gives(self, tmp_path, checkpoint, video):
        folder = tmp_path / "face"
        folder.mkdir()
        for face in observe_faces(VideoReader(video), CenterFace()):
            if face.crop is not None:
                Image.fromarray(face.crop).save(folder / f"{face.index + 1:05d}.png")
        settings = PredictSettings(folder_fps=25, plot=False)
        aligned = predict_video(folder, checkpoint, tmp_path / "a", settings).predictions
        whole = predict_video(video, checkpoint, tmp_path / "b", settings).predictions
        last = np.flatnonzero(FOUND)[-1] + 1  # the folder cannot tell of frames after its last
        assert len(aligned) == last
        np.testing.assert_allclose(aligned.values, whole.values[:last], atol=1e-5)
        np.testing.assert_allclose(aligned.times, whole.times[:last], atol=1e-9)

    @pytest.mark.slow
    def test_whole_frames_give_what_their_video_gives(self, tmp_path, checkpoint, video):
        folder = tmp_path / "face"
        folder.mkdir()
        for frame in VideoReader(video):
            Image.fromarray(frame.image).save(folder / f"img{frame.index + 1}.png")
        log = Log()
        settings = PredictSettings(folder_fps=25, plot=False, render=True)
        (result,) = predict_many([folder], checkpoint, tmp_path / "a", settings, warn=log.warn)
        whole = predict_video(video, checkpoint, tmp_path / "b").predictions
        np.testing.assert_array_equal(result.predictions.values, whole.values)
        np.testing.assert_allclose(result.predictions.times, whole.times, atol=1e-9)
        assert result.read_as == "whole frames at 25 a second"
        assert len(list(VideoReader(result.outputs.video))) == len(whole)
        assert log.warnings == []

    @pytest.mark.slow
    def test_weights_that_give_no_numbers_are_an_input_error(self, tmp_path, weights, video):
        broken = load_checkpoint(weights)
        torch.nn.init.constant_(broken.network.head.fc.bias, float("nan"))
        with pytest.raises(InputError, match=r"face\.mp4: the weights give"):
            predict_video(video, broken, tmp_path)
        assert not list(tmp_path.iterdir())


class TestFiles:
    @pytest.mark.slow
    def test_the_same_run_gives_the_same_bytes(self, tmp_path, checkpoint, video):
        settings = PredictSettings(render=True)
        for name in "ab":
            predict_video(video, checkpoint, tmp_path / name, settings)
        assert digests(tmp_path / "a") == digests(tmp_path / "b")
        assert list(digests(tmp_path / "a")) == ["face.csv", "face.mp4", "face.png"]
        rendered = VideoReader(tmp_path / "a" / "face.mp4")
        assert len(list(rendered)) == len(PATTERN)

    @pytest.mark.slow
    def test_results_of_an_earlier_run_are_replaced_with_a_word(self, tmp_path, checkpoint, video):
        log, settings = Log(), PredictSettings()
        predict_video(video, checkpoint, tmp_path, settings, progress=log.show, warn=log.warn)
        assert log.warnings == []
        predict_video(video, checkpoint, tmp_path, settings, progress=log.show, warn=log.warn)
        assert log.warnings == [f"{tmp_path / 'face.csv'}: replaced"]

    @pytest.mark.slow
    def test_what_is_in_the_way_is_refused_before_anything_is_done(
        self, tmp_path, checkpoint, video
    ):
        out = tmp_path / "out"
        out.mkdir()
        (out / "face.png").write_text("mine")
        log = Log()
        with pytest.raises(InputError, match=r"face\.png: exists"):
            predict_many([video], checkpoint, out, progress=log.show)
        assert log.stages == []
        assert list(digests(out)) == ["face.png"]
        assert (out / "face.png").read_bytes() == b"mine"
        predict_video(video, checkpoint, out, PredictSettings(overwrite=True))
        assert (out / "face.png").read_bytes().startswith(b"\x89PNG")

    @pytest.mark.parametrize("stage", ["predicting", "rendering"])
    def test_an_interruption_leaves_no_half_files(self, tmp_path, checkpoint, video, stage):
        def show(what, done, total):
            if what.endswith(stage) and done == 5:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            predict_many([video], checkpoint, tmp_path, PredictSettings(render=True), progress=show)
        left = [] if stage == "predicting" else ["face.csv", "face.png"]
        assert list(digests(tmp_path)) == left


class TestMany:
    def test_a_bad_file_does_not_stop_the_others(self, tmp_path, checkpoint, video, film):
        bad, missing = tmp_path / "bad.mp4", tmp_path / "missing.mp4"
        bad.write_text("not a video")
        other = film(tmp_path / "other.mp4", "xx")
        log = Log()
        results = predict_many(
            [bad, video, missing, other], checkpoint, tmp_path / "out", finish=log.finish
        )
        assert [result.source for result in results] == [bad, video, missing, other]
        assert [result.error is None for result in results] == [False, True, False, True]
        assert str(bad) in results[0].error
        assert "\n" not in results[0].error
        assert results[0].predictions is None
        assert [len(result.predictions) for result in results[1::2]] == [len(PATTERN), 2]
        assert log.finished == ["bad.mp4", "face.mp4", "missing.mp4", "other.mp4"]
        written = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert written == ["face.csv", "face.png", "other.csv", "other.png"]

    def test_a_folder_without_videos_does_not_stop_the_others(self, tmp_path, checkpoint, film):
        empty = tmp_path / "empty"
        empty.mkdir()
        one = film(tmp_path / "one.mp4", "x")
        results = predict_many([empty, one], checkpoint, tmp_path / "out")
        assert [result.source for result in results] == [empty, one]
        assert results[0].predictions is None
        assert results[0].error.startswith(
            f"{empty}: expected videos, or pictures of aligned faces"
        )
        assert results[1].error is None
        assert list(digests(tmp_path / "out")) == ["one.csv", "one.png"]

    def test_a_folder_stands_for_its_videos(self, tmp_path, checkpoint, film):
        for name in ("b", "a"):
            film(tmp_path / f"{name}.mp4", "x")
        results = predict_many([tmp_path], checkpoint, tmp_path / "out")
        assert [result.source.name for result in results] == ["a.mp4", "b.mp4"]

    def test_videos_of_one_name_get_a_result_each(self, tmp_path, checkpoint, film):
        paths = [tmp_path / "one" / "a.mp4", tmp_path / "two" / "a.mp4"]
        for path, pattern in zip(paths, ("xx", "x"), strict=True):
            path.parent.mkdir()
            film(path, pattern)
        log = Log()
        settings = PredictSettings(plot=False, depth=2, page=True)
        results = predict_many([tmp_path], checkpoint, tmp_path / "out", settings, warn=log.warn)
        assert [len(result.predictions) for result in results] == [2, 1]
        names = ["one_a.csv", "one_a.html", "two_a.csv", "two_a.html"]
        assert list(digests(tmp_path / "out")) == names
        assert [content_of(result.outputs.page)["title"] for result in results] == [
            "one_a",
            "two_a",
        ]
        assert f"{paths[0]}: others are called a too; its results are one_a.*" in log.warnings

    @pytest.mark.slow
    def test_progress_counts_every_frame(self, tmp_path, checkpoint, video):
        log = Log()
        settings = PredictSettings(render=True)
        predict_many([video], checkpoint, tmp_path, settings, progress=log.show)
        count = len(PATTERN)
        assert log.stages == [
            ["face: predicting", count, count],
            ["face: rendering", count, count],
        ]


class TestWarnings:
    def test_a_video_without_a_face_is_all_minus_five(self, tmp_path, checkpoint, film):
        log = Log()
        video = film(tmp_path / "none.mp4", "....")
        settings = PredictSettings(render=True)
        result = predict_video(video, checkpoint, tmp_path / "out", settings, warn=log.warn)
        assert (result.predictions.values == -5).all()
        assert log.warnings == [f"{video}: no face found; all predictions are -5"]
        assert len(digests(tmp_path / "out")) == 3

    def test_a_video_with_missing_frames_gives_what_it_has(self, tmp_path, checkpoint):
        cut, log = cut_film(tmp_path / "cut.avi"), Log()
        settings = PredictSettings(render=True)
        result = predict_video(cut, checkpoint, tmp_path / "out", settings, warn=log.warn)
        count = len(result.predictions)
        assert 0 < count < 20
        table = tmp_path / "out" / "cut.csv"
        assert result.error == (
            f"{cut}: frames missing after {(count - 1) / 25:.1f} s; they have no rows in {table}"
        )
        assert len(read_predictions(table)) == count
        assert result.predictions.gaps == [(result.predictions.times[-1], math.inf)]
        assert list(digests(table.parent)) == [f"cut.{s}" for s in ("csv", "mp4", "png")]
        assert log.warnings == [f"{cut}: no face found; all predictions are -5"]

    def test_other_warnings_of_such_a_video_are_kept(self, tmp_path, checkpoint, monkeypatch):
        cut, log = cut_film(tmp_path / "cut.avi"), Log()
        monkeypatch.setattr("mimamo.video.reader._HIGHEST_FPS", 20)
        monkeypatch.setattr(Decoding, "stamp", staticmethod(lambda frame: None))
        predict_video(cut, checkpoint, tmp_path / "out", warn=log.warn)
        assert [message.removeprefix(f"{cut}: ")[:20] for message in log.warnings] == [
            "has frames without t",
            "no face found; all p",
        ]

    def test_bytes_behind_the_end_of_a_video_are_nothing(self, tmp_path, checkpoint, video):
        longer = tmp_path / "longer.mp4"
        longer.write_bytes(video.read_bytes() + b"\0\0\0\x20free")  # a box of 32 bytes has 8
        assert predict_video(longer, checkpoint, tmp_path / "out").error is None


class TestThinned:
    def test_a_fast_film_is_told_of_and_thinned(self, tmp_path, checkpoint, film):
        path, log = film(tmp_path / "fast.mp4", "xxxxxxxx", fps=100), Log()
        settings = PredictSettings(plot=False, render=True, page=True)
        whole = predict_video(path, checkpoint, tmp_path / "a", settings, warn=log.warn)
        assert log.warnings == [
            f"{path}: has 100 frames a second, far from the 30 of Aff-Wild2; --thin takes fewer"
        ]
        thin = replace(settings, thin=25.0)
        fewer = predict_video(path, checkpoint, tmp_path / "b", thin, warn=log.warn)
        np.testing.assert_array_equal(fewer.predictions.times, whole.predictions.times[::4])
        assert len(list(VideoReader(fewer.outputs.video))) == 2
        assert len(log.warnings) == 1

    def test_aligned_faces_are_not(self, tmp_path, checkpoint):
        (tmp_path / "f").mkdir()
        Image.new("RGB", (112, 112)).save(tmp_path / "f" / "00001.jpg")
        with pytest.raises(InputError, match="expected a film or whole frames to thin, got al"):
            predict_video(tmp_path / "f", checkpoint, tmp_path, PredictSettings(thin=5))
        log, settings = Log(), PredictSettings(folder_fps=200, plot=False)
        predict_video(tmp_path / "f", checkpoint, tmp_path, settings, warn=log.warn)
        told = f"{tmp_path / 'f'}: has 200 frames a second, far from the 30 of Aff-Wild2"
        assert log.warnings == [told]  # without the way out that is none


class TestPage:
    def test_its_values_are_those_of_the_table(self, tmp_path, checkpoint, video):
        settings = PredictSettings(page=True, plot=False)
        outputs = predict_video(video, checkpoint, tmp_path, settings).outputs
        (shown,) = content_of(outputs.page)["videos"]
        rows = list(csv.DictReader(outputs.table.read_text().splitlines()))
        (face,) = shown["people"]
        assert [f"{time:.6f}" for time in shown["times"]] == [row["time"] for row in rows]
        assert [str(found) for found in face["found"]] == [row["face_found"] for row in rows]
        for name, values in zip(("valence", "arousal"), face["values"], strict=True):
            told = [f"{NO_FACE if value is None else value:.6f}" for value in values]
            assert told == [row[name] for row in rows]
        assert [box is not None for box in face["boxes"]] == FOUND.tolist()
        predict_video(video, checkpoint, tmp_path, settings)  # it is known as ours

    def test_another_page_is_not_replaced(self, tmp_path, checkpoint, video):
        (tmp_path / "face.html").write_text("<!DOCTYPE html>mine")
        with pytest.raises(InputError, match=r"face\.html: exists and was not written by mimamo"):
            predict_video(video, checkpoint, tmp_path, PredictSettings(page=True))


class TestFilms:
    """Times and pictures of films as people have them reach the results."""

    TIMES = (0.0, 0.04, 0.3, 0.34, 1.0, 1.5)

    def test_a_variable_rate_is_that_of_the_table_and_of_the_rendered_video(
        self, tmp_path, checkpoint
    ):
        images = list(face_frames("x" * len(self.TIMES)))
        film = write_film(tmp_path / "v.mkv", images, times=self.TIMES, sound="aac")
        predict_video(film, checkpoint, tmp_path / "out", PredictSettings(render=True))
        table = read_predictions(tmp_path / "out" / "v.csv")
        np.testing.assert_allclose(table.times, self.TIMES, atol=1e-6)
        rendered = tmp_path / "out" / "v.mp4"
        np.testing.assert_allclose(
            [frame.time for frame in VideoReader(rendered)], self.TIMES, atol=1e-5
        )
        with av.open(str(rendered)) as container:
            assert [stream.type for stream in container.streams] == ["video", "audio"]
            assert len(list(container.decode(audio=0))) > 5

    @pytest.mark.parametrize(
        "change", ["size", *(pytest.param(x, marks=pytest.mark.slow) for x in ("pixels", "turned"))]
    )
    def test_faces_are_found(self, tmp_path, checkpoint, change):
        """Where the size changes in the middle, where pixels are oblong, and lying on a side."""
        images = list(face_frames("x" * 6))
        if change == "size":
            film = write_film(tmp_path / "a.ts", images[:3])
            larger = write_film(tmp_path / "b.ts", face_frames("xxx", 400))
            film.write_bytes(film.read_bytes() + larger.read_bytes())
        elif change == "pixels":
            images = [cv2.resize(x, (128, 256), interpolation=cv2.INTER_AREA) for x in images]
            film = write_film(tmp_path / "a.mp4", images, pixel=Fraction(2))
        else:
            images = [np.rot90(x) for x in images]
            film = write_film(tmp_path / "a.mp4", images, rotation=(270, False))
        result = predict_video(film, checkpoint, tmp_path / "out", PredictSettings(render=True))
        assert result.error is None
        assert result.predictions.found.tolist() == [True] * 6
        assert len(list(VideoReader(tmp_path / "out" / "a.mp4"))) == 6


@pytest.mark.slow
@pytest.mark.skipif("MIMAMO_TEST_VIDEO" not in os.environ, reason="MIMAMO_TEST_VIDEO is not set")
def test_a_real_video(tmp_path, checkpoint):
    video = os.environ["MIMAMO_TEST_VIDEO"]
    first, second = (
        predict_video(
            video, checkpoint, tmp_path / str(batch_size), PredictSettings(batch_size=batch_size)
        ).predictions
        for batch_size in (32, 7)
    )
    assert len(first) == 309
    assert first.found.all()
    assert np.isfinite(first.values).all()
    np.testing.assert_allclose(first.values, second.values, atol=1e-5)
    again = predict_video(video, checkpoint, tmp_path / "again", PredictSettings(batch_size=32))
    assert again.outputs.table.read_bytes() == next((tmp_path / "32").glob("*.csv")).read_bytes()
