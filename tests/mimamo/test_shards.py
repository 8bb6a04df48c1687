"""Which of several processes has which videos."""

from __future__ import annotations

from pathlib import Path

from mimamo.shards import Shard


def test_the_largest_go_to_whoever_has_least(tmp_path: Path) -> None:
    """One of 30 bytes is as much work as three of 10; a folder counts by its pictures."""
    for name, size in {"a": 10, "b": 10, "c": 30, "d": 10}.items():
        (tmp_path / name).write_bytes(bytes(size))
    videos = [tmp_path / name for name in "abcd"]
    assert [Shard(index, 2).share(videos) for index in range(2)] == [[2], [0, 1, 3]]
    (tmp_path / "e").mkdir()
    for number in range(70):
        (tmp_path / f"e/{number:05d}.jpg").touch()
    assert Shard(0, 2).share([*videos, tmp_path / "e"]) == [4]
