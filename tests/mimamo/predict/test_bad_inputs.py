"""One input that cannot be used is named, and ends nothing but itself."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from mimamo import InputError
from mimamo.predict.outputs import source_name
from mimamo.predict.sources import find_sources, open_source
from mimamo.video import AlignedFolder, VideoReader, container


def test_a_film_deleted_while_it_is_read(tmp_path: Path, film) -> None:
    path = film(tmp_path / "x.mp4", "." * 5)
    frames = iter(VideoReader(path))
    next(frames)
    path.unlink()
    assert len(list(frames)) == 4  # it is open


def test_a_film_on_a_failing_disk(tmp_path: Path, film, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "x.mp4", "." * 5)
    reader = VideoReader(path)

    class Failing:
        def __init__(self, file: BinaryIO) -> None:
            self._file = file

        def read(self, size: int) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        def __getattr__(self, name: str) -> object:
            return getattr(self._file, name)

    def failing(path: Path, *arguments: object) -> AbstractContextManager[Failing]:
        @contextmanager
        def opened() -> Iterator[Failing]:
            with open_file(path, *arguments) as file:
                yield Failing(file)

        return opened()

    open_file = container.open_file
    monkeypatch.setattr(container, "open_file", failing)
    with pytest.raises(InputError, match=f"{path}: cannot be read: Input/output error"):
        list(reader)


def test_a_loop_of_links(tmp_path: Path, film) -> None:
    path = film(tmp_path / "x.mp4", "." * 5)
    one, other = tmp_path / "one", tmp_path / "other"
    one.symlink_to(other)
    other.symlink_to(one)
    assert find_sources([one, path, other]) == [one, path, other]
    assert source_name(one) == "one"
    for read in (open_source, VideoReader, AlignedFolder):
        with pytest.raises(InputError, match=f"{one}: "):
            read(*([one, 30.0] if read is open_source else [one]))


def test_a_folder_on_a_failing_disk(tmp_path: Path, film, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "x.mp4", "." * 5)
    bad = tmp_path / "bad"
    bad.mkdir()

    def failing(folder: Path) -> Iterator[Path]:
        if folder == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return entries(folder)

    entries = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", failing)
    assert find_sources([tmp_path]) == [bad, path]
    with pytest.raises(InputError, match=f"{bad}: cannot be read as a folder: Input/output error"):
        open_source(bad, 30.0)
