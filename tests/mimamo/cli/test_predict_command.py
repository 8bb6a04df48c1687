"""`mimamo predict`: what it prints, what it writes, and its exit codes."""

from __future__ import annotations

import io
import re
import sys

import pytest
from support.films import packets_of

import mimamo.demo.run
import mimamo.predict.pipeline
import mimamo.train

SPEED = (
    r"[\d.]+ s, [\d.]+ frames/s; decode [\d.]+ %, detection [\d.]+ %, "
    r"small backbone \((float32|bfloat16)\) [\d.]+ %, phase [\d.]+ %, "
    r"network [\d.]+ %, writing [\d.]+ %"
)


class TestPredict:
    def test_it_says_what_it_wrote(self, tmp_path, predict, video, capsys):
        assert predict(video) == 0
        printed = capsys.readouterr()
        table = tmp_path / "out" / "face.csv"
        said, speed, hint = printed.out.splitlines()
        assert said == f"{table}: face found in 3 of 5 frames"
        assert re.fullmatch(rf"face: 5 frames in {SPEED}", speed), speed
        assert "side by side" in hint
        assert printed.err == ""
        assert sorted(path.name for path in table.parent.iterdir()) == ["face.csv", "face.png"]

    @pytest.mark.parametrize(
        "precision", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)]
    )
    def test_it_says_which_backbone_in_which_precision(
        self, predict, video, weights, capsys, precision
    ):
        options = ("--precision", precision, "--search-every", 3)
        assert predict(video, *options, weights=weights) == 0
        assert f", ResNet50 ({precision}) " in capsys.readouterr().out

    @pytest.mark.parametrize("native", [True, False])
    def test_it_warns_of_a_slow_precision(self, predict, video, capsys, monkeypatch, native):
        monkeypatch.setattr("mimamo.device.has_native_bfloat16", lambda: native)
        assert predict(video, "--precision", "bfloat16") == 0
        assert ("bfloat16 takes longer than float32" in capsys.readouterr().err) != native

    def test_several_videos_are_summed_up(self, tmp_path, predict, video, film, capsys):
        assert predict(video, film(tmp_path / "other.mp4", "xx")) == 0
        lines = capsys.readouterr().out.splitlines()[2:]
        for line, start in zip(lines, ("face: 5", "other: 2", "all 2 videos: 7"), strict=False):
            assert re.fullmatch(rf"{start} frames in {SPEED}", line), line
        assert len(lines) == 4

    def test_options_choose_the_files(self, tmp_path, predict, video):
        assert predict(video, "--render", "--no-plot", "--batch-size", 2) == 0
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert names == ["face.csv", "face.mp4"]

    @pytest.mark.slow
    def test_a_second_run_says_what_it_replaces(self, tmp_path, predict, video, capsys):
        assert predict(video) == 0
        capsys.readouterr()
        assert predict(video) == 0
        table = tmp_path / "out" / "face.csv"
        assert capsys.readouterr().err == f"mimamo: warning: {table}: replaced\n"

    def test_a_failed_video_is_named_at_the_end_and_the_others_are_written(
        self, tmp_path, predict, video, capsys
    ):
        bad = tmp_path / "bad.mp4"
        bad.write_bytes(b"")
        assert predict(bad, video) == 1
        printed = capsys.readouterr()
        assert "face.csv: face found in 3 of 5" in printed.out
        assert printed.err == f"mimamo: error: {bad}: expected a video, but the file is empty\n"

    def test_a_folder_without_videos_is_named_at_the_end_and_the_others_are_written(
        self, tmp_path, predict, video, capsys
    ):
        empty = tmp_path / "empty"
        empty.mkdir()
        assert predict(empty, video) == 1
        printed = capsys.readouterr()
        assert "face.csv: face found in 3 of 5" in printed.out
        assert re.fullmatch(rf"mimamo: error: {re.escape(str(empty))}: .+\n", printed.err)

    def test_a_video_with_missing_frames_is_written_but_an_error(
        self, tmp_path, predict, video, capsys
    ):
        cut, table = tmp_path / "cut.mp4", tmp_path / "out" / "cut.csv"
        last = packets_of(video)[-1]
        cut.write_bytes(video.read_bytes()[: last[0]])
        assert predict(cut) == 1
        printed = capsys.readouterr()
        assert printed.out.startswith(f"{table}: face found in 3 of 4 frames\ncut: 4 frames in ")
        assert printed.err == (
            f"mimamo: error: {cut}: frames missing after 0.1 s; they have no rows in {table}\n"
        )
        assert sorted(path.name for path in table.parent.iterdir()) == ["cut.csv", "cut.png"]

    def test_a_video_without_a_face_is_a_warning(self, tmp_path, predict, film, capsys):
        video = film(tmp_path / "none.mp4", "..")
        assert predict(video) == 0
        expected = f"mimamo: warning: {video}: no face found; all predictions are -5\n"
        assert capsys.readouterr().err == expected

    def test_a_terminal_sees_progress_and_warnings(self, tmp_path, predict, film, monkeypatch):
        class Terminal(io.StringIO):
            def isatty(self):
                return True

        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "200")
        film(tmp_path / "[red]none.mp4", "..")
        assert predict(tmp_path / "[red]none.mp4") == 0
        shown = terminal.getvalue()
        assert "[red]none: predicting" in shown
        assert "no face found" in shown


class TestBadVideo:
    """Exit code 1, one line, no traceback."""

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "No such file"),
            (b"", "empty"),
            (b"no film at all\n" * 9, "expected a video"),
            (bytes(range(256)) * 9, "expected a video"),
        ],
        ids=["missing", "empty", "text", "noise"],
    )
    def test_what_is_no_video(self, tmp_path, predict, one_error, content, message):
        path = tmp_path / "clip.mp4"
        if content is not None:
            path.write_bytes(content)
        assert predict(path) == 1
        error = one_error()
        assert error.startswith(f"{path}: ")
        assert message in error

    def test_a_video_cut_short(self, tmp_path, predict, video, one_error):
        path = tmp_path / "cut.mp4"
        path.write_bytes(video.read_bytes()[:1000])  # within the index
        assert predict(path) == 1
        assert one_error().startswith(f"{path}: ")

    def test_a_video_without_frames(self, tmp_path, predict, video, one_error):
        path = tmp_path / "none.mp4"
        path.write_bytes(video.read_bytes()[:32])  # only the file type
        assert predict(path) == 1
        assert one_error().startswith(f"{path}: ")

    def test_a_folder_without_videos(self, tmp_path, predict, one_error):
        path = tmp_path / "empty"
        path.mkdir()
        assert predict(path) == 1
        assert one_error().startswith(f"{path}: expected videos, or pictures of aligned faces")


class TestInterruption:
    def test_it_ends_with_130_and_no_traceback(self, tmp_path, predict, video, monkeypatch, capsys):
        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(mimamo.predict.pipeline, "embed_clips", interrupted)
        assert predict(video) == 130
        assert capsys.readouterr() == ("", "mimamo: interrupted\n")
        assert not list((tmp_path / "out").iterdir())
