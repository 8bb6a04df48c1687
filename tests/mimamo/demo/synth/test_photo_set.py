"""The generated data set: the layout of Aff-Wild2, its gaps, and its seed."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
from support.digests import digests

from mimamo.data.affwild2 import AffWild2
from mimamo.data.annotations import read_annotations
from mimamo.data.dataset import TEST, TRAIN, VALIDATION
from mimamo.demo.synth.photo_set import write_photo_set
from mimamo.errors import InputError
from mimamo.video import AlignedFolder

FRAMES = 24
COUNTS = {TRAIN: 2, VALIDATION: 1, TEST: 1}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """(its folder, the number of its faces, the progress that was told)."""
    root = tmp_path_factory.mktemp("synth") / "data"
    told = []
    faces = write_photo_set(
        root, COUNTS, frames=FRAMES, seed=3, workers=2, progress=lambda *p: told.append(p)
    )
    return root, faces, told


@pytest.fixture(scope="module")
def labels(dataset) -> list[np.ndarray]:
    """The annotations of every clip, NaN where there is none."""
    return [read_annotations(video.labels) for video in AffWild2(dataset[0]).videos()]


class TestLayout:
    def test_training_can_read_it(self, dataset):
        root, _, _ = dataset
        data = AffWild2(root)
        assert [(video.subset, video.name) for video in data.videos()] == [
            (TRAIN, "train_01"),
            (TRAIN, "train_02"),
            (VALIDATION, "validation_01"),
            (TEST, "test_01"),
        ]
        assert data.unused == []

    def test_aligned_faces_are_of_one_size_and_numbered_by_frame(self, dataset):
        root, faces, _ = dataset
        crops = [list(AlignedFolder(video.source)) for video in AffWild2(root).videos()]
        assert sum(map(len, crops)) == faces
        for index, crop in (face for clip in crops for face in clip):
            assert 0 <= index < FRAMES
            assert crop.shape == (112, 112, 3)
            assert crop.std() > 20

    def test_annotations_are_of_every_frame(self, labels):
        for label in labels:
            assert label.shape == (FRAMES, 2)
            assert np.nanmax(np.abs(label)) <= 0.95

    def test_it_has_the_gaps_of_real_data(self, dataset, labels):
        assert FRAMES < dataset[1] < FRAMES * sum(COUNTS.values())
        assert any(np.isnan(label).any() for label in labels)

    def test_trajectories_differ_from_clip_to_clip(self, labels):
        for number, label in enumerate(labels):
            for other in labels[:number]:
                assert np.nanmax(np.abs(label - other)) > 0.05
            assert np.nanmax(np.abs(label[:, 0] - label[:, 1])) > 0.05

    def test_progress_counts_clips(self, dataset):
        total = sum(COUNTS.values())
        assert sorted(dataset[2]) == [(done, total) for done in range(1, total + 1)]


class TestSeed:
    def test_the_same_seed_gives_the_same_files(self, dataset, tmp_path):
        """One thread as well as two, and whatever other clips are made."""
        write_photo_set(tmp_path, {TRAIN: 1}, frames=FRAMES, seed=3, workers=1)
        again, first = digests(tmp_path), digests(dataset[0])
        assert len(again) > FRAMES // 2
        assert again == {name: data for name, data in first.items() if "train_01" in name}

    def test_another_seed_gives_others(self, dataset, tmp_path):
        write_photo_set(tmp_path, {TRAIN: 1}, frames=FRAMES, seed=4)
        one, other = (
            root / "annotations/Train_Set/train_01.txt" for root in (dataset[0], tmp_path)
        )
        assert one.read_text() != other.read_text()


def test_a_root_that_is_a_file_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(InputError, match="file"):
        write_photo_set(path, {TRAIN: 1}, frames=8)


def test_a_picture_that_does_not_fit_on_the_disk_is_told(tmp_path: Path) -> None:
    """Pillow writes what fits, and is content."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        named = r"/train_01/\d{5}\.jpg: cannot be written: File too large$"
        with pytest.raises(InputError, match=named):
            write_photo_set(tmp_path, {TRAIN: 1}, frames=16, workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
