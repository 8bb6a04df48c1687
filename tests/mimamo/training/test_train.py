"""Training from a data set on disk: what it learns, writes, reports and refuses."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from mimamo import InputError, load_checkpoint
from mimamo.data import AffWild2
from mimamo.training import TrainingConfig, TrainResult, evaluate, extract_features, train

FILES = ["best.safetensors", "config.toml", "history.csv", "last.safetensors"]

Run = Callable[..., TrainResult]


@pytest.fixture
def run(learnable: Path, tmp_path: Path, tiny_config: TrainingConfig, pixel_backbone) -> Run:
    """Trains on the learnable data set for an epoch, unless told otherwise."""

    def run(name: str = "run", data: Path = learnable, **settings) -> TrainResult:
        defaults = {"backbone": pixel_backbone(), "config": replace(tiny_config, epochs=1)}
        return train(data, tmp_path / name, **(defaults | settings))

    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def without_dropout(config: TrainingConfig, **settings) -> TrainingConfig:
    dropouts = [name for name in config.network.to_dict() if name.endswith("dropout")]
    network = replace(config.network, **dict.fromkeys(dropouts, 0.0))
    return replace(config, network=network, **settings)


class TestLearning:
    def test_a_small_data_set_is_learnt_by_heart(
        self, run: Run, tiny_config: TrainingConfig
    ) -> None:
        config = without_dropout(
            tiny_config, epochs=40, patience=40, learning_rate=0.02, milestones=(30,), flip=0.0
        )
        result = run(config=config)
        first = result.epochs[0]
        assert first.score < 0.3
        assert result.best.valence > 0.8
        assert result.best.arousal > 0.8
        assert result.epochs[-1].loss < first.loss - 0.5


class TestFiles:
    def test_a_run_leaves_these_files_and_no_others(self, run: Run) -> None:
        result = run()
        assert sorted(contents(result.out)) == FILES
        assert result.best_checkpoint.is_file()
        assert result.last_checkpoint.is_file()

    def test_the_history_is_that_of_the_result(self, run: Run, tiny_config: TrainingConfig) -> None:
        result = run(config=replace(tiny_config, epochs=3))
        with (result.out / "history.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == len(result.epochs) == 3
        for row, epoch in zip(rows, result.epochs, strict=True):
            assert int(row["number"]) == epoch.number
            for name in ("learning_rate", "loss", "valence", "arousal"):
                assert float(row[name]) == getattr(epoch, name)
            assert row["is_best"] == str(epoch.is_best)
        assert result.best == [epoch for epoch in result.epochs if epoch.is_best][-1]

    def test_the_config_is_saved(self, run: Run, tiny_config: TrainingConfig) -> None:
        config = replace(tiny_config, epochs=1, seed=5)
        assert TrainingConfig.load(run(config=config).out / "config.toml") == config

    def test_best_and_last_are_told_apart(
        self, run: Run, tiny_config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scores = iter([(0.1, 0.1), (0.3, 0.3), (0.2, 0.2), (0.1, 0.1), (0.9, 0.9)])
        monkeypatch.setattr("mimamo.training.loop.evaluate", lambda *_: next(scores))
        result = run(config=replace(tiny_config, epochs=9, patience=2))
        assert result.stopped_early
        assert result.best.number == 2
        for path, number in ((result.best_checkpoint, 2), (result.last_checkpoint, 4)):
            with safe_open(path, "pt") as file:
                assert f'"number": {number}' in str(file.metadata())
        assert result.best_checkpoint.read_bytes() != result.last_checkpoint.read_bytes()


class TestReproducibility:
    def test_the_same_seed_gives_the_same_files(
        self, run: Run, tiny_config: TrainingConfig
    ) -> None:
        torch.manual_seed(1)
        first = contents(run("first", config=tiny_config).out)
        torch.manual_seed(2)
        assert contents(run("second", config=tiny_config).out) == first
        other = contents(run("third", config=replace(tiny_config, seed=1)).out)
        assert other["history.csv"] != first["history.csv"]

    def test_the_global_generator_is_left_alone(self, run: Run) -> None:
        before = torch.random.get_rng_state()
        run()
        assert torch.equal(torch.random.get_rng_state(), before)


class TestBackbone:
    def test_random_features_are_saved_with_the_network_and_can_be_used_again(
        self, run: Run, learnable: Path, tiny_config: TrainingConfig
    ) -> None:
        config = replace(tiny_config, epochs=1, feature_dtype="float32")
        generator_state = torch.random.get_rng_state()
        result = run(backbone="random", image_size=32, config=config)
        again = run("again", backbone=str(result.best_checkpoint), config=config)
        assert again.epochs == result.epochs
        assert torch.equal(torch.random.get_rng_state(), generator_state)
        checkpoint = load_checkpoint(result.best_checkpoint)
        assert checkpoint.info["training"] == config.to_dict()
        assert checkpoint.info["epoch"]["valence"] == result.best.valence
        videos = AffWild2(learnable).videos("Validation_Set")
        sequences = extract_features(
            videos, checkpoint.backbone, phase_size=16, dtype=torch.float32
        )
        ccc = evaluate(checkpoint.network, sequences)
        assert ccc == (result.best.valence, result.best.arousal)
        # Calibrated: features are alive, and differ from face to face.
        features = sequences[0].features
        assert 0.1 < features.mean() < 10
        assert features.std(dim=0).mean() > 0.05

    def test_no_backbone_says_what_to_give(self, run: Run, tmp_path: Path) -> None:
        with pytest.raises(
            InputError, match=r"^backbone: expected a file of ResNet50 weights .*ran"
        ):
            run(backbone=None)
        assert not (tmp_path / "run").exists()

    def test_a_missing_file_is_named(self, run: Run) -> None:
        with pytest.raises(InputError, match=r"none\.safetensors"):
            run(backbone="none.safetensors")

    def test_a_network_for_other_features(self, run: Run, tiny_config: TrainingConfig) -> None:
        config = replace(tiny_config, network=replace(tiny_config.network, feature_dim=512))
        with pytest.raises(InputError, match=r"feature_dim: expected 2048, .* got 512"):
            run(config=config)


class TestRunFolder:
    @pytest.mark.parametrize("name", FILES)
    def test_a_run_is_not_replaced_unasked(self, run: Run, tmp_path: Path, name: str) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / name).write_text("precious")
        with pytest.raises(InputError, match=rf"run: holds a run \({name}\)"):
            run()
        assert contents(tmp_path / "run") == {name: b"precious"}

    def test_nothing_of_a_replaced_run_stays(self, run: Run, tmp_path: Path) -> None:
        expected = contents(run("fresh").out)
        (tmp_path / "run").mkdir()
        for name in FILES:
            (tmp_path / "run" / name).write_text("old")
        assert contents(run(overwrite=True).out) == expected

    def test_a_run_that_cannot_start_replaces_nothing(self, run: Run, tmp_path: Path) -> None:
        before = contents(run().out)
        with pytest.raises(InputError, match="none/cropped_aligned"):
            run(data=tmp_path / "none", overwrite=True)
        assert contents(tmp_path / "run") == before

    def test_a_file_in_the_way(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "run").touch()
        with pytest.raises(InputError, match=r"run: not a folder that can be written to"):
            run()


class TestAccount:
    def test_every_epoch_and_every_video_left_out_is_reported(
        self, run: Run, learnable_copy: Path, add_video, tiny_config: TrainingConfig
    ) -> None:
        grey = np.full((112, 112, 3), 90, np.uint8)
        add_video(learnable_copy, "Train_Set", "unknown", {1: grey, 2: grey}, [(-5, -5)] * 2)
        add_video(learnable_copy, "Train_Set", "faceless", {}, [(0, 0)])
        add_video(learnable_copy, "Train_Set", "small", {1: grey[:56, :56]}, [(0, 0)])
        lines: list[str] = []
        result = run(
            data=learnable_copy, config=replace(tiny_config, epochs=2), report=lines.append
        )
        root = learnable_copy / "cropped_aligned"
        lonely = learnable_copy / "annotations" / "Train_Set" / "faceless.txt"
        assert lines == [
            f"{lonely}: no faces in {root}/faceless; not used",
            f"{root}/small/00001.jpg: 56x56 pixels instead of 112x112; resized, like any other "
            "such image of the folder",
            f"{root}/unknown: no image has an annotation; not used",
            "Train_Set: 4 videos, 169 faces, 169 of them annotated",
            "Validation_Set: 3 videos, 168 faces, 168 of them annotated",
            *(
                f"epoch {epoch.number}/2: loss {epoch.loss:.4f}, CCC valence {epoch.valence:.3f}, "
                f"arousal {epoch.arousal:.3f}" + (", best so far" if epoch.is_best else "")
                for epoch in result.epochs
            ),
        ]

    def test_progress_names_its_stages_and_ends_complete(self, run: Run) -> None:
        last: dict[str, tuple[int, int]] = {}
        run(progress=lambda stage, done, total: last.update({stage: (done, total)}))
        assert list(last) == ["features of Train_Set", "features of Validation_Set", "training"]
        assert last["features of Train_Set"] == (168, 168)
        assert all(done == total > 0 for done, total in last.values())


class TestBadData:
    def test_a_malformed_line_is_named_before_the_work_begins(
        self, run: Run, learnable_copy: Path
    ) -> None:
        path = learnable_copy / "annotations" / "Validation_Set" / "Validation_Set-1.txt"
        path.write_text(path.read_text().replace("\n", "\n2,2\n", 1))
        stages: list[str] = []
        with pytest.raises(InputError, match=r"Validation_Set-1\.txt:2: .*got '2,2'"):
            run(data=learnable_copy, progress=lambda stage, *_: stages.append(stage))
        assert stages == []

    def test_a_subset_without_any_annotation(self, run: Run, learnable_copy: Path) -> None:
        for path in (learnable_copy / "annotations" / "Validation_Set").iterdir():
            path.write_text("valence,arousal\n" + "-5,-5\n" * 56)
        with pytest.raises(
            InputError, match=r"^Validation_Set: expected images with annotations, found none"
        ):
            run(data=learnable_copy)
