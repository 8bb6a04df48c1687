"""What is damaged is made again; what cannot be read today does not spoil what was made of it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from mimamo.data import Cache
from mimamo.data.cache import video_path
from mimamo.files import replacing


def test_a_damaged_array_is_made_again(run, tmp_path: Path) -> None:
    run()
    path = video_path(tmp_path / "cache", "plain")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100] + bytes([whole[-100] ^ 8]) + whole[-99:])
    result = run()
    assert (result.made, result.kept, path.read_bytes()) == (1, 1, whole)
    assert f"{path}: cut short or damaged (its contents do not have its checksum); made again" in (
        run.lines
    )


@pytest.mark.parametrize("name", ["plain", "plain.b"])
def test_what_a_living_writer_is_writing_is_left_alone(run, tmp_path: Path, name: str) -> None:
    """Of the same video, and of one whose name begins alike."""
    path = video_path(tmp_path / "cache", name)
    path.parent.mkdir(parents=True)
    with replacing(path) as temporary:
        temporary.write_text("its own")
        run()
    assert path.read_text() == "its own"


@pytest.fixture
def failing_disk(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of files and folders that give an I/O error."""
    names: set[str] = set()

    def wrap(name: str) -> None:
        function = getattr(os, name)

        def call(path: Any, *rest: Any, **more: Any) -> Any:
            if isinstance(path, str | Path) and os.path.basename(path) in names:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
            return function(path, *rest, **more)

        monkeypatch.setattr(os, name, call)

    for name in ("open", "listdir", "scandir"):
        wrap(name)
    return names


@pytest.mark.parametrize("what", ["00007.jpg", "plain"])
def test_what_a_failing_disk_hides_stays_in_the_cache(
    run, data: Path, tmp_path: Path, failing_disk: set[str], what: str
) -> None:
    run()
    path = video_path(tmp_path / "cache", "plain")
    whole = path.read_bytes()
    os.utime(data / "cropped_aligned/plain/00007.jpg")  # so that contents are looked at
    failing_disk.add(what)
    result = run()
    assert (result.made, result.kept, result.skipped) == (0, 2, ())
    assert path.read_bytes() == whole
    (line,) = result.problems
    assert line.startswith(str(data / "cropped_aligned/plain"))
    assert line.endswith(f"cannot be read: Input/output error; {path} is kept as it was")
    failing_disk.clear()
    assert run().problems == ()


def test_a_video_is_made_of_what_a_failing_disk_gives(
    run, tmp_path: Path, failing_disk: set[str]
) -> None:
    failing_disk.add("00007.jpg")
    result = run()
    assert (result.made, len(result.problems)) == (2, 2)  # of both videos one image
    failing_disk.clear()
    assert [len(video) for video in Cache(tmp_path / "cache").videos] == [31, 19]
    result = run()  # nothing looks different, and a new image would
    assert result.kept == 2


def test_a_folder_on_a_failing_disk_does_not_end_the_others(
    run, tmp_path: Path, failing_disk: set[str]
) -> None:
    failing_disk.add("plain")
    result = run()
    assert result.made == 1
    (line,) = result.skipped
    assert line.endswith("plain: cannot be read: Input/output error")
    assert [video.name for video in Cache(tmp_path / "cache").videos] == ["gaps"]


def test_the_small_backbone_is_the_same_in_every_extraction(run, tmp_path: Path) -> None:
    run()
    path = tmp_path / "cache/backbone.safetensors"
    whole = path.read_bytes()
    path.unlink()
    run()
    assert path.read_bytes() == whole
