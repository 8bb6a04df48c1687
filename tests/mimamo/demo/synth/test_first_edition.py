"""The first Aff-Wild as `synth` writes it: found, with faces that a detector finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.digests import digests

from mimamo import InputError
from mimamo.cli import main
from mimamo.data import AffWild2, Problems
from mimamo.data.overview import overview
from mimamo.demo.synth.first_edition import write_first_edition
from mimamo.faces import CenterFace
from mimamo.video import VideoReader


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("first") / "data"
    size = ["--identities", "3", "--takes", "1", "--frames", "16", "--seed", "4"]
    assert main(["synth", "--out", str(root), "--edition", "2017", *size]) == 0
    return root


def test_it_is_found_as_it_was_written(root: Path) -> None:
    dataset = AffWild2(root)
    assert dataset.layout == "Aff-Wild"
    assert overview(dataset)[0] == f"{root}: Aff-Wild 2017"
    videos = dataset.videos()
    assert [(video.name, video.subset) for video in videos] == [
        ("1", "Train_Set"), ("2", "Train_Set"), ("3", "Test_Set"),
    ]  # fmt: skip
    assert (dataset.unused, dataset.remarks, dataset.nobodys()) == ([], [], ["3"])
    for video in videos:
        assert VideoReader(video.source).frame_count == 16
        assert len(list((root / "bboxes").glob(f"*/{video.name}/*.pts"))) == 16
    labels = [video.read_labels(Problems(strict=True)) for video in videos[:2]]
    assert all(values.shape == (16, 2) for values in labels)
    assert not np.array_equal(*labels)


def test_a_face_is_where_its_box_is(root: Path) -> None:
    frame = next(iter(VideoReader(root / "videos/test/3.mp4")))
    found = CenterFace()(frame.image)[0]
    text = (root / "bboxes/test/3/1.pts").read_text()
    assert text.startswith("version: 1\nn_points: 4\n{\n")
    corners = np.array([line.split() for line in text.splitlines()[3:7]], float)
    middle = found.landmarks.mean(axis=0)
    assert (corners.min(axis=0) < middle).all()
    assert (middle < corners.max(axis=0)).all()


def test_the_seed_is_all(root: Path, tmp_path: Path) -> None:
    lines = write_first_edition(tmp_path / "again", films=3, frames=16, seed=4, workers=1)
    assert lines[:2] == ["train: 2 films with annotations", "test: 1 film"]
    assert digests(tmp_path / "again") == digests(root)


@pytest.mark.parametrize(("name", "value"), [("films", 2), ("frames", 15)])
def test_too_few(tmp_path: Path, name: str, value: int) -> None:
    with pytest.raises(InputError, match=rf"{name}: expected at least \d+, got {value}"):
        write_first_edition(tmp_path / "data", **{name: value})
