"""The generated data set: the layout of Aff-Wild2, its gaps, and its seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mimamo.data.affwild2 import AffWild2
from mimamo.data.annotations import read_annotations
from mimamo.data.dataset import TRAIN, VALIDATION
from mimamo.demo.synth.photo_set import UNSEEN, write_dataset
from mimamo.errors import InputError
from mimamo.video import AlignedFolder

FRAMES = 24
COUNTS = {TRAIN: 2, VALIDATION: 1, UNSEEN: 1}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """(its folder, its clips, the progress that was told)."""
    root = tmp_path_factory.mktemp("synth") / "data"
    told = []
    clips = write_dataset(
        root, COUNTS, frames=FRAMES, seed=3, workers=2, progress=lambda *p: told.append(p)
    )
    return root, clips, told


def annotation_file(root: Path, clip) -> Path:
    return root / "annotations" / clip.subset / f"{clip.name}.txt"


class TestLayout:
    def test_training_can_read_it(self, dataset):
        root, _, _ = dataset
        data = AffWild2(root)
        assert [(video.subset, video.name) for video in data.videos()] == [
            (TRAIN, "train_01"),
            (TRAIN, "train_02"),
            (VALIDATION, "validation_01"),
            (UNSEEN, "test_01"),
        ]
        assert data.unused == []

    def test_aligned_faces_are_of_one_size_and_numbered_by_frame(self, dataset):
        root, clips, _ = dataset
        for clip in clips:
            images = sorted((root / "cropped_aligned" / clip.name).iterdir())
            assert [int(image.stem) - 1 for image in images] == np.flatnonzero(clip.found).tolist()
        for video in AffWild2(root).videos():
            for _, crop in AlignedFolder(video.source):
                assert crop.shape == (112, 112, 3)
                assert crop.std() > 20

    def test_annotations_are_the_truth(self, dataset):
        root, clips, _ = dataset
        for clip in clips:
            written = read_annotations(annotation_file(root, clip))
            assert written.shape == (FRAMES, 2)
            known = clip.annotated
            truth = np.stack([clip.valence, clip.arousal], axis=1)
            np.testing.assert_allclose(written[known], truth[known], atol=1e-4)
            assert np.isnan(written[~known]).all()

    def test_it_has_the_gaps_of_real_data(self, dataset):
        _, clips, _ = dataset
        assert all(not clip.found.all() for clip in clips)
        assert any(not clip.annotated.all() for clip in clips)

    def test_trajectories_differ_from_clip_to_clip(self, dataset):
        _, clips, _ = dataset
        for number, clip in enumerate(clips):
            for other in clips[:number]:
                assert not np.allclose(clip.valence, other.valence, atol=0.05)
            assert not np.allclose(clip.valence, clip.arousal, atol=0.05)

    def test_progress_counts_clips(self, dataset):
        total = sum(COUNTS.values())
        assert sorted(dataset[2]) == [(done, total) for done in range(1, total + 1)]


class TestSeed:
    @staticmethod
    def content(root: Path) -> dict[str, bytes]:
        files = [path for path in root.rglob("*") if path.is_file()]
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}

    def test_the_same_seed_gives_the_same_files(self, dataset, tmp_path):
        """One thread as well as two, and whatever other clips are made."""
        write_dataset(tmp_path, {TRAIN: 1}, frames=FRAMES, seed=3, workers=1)
        again, first = self.content(tmp_path), self.content(dataset[0])
        assert len(again) > FRAMES // 2
        assert again == {name: data for name, data in first.items() if "train_01" in name}

    def test_another_seed_gives_others(self, dataset, tmp_path):
        (other,) = write_dataset(tmp_path, {TRAIN: 1}, frames=8, seed=4)
        assert not np.allclose(other.valence, dataset[1][0].valence[:8], atol=0.01)


def test_a_root_that_is_a_file_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(InputError, match="file"):
        write_dataset(path, {TRAIN: 1}, frames=8)
