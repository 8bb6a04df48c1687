"""Where results go, and that nothing else is lost to them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mimamo.errors import InputError
from mimamo.predict.outputs import (
    check_outputs,
    distinct_names,
    is_result,
    mark_video,
    outputs_of,
)
from mimamo.predict.render.plot import save_plot
from mimamo.predict.table import write_predictions
from mimamo.video import VideoReader, VideoWriter


def planned(sources, folder, overwrite=False, plot=True, render=True):
    names = distinct_names(sources)
    outputs = [outputs_of(name, folder, plot=plot, render=render, page=False) for name in names]
    check_outputs(sources, outputs, overwrite)
    return outputs


def film(path, frames=3):
    with VideoWriter(path, fps=25) as writer:
        for value in range(frames):
            writer.write(np.full((32, 48, 3), 40 * value, np.uint8))


def test_results_are_named_after_the_video(tmp_path):
    (outputs,) = planned([tmp_path / "in" / "my.clip.avi"], tmp_path / "out")
    assert [path.name for path in outputs] == ["my.clip.csv", "my.clip.png", "my.clip.mp4"]
    (outputs,) = planned([tmp_path / "a.avi"], tmp_path, plot=False, render=False)
    assert list(outputs) == [tmp_path / "a.csv"]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["x/a.mp4", "x/b.mp4"], ["a", "b"]),
        (["x/a.mp4", "b.mp4", "y/a.mp4"], ["x_a", "b", "y_a"]),
        (["a.mp4", "a.avi", "b.avi"], ["a_mp4", "a_avi", "b"]),
        (["s1/x/a.mp4", "s2/x/a.mp4", "s2/y/a.mp4"], ["s1_x_a", "s2_x_a", "s2_y_a"]),
        (["x/a.mp4", "y/a.mp4", "x_a.mp4"], ["x_a_mp4", "y_a_mp4", "x_a"]),
        (["x/Talk.mp4", "y/talk.mp4"], ["x_Talk", "y_talk"]),
        (["x/a", "x/a.mp4"], ["a", "a_mp4"]),  # the first is a folder
        (["x/a.mp4", "y/a.avi"], ["a_mp4", "a_avi"]),
    ],
)
def test_equal_names_are_told_apart(tmp_path, paths, names):
    (tmp_path / "x" / "a").mkdir(parents=True)
    assert distinct_names([tmp_path / path for path in paths]) == names


def test_long_names_leave_room_for_a_suffix(tmp_path):
    """Of 250 bytes at most, whole characters, and still told apart."""
    long, wide = 251 * "a", 125 * "\u00e9" + "b"
    short, other = distinct_names([tmp_path / f"{long}.mp4", tmp_path / f"{wide}.mp4"])
    assert (short, other) == (long[:250], wide[:125])
    names = distinct_names([tmp_path / folder / f"{long}.mp4" for folder in "xy"])
    assert [(name[:3], len(name)) for name in names] == [("x_a", 250), ("y_a", 250)]
    for name in (short, other, *names):
        outputs = outputs_of(name, tmp_path, plot=True, render=True, page=True)
        check_outputs([], [outputs], False)


def test_names_that_nothing_tells_apart_are_refused_naming_both(tmp_path):
    one, other = tmp_path / "a_b" / "c.mp4", tmp_path / "a" / "b_c.mp4"
    paths = [one, tmp_path / "c.mp4", other]
    assert len({name.casefold() for name in distinct_names(paths)}) == 3
    with pytest.raises(InputError) as caught:
        distinct_names([tmp_path / "a.mp4", tmp_path / "A.MP4"])
    assert str(tmp_path / "a.mp4") in str(caught.value)
    assert str(tmp_path / "A.MP4") in str(caught.value)


class TestCheck:
    @pytest.mark.parametrize("overwrite", [False, True])
    def test_an_input_is_never_an_output(self, tmp_path, overwrite):
        film(tmp_path / "a.mp4")
        with pytest.raises(InputError, match="is an input"):
            planned([tmp_path / "a.mp4"], tmp_path, overwrite)
        (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
        with pytest.raises(InputError, match="is an input"):
            planned([tmp_path / "a.mp4"], tmp_path / "link", overwrite)

    @pytest.mark.parametrize("suffix", ["csv", "png", "mp4"])
    def test_a_foreign_file_is_only_replaced_on_demand(self, tmp_path, suffix):
        (tmp_path / f"a.{suffix}").write_text("mine")
        source = tmp_path / "in" / "a.avi"
        with pytest.raises(InputError, match=f"a.{suffix}: exists"):
            planned([source], tmp_path)
        planned([source], tmp_path, overwrite=True)
        assert (tmp_path / f"a.{suffix}").read_text() == "mine"

    def test_a_folder_in_the_way_is_refused_in_any_case(self, tmp_path):
        (tmp_path / "a.csv").mkdir()
        with pytest.raises(InputError, match="is a folder"):
            planned([tmp_path / "in" / "a.avi"], tmp_path, overwrite=True)

    def test_results_of_an_earlier_run_may_be_replaced(self, tmp_path, predictions):
        (outputs,) = planned([tmp_path / "in" / "a.avi"], tmp_path)
        write_predictions(outputs.table, predictions("x"))
        save_plot(outputs.plot, predictions("x"), "a")
        film(outputs.video)
        mark_video(outputs.video)
        planned([tmp_path / "in" / "a.avi"], tmp_path)


class TestMarks:
    def test_a_marked_video_is_a_result_and_still_plays(self, tmp_path):
        path = tmp_path / "a.mp4"
        film(path, frames=4)
        assert not is_result(path)
        mark_video(path)
        assert is_result(path)
        reader = VideoReader(path)
        assert len(list(reader)) == 4
        assert (reader.missing, reader.frame_count) == (None, 4)

    def test_other_pictures_and_short_files_are_none(self, tmp_path):
        cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4), np.uint8))
        (tmp_path / "b.mp4").write_bytes(b"free")
        for name in ("a.png", "b.mp4", "missing.csv", "missing.png"):
            assert not is_result(tmp_path / name)
