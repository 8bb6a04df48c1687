"""Stamps and fingerprints of what a cached video is made of."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mimamo.data.dataset import DatasetVideo
from mimamo.extract.source import fingerprint, stamp


def a_video(folder: Path) -> DatasetVideo:
    for number in range(1, 4):
        (folder / f"{number:05d}.jpg").write_bytes(bytes([number]) * 100)
    return DatasetVideo("v", "Test_Set", folder)


def test_what_was_written_just_now_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change within the same tick of the file system's clock could not be told."""
    video = a_video(tmp_path)
    newest = max(path.stat().st_ctime for path in tmp_path.iterdir())
    clock = [newest + 0.004]
    monkeypatch.setattr(time, "time", lambda: clock[-1])
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.append(clock[-1] + seconds))
    stamp(video)
    assert len(clock) == 2
    stamp(video)
    assert len(clock) == 2
    clock.append(newest - 3600)  # a file from the future is not waited for
    stamp(video)
    assert len(clock) == 3


def test_a_stamp_of_what_has_not_changed_is_the_same(tmp_path: Path) -> None:
    video = a_video(tmp_path)
    assert stamp(video) == stamp(video)


def test_a_fingerprint_is_of_contents_and_names(tmp_path: Path) -> None:
    video = a_video(tmp_path)
    before = fingerprint(video, None)
    (tmp_path / "00002.jpg").touch()
    assert fingerprint(video, None) == before != fingerprint(video, 3)
    os.rename(tmp_path / "00002.jpg", tmp_path / "00004.jpg")
    assert fingerprint(video, None) != before
    os.rename(tmp_path / "00004.jpg", tmp_path / "00002.jpg")
    assert fingerprint(video, None) == before
    (tmp_path / "00002.jpg").write_bytes(bytes([3]) * 100)
    assert fingerprint(video, None) != before
