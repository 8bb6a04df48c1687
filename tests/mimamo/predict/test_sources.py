"""What VIDEO arguments stand for."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from mimamo.errors import InputError
from mimamo.predict.sources import find_sources, open_source, source_name


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def faces(folder: Path) -> Path:
    folder.mkdir(parents=True)
    Image.new("RGB", (112, 112)).save(folder / "00001.jpg")
    return folder


class TestFindSources:
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
        with pytest.raises(InputError, match="locked: cannot be read: Permission denied"):
            open_source(locked, 30)


class TestOpenSource:
    def test_a_folder_of_aligned_faces(self, tmp_path):
        assert open_source(faces(tmp_path / "v"), 12).fps == 12

    def test_a_folder_with_neither_is_an_input_error(self, tmp_path):
        touch(tmp_path / "notes.txt", tmp_path / "cover.jpg")
        with pytest.raises(InputError, match="found neither"):
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
