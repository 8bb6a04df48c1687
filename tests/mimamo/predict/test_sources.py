"""What VIDEO arguments stand for."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from mimamo.errors import InputError
from mimamo.predict.outputs import mark_video, source_name
from mimamo.predict.render.plot import save_plot
from mimamo.predict.sources import find_sources, open_source
from mimamo.video import AlignedFolder, FrameFolder


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def faces(folder: Path) -> Path:
    folder.mkdir(parents=True)
    Image.new("RGB", (112, 112)).save(folder / "00001.jpg")
    return folder


def pictures(folder: Path, names: list[str], size: tuple[int, int] = (64, 48)) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        Image.new("RGB", size).save(folder / name)
    return folder


class TestFindSources:
    def test_a_film_that_was_rendered_beside_its_source_is_none(self, tmp_path):
        """A second run predicted the first one's, and processes that began later other films."""
        touch(tmp_path / "a.avi", tmp_path / "b.mp4", tmp_path / "a.mp4")
        (tmp_path / "a.mp4").write_bytes(bytes(100))
        mark_video(tmp_path / "a.mp4")
        assert find_sources([tmp_path]) == [tmp_path / "a.avi", tmp_path / "b.mp4"]
        assert find_sources([tmp_path / "a.mp4"]) == [tmp_path / "a.mp4"]  # asked for by name

    def test_files_stand_for_themselves_even_if_they_are_missing(self, tmp_path):
        paths = [tmp_path / "b.mp4", tmp_path / "a.dat"]
        assert find_sources(paths) == paths

    def test_a_folder_stands_for_its_videos_and_folders_of_faces_by_name(self, tmp_path):
        touch(*(tmp_path / n for n in ("c.MP4", "b.avi", "notes.txt", ".hidden.mp4", "x/deep.mp4")))
        faces(tmp_path / "a")
        (tmp_path / "empty").mkdir()
        assert find_sources([tmp_path]) == [tmp_path / n for n in ("a", "b.avi", "c.MP4")]

    def test_a_folder_of_aligned_faces_is_one_video(self, tmp_path):
        folder = faces(tmp_path / "v")
        touch(folder / "notes.txt")
        (folder / "more.mp4").mkdir()  # a folder is no video, whatever its name
        assert find_sources([folder]) == [folder]

    def test_a_folder_with_videos_is_none_of_aligned_faces(self, tmp_path):
        folder = faces(tmp_path / "v")
        (folder / "00001.jpg").rename(folder / "2023.jpg")
        touch(folder / "b.MP4", folder / "a.mov")
        assert find_sources([folder]) == [folder / "a.mov", folder / "b.MP4"]
        assert find_sources([tmp_path]) == [tmp_path]  # nor is it one within another folder

    def test_a_folder_of_whole_frames_is_one_video(self, tmp_path):
        folder = pictures(tmp_path / "s15" / "006_1_2", ["006_1_2_05562.jpg", "006_1_2_05563.jpg"])
        assert find_sources([folder]) == [folder]
        assert find_sources([folder.parent]) == [folder]
        assert find_sources([tmp_path]) == [tmp_path]  # it is deeper
        assert find_sources([tmp_path], depth=2) == [folder]

    def test_pictures_that_are_no_series_are_a_film_only_if_asked_for(self, tmp_path):
        folder = pictures(tmp_path / "in" / "trip", ["beach.jpg", "hotel.jpg"])
        assert find_sources([folder]) == [folder]
        assert find_sources([folder.parent]) == [folder.parent]

    def test_plots_of_ours_are_no_film(self, tmp_path, predictions):
        folder = tmp_path / "in" / "results"
        folder.mkdir(parents=True)
        for number in (1, 2):
            save_plot(folder / f"clip{number}.png", predictions("xx"), "clip")
        assert find_sources([folder.parent]) == [folder.parent]

    def test_folders_are_searched_to_the_depth_asked(self, tmp_path):
        paths = [tmp_path / "0.mp4", tmp_path / "a/1.mp4", tmp_path / "a/b/2.mp4"]
        touch(*paths, tmp_path / "a/b/._2.mp4")
        pictures(tmp_path / "a/b/c", ["00001.jpg"], (112, 112))
        assert find_sources([tmp_path]) == paths[:1]
        assert find_sources([tmp_path], depth=2) == paths[:2]
        assert find_sources([tmp_path], depth=3) == [*paths, tmp_path / "a/b/c"]
        (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
        assert sorted(find_sources([tmp_path], depth=9)) == [*paths, tmp_path / "a/b/c"]

    def test_nothing_is_listed_twice(self, tmp_path):
        touch(tmp_path / "a.mp4", tmp_path / "b.mp4")
        given = [tmp_path / "b.mp4", tmp_path, tmp_path / "x" / ".." / "b.mp4"]
        assert find_sources(given) == [tmp_path / "b.mp4", tmp_path / "a.mp4"]

    def test_a_folder_with_neither_is_kept(self, tmp_path):
        touch(tmp_path / "v" / "notes.txt", tmp_path / "v" / "cover.jpg", tmp_path / "a.mp4")
        given = [tmp_path / "v", tmp_path / "a.mp4"]
        assert find_sources(given) == given

    def test_a_folder_that_cannot_be_read_is_kept(self, tmp_path, monkeypatch):
        locked = faces(tmp_path / "locked")
        touch(tmp_path / "a.mp4")
        iterdir = Path.iterdir

        def denying(path):
            if path == locked:
                raise PermissionError(13, "Permission denied")
            return iterdir(path)

        monkeypatch.setattr(Path, "iterdir", denying)
        assert find_sources([locked]) == [locked]
        assert find_sources([tmp_path]) == [tmp_path / "a.mp4", locked]
        with pytest.raises(
            InputError, match="locked: cannot be read as a folder: Permission denied"
        ):
            open_source(locked, 30)


class TestOpenSource:
    @pytest.mark.parametrize(
        ("names", "size", "kind"),
        [
            (["00001.jpg"], (112, 112), AlignedFolder),
            (["00001.jpg", "00002.jpg"], (224, 224), AlignedFolder),
            (["00001.jpg", "00002.jpg"], (640, 360), FrameFolder),
            (["frame_det_00_000001.bmp"], (112, 112), AlignedFolder),
            (["img1.jpg", "img2.jpg"], (112, 112), FrameFolder),
            (["006_1_2_05562.jpg", "006_1_2_05563.jpg"], (96, 64), FrameFolder),
        ],
    )
    def test_pictures_are_what_they_look_like_or_what_is_said(self, tmp_path, names, size, kind):
        folder = pictures(tmp_path / "v", [*names, "._00001.jpg"], size)
        assert type(open_source(folder, 30)) is kind
        assert type(open_source(folder, 30, "frames")) is FrameFolder
        if kind is AlignedFolder:
            assert type(open_source(folder, 30, "aligned")) is AlignedFolder

    def test_a_folder_of_aligned_faces(self, tmp_path):
        assert open_source(faces(tmp_path / "v"), 12).fps == 12

    def test_a_folder_with_neither_is_an_input_error(self, tmp_path):
        expected = "expected videos, or pictures of aligned faces or whole frames, found"
        touch(tmp_path / "notes.txt")
        with pytest.raises(InputError, match=f"{expected} none"):
            open_source(tmp_path, 30)
        touch(tmp_path / "cover.jpg")
        with pytest.raises(InputError, match=f"{expected} one picture; --folders frames takes it"):
            open_source(tmp_path, 30)

    def test_a_folder_of_videos_is_an_input_error(self, tmp_path):
        touch(faces(tmp_path / "v") / "a.mp4")
        with pytest.raises(InputError, match="expected one video, got a folder of 1"):
            open_source(tmp_path / "v", 30)


def test_names_are_without_the_suffix_of_files_but_whole_for_folders(tmp_path, monkeypatch):
    folder = faces(tmp_path / "10-60.left")
    assert source_name(folder) == "10-60.left"
    assert source_name(tmp_path / "clip.v2.mp4") == "clip.v2"
    monkeypatch.chdir(folder)
    assert source_name(Path()) == "10-60.left"
