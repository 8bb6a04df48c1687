"""The commands ``data`` and ``extract``: what they say of an archive, and what they return."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mimamo.cli import main


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A training video, one of a list, and one of nobody."""
    root = tmp_path / "archive"
    labels = root / "6th ABAW Annotations/VA_Estimation_Challenge/Train_Set/1.txt"
    labels.parent.mkdir(parents=True)
    labels.write_text("valence,arousal\n0.5,-0.25\n-5,-5\n")
    for name in ("1", "2", "3"):
        folder = root / "cropped_aligned" / name
        folder.mkdir(parents=True)
        for number in (1, 2):
            image = np.random.default_rng(number).integers(0, 256, (112, 90, 3), np.uint8)
            cv2.imwrite(str(folder / f"{number:05d}.jpg"), image)
    (root / "list.txt").write_text("2\n4\n")
    return root


def test_what_is_there_is_said_in_a_table(archive: Path, capsys) -> None:
    assert main(["data", str(archive), "--names", str(archive / "list.txt")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:5] == [
        f"{archive}: ABAW6 2024",
        "set         videos  faces  films  annotations  neither",
        "Train_Set        1      1      0            1        0",
        "Test_Set         2      1      0            0        1",
        "in no list       1      1      0            0        0",
    ]
    line = f"{archive}/list.txt:2: no faces in {archive}/cropped_aligned/4; not used, nor submitted"
    assert said[-1].startswith(line)


def test_extract_begins_with_it(archive: Path, tmp_path: Path, capsys) -> None:
    arguments = [str(archive), "--names", str(archive / "list.txt"), "--backbone", "small"]
    assert main(["extract", *arguments, "--out", str(tmp_path / "cache")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{archive}: ABAW6 2024"
    assert "2 videos extracted" in said[-2]


def test_nothing_extracted_is_a_failure(archive: Path, tmp_path: Path, capsys) -> None:
    arguments = ["extract", str(archive), "--backbone", "small", "--crop", "refuse"]
    out = str(tmp_path / "cache")
    assert main([*arguments, "--out", out]) == 1
    assert capsys.readouterr().err == f"mimamo: error: {out}: nothing was extracted\n"


@pytest.mark.parametrize("command", ["data", "extract"])
def test_a_folder_without_data(tmp_path: Path, capsys, command: str) -> None:
    (tmp_path / "empty").mkdir()
    more = ["--out", str(tmp_path / "c"), "--backbone", "small"] if command == "extract" else []
    assert main([command, str(tmp_path / "empty"), *more]) == 1
    assert (
        "empty: expected faces, films or annotations in it, found none" in capsys.readouterr().err
    )
    assert not (tmp_path / "c").exists()


def test_no_folder(tmp_path: Path, capsys) -> None:
    assert main(["data", str(tmp_path / "none")]) == 2
    assert "none: expected the folder of a data set: No such file" in capsys.readouterr().err
