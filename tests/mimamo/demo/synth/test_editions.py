"""The layouts of the competitions, as `synth` writes them and `data` finds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mimamo import InputError
from mimamo.data import AffWild2, Problems
from mimamo.data.lists import Sample, read_names
from mimamo.data.overview import overview
from mimamo.demo.synth.ablation_set import write_ablation_set
from mimamo.demo.synth.editions import EDITIONS, LIST, NOBODY, SAMPLE
from mimamo.video import VideoReader


@pytest.mark.parametrize("edition", EDITIONS)
def test_an_edition_is_found_as_it_was_written(tmp_path: Path, edition: int) -> None:
    root = tmp_path / "data"
    lines = write_ablation_set(root, identities=3, takes=1, frames=16, edition=edition)
    assert lines[-1].endswith(f"aligned faces, and films, in the layout of {edition}")
    dataset = AffWild2(root)
    assert overview(dataset)[0].endswith(str(edition))
    videos = {video.name: video for video in dataset.videos()}
    assert [(v.subset, v.labels is None) for v in videos.values()] == [
        ("Train_Set", False), ("Validation_Set", False), ("Test_Set", True),
    ]  # fmt: skip
    for video in videos.values():
        assert video.recording is not None
        assert VideoReader(video.recording).frame_count == 16
        if video.read_labels is not None:
            assert video.read_labels(Problems(strict=True)).shape == (16, 2)
    assert (dataset.unused, dataset.nobodys()) == ([], [NOBODY])
    test = "3-30-112x112-1"
    assert list(read_names(root / LIST)) == [test]
    assert (root / SAMPLE).exists() == (edition >= 2023)
    if edition >= 2023:
        assert videos[test].source.parent.name == "cropped_aligned_new_50_vids"
        assert Sample(root / SAMPLE).frames(test).tolist() == list(range(1, 17))


def test_a_year_without_a_competition(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"edition: expected 2020, .*, 2025, got 2019"):
        write_ablation_set(tmp_path / "data", identities=3, takes=1, frames=16, edition=2019)
