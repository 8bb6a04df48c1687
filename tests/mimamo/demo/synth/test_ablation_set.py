"""Drawn faces: what shows, what does not, and the data set they make."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mimamo import InputError
from mimamo.data import AffWild2, Problems, subject_of
from mimamo.demo.synth.ablation_set import FAST, SLOW, perform_take, render_take, write_ablation_set
from mimamo.demo.synth.drawn_face import Pose, draw_face, draw_identity


def person(seed: int = 0):
    return draw_identity(np.random.default_rng(seed))


class TestDrawnFace:
    def test_a_pixel_of_motion_is_a_pixel_of_shift(self) -> None:
        pixel = 2 / 112
        for seed in range(4):
            still = draw_face(person(seed), Pose())
            moved = draw_face(person(seed), Pose(x=3 * pixel, y=-2 * pixel))
            np.testing.assert_allclose(moved[:-2, 3:], still[2:, :-3], atol=0.2)

    def test_motion_below_a_pixel_shows_in_proportion(self) -> None:
        pixel = 2 / 112
        still = draw_face(person(), Pose())
        tenth, fifth = (draw_face(person(), Pose(x=part * pixel)) - still for part in (0.1, 0.2))
        assert np.abs(tenth).max() > 3
        assert np.linalg.norm(fifth - 2 * tenth) / np.linalg.norm(fifth) < 0.15

    def test_a_smile_shows_at_the_mouth(self) -> None:
        sad, happy = (draw_face(person(), Pose(smile=smile)) for smile in (-1.0, 1.0))
        changed = np.abs(happy - sad).mean(axis=2)
        assert changed[70:95, 35:77].mean() > 10 * changed[:20].mean()

    def test_people_differ(self) -> None:
        faces = [draw_face(person(seed), Pose()) for seed in range(8)]
        for number, face in enumerate(faces):
            for other in faces[:number]:
                assert np.abs(face - other).mean() > 5

    def test_only_the_eyes_change_in_a_blink(self) -> None:
        shut = draw_face(person(), Pose(blink=1.0)) - draw_face(person(), Pose())
        rows = np.abs(shut).max(axis=(1, 2))
        assert rows[30:55].max() > 40
        assert rows[70:].max() < 0.01
        assert np.abs(shut)[:, :12].max() < 1


class TestTake:
    def test_stills_say_nothing_about_arousal(self) -> None:
        """Where the head is does not go with arousal; how fast it moves does."""
        places, speeds, arousal = [], [], []
        for seed in range(60):
            take = perform_take(np.random.default_rng(seed), 120)
            x = np.array([pose.x for pose in take.poses])
            places.append(np.abs(x[1:]))
            speeds.append(np.abs(np.diff(x)))
            arousal.append(take.values[1:, 1])
        places, speeds, arousal = map(np.concatenate, (places, speeds, arousal))
        assert abs(np.corrcoef(places, arousal)[0, 1]) < 0.1
        assert np.corrcoef(speeds, arousal)[0, 1] > 0.5
        assert FAST > 10 * SLOW

    def test_valence_and_arousal_do_not_go_together(self) -> None:
        takes = [perform_take(np.random.default_rng(seed), 60) for seed in range(200)]
        valence, arousal = np.concatenate([take.values for take in takes]).T
        assert abs(np.corrcoef(valence, arousal)[0, 1]) < 0.15
        assert valence.std() > 0.4

    def test_light_changes_the_picture_and_not_the_face(self) -> None:
        rng = np.random.default_rng(0)
        take = perform_take(rng, 8)
        dark = replace(take, gains=0.5 * take.gains, noise=0.0)
        bright = replace(take, noise=0.0)
        one, other = (render_take(person(), t, 3, rng).astype(float) for t in (dark, bright))
        unclipped = other < 250
        np.testing.assert_allclose(2 * one[unclipped], other[unclipped], atol=1.6)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The data set and what is told of it."""
    root = tmp_path_factory.mktemp("ablation") / "data"
    return root, write_ablation_set(root, identities=8, takes=2, frames=24, seed=1, workers=2)


class TestDataSet:
    def test_nobody_is_in_two_subsets(self, written) -> None:
        videos = AffWild2(written[0]).videos()
        assert len(videos) == 16
        homes: dict[str, set[str]] = {}
        for video in videos:
            homes.setdefault(subject_of(video.name), set()).add(video.subset)
        assert len(homes) == 8
        assert all(len(subsets) == 1 for subsets in homes.values())
        counts = {"Train_Set": 5, "Validation_Set": 1, "Test_Set": 2}
        assert {s: sum(h == {s} for h in homes.values()) for s in counts} == counts

    def test_what_it_tells(self, written) -> None:
        assert written[1][:3] == [
            "Train_Set: 10 videos of 5 people",
            "Validation_Set: 2 videos of 1 person",
            "Test_Set: 4 videos of 2 people",
        ]

    def test_annotations_are_read_without_complaint(self, written) -> None:
        for video in AffWild2(written[0]).videos():
            assert video.read_labels(Problems(strict=True)).shape == (24, 2)

    def test_the_seed_decides(self, written, tmp_path: Path) -> None:
        write_ablation_set(tmp_path, identities=8, takes=2, frames=24, seed=1, workers=1)
        for path in written[0].rglob("*.jpg"):
            assert (tmp_path / path.relative_to(written[0])).read_bytes() == path.read_bytes()

    def test_a_folder_with_something_in_it_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("years of work")
        with pytest.raises(InputError, match="expected a new or empty folder"):
            write_ablation_set(tmp_path)

    def test_too_few_identities(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="identities: expected at least 3, got 2"):
            write_ablation_set(tmp_path / "new", identities=2)
