"""Whose folder it is: a demo replaces its own and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from mimamo.demo.folder import claim_folder, write_notice
from mimamo.errors import InputError

WRITTEN = (
    "summary.json",
    "data/annotations/Train_Set/train_01.txt",
    "data/cropped_aligned/train_01/00001.jpg",
    "cache/manifest.json",
    "cache/videos/train_01.safetensors",
    "run/best.safetensors",
    "run/state.safetensors",
    "run/tensorboard/events.out.tfevents.1700000000.host.1.0",
    "video/astronaut.mp4",
    "predictions/astronaut.csv",
    "predictions/astronaut.mp4",
    "evaluation/evaluation.png",
)


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


@pytest.fixture
def earlier(tmp_path):
    folder = tmp_path / "demo"
    claim_folder(folder)
    write_notice(folder)
    put(folder, *WRITTEN)
    return folder


def test_a_new_or_empty_folder_is_taken(tmp_path):
    assert claim_folder(tmp_path / "new" / "deep") is False
    assert claim_folder(tmp_path / "new" / "deep") is False
    assert (tmp_path / "new" / "deep").is_dir()


def test_an_earlier_demo_is_emptied(earlier):
    assert claim_folder(earlier) is True
    assert list(earlier.iterdir()) == []


def test_an_interrupted_one_too(earlier):
    put(earlier, "predictions/.astronaut.abcd1234.png", ".summary.zz_9_x12.json")
    put(earlier, "cache/.lock", "run/.lock", ".lock")
    (earlier / "summary.json").unlink()
    assert claim_folder(earlier) is True
    assert [path.name for path in earlier.iterdir()] == [".lock"]


@pytest.mark.parametrize(
    "name", ["thesis.txt", "data/notes.txt", "data/cropped_aligned/train_01/me.jpg", "run/x/best"]
)
def test_nothing_is_deleted_where_something_else_lies(earlier, name):
    put(earlier, name)
    before = sorted(earlier.rglob("*"))
    with pytest.raises(InputError, match=name):
        claim_folder(earlier)
    assert sorted(earlier.rglob("*")) == before


def test_the_same_names_without_the_notice_are_somebody_elses(earlier):
    (earlier / "README.txt").write_text("My Aff-Wild2")
    with pytest.raises(InputError, match="earlier demo"):
        claim_folder(earlier)
    (earlier / "README.txt").unlink()
    with pytest.raises(InputError, match="earlier demo"):
        claim_folder(earlier)
    assert (earlier / "summary.json").exists()


def test_a_link_out_of_it_is_not_followed(earlier, tmp_path):
    put(tmp_path / "precious", "faces.png")
    (earlier / "link").symlink_to(tmp_path / "precious")
    with pytest.raises(InputError, match="link"):
        claim_folder(earlier)
    assert (tmp_path / "precious" / "faces.png").exists()


def test_a_file_is_no_folder(tmp_path):
    put(tmp_path, "file")
    with pytest.raises(InputError, match="file"):
        claim_folder(tmp_path / "file")
