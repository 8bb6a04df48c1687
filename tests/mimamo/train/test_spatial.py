"""Training with cached features, with a small backbone, and with the ResNet50 itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.digests import digest

from mimamo import InputError, load_checkpoint, save_checkpoint
from mimamo.data import Cache
from mimamo.evaluate import Ensemble
from mimamo.extract import extract
from mimamo.metrics import pooled_ccc
from mimamo.model import ResNet50, load_backbone, save_backbone, weights_hash
from mimamo.predict.clips import predict_sequence
from mimamo.train import TrainingConfig, TrainResult
from mimamo.train.run_folder import FILES

Run = Callable[..., TrainResult]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


class TestSpatial:
    @pytest.mark.slow
    def test_cached_features_keep_their_backbone(
        self, run: Run, resnet_cache: Path, cached: TrainingConfig
    ) -> None:
        result = run(cache=resnet_cache, config=cached)
        checkpoint = load_checkpoint(result.best_checkpoint)
        cache = Cache(resnet_cache)
        assert weights_hash(checkpoint.backbone) == cache.manifest.weights_sha256
        saved = TrainingConfig.load(result.out / "config.toml")
        assert checkpoint.info["training"] == saved.to_dict()
        sequences = [video.sequence for video in cache.subset("Validation_Set")]
        length = cached.clip_length
        values = [
            predict_sequence(checkpoint.network, video.features, video.frames, length, length)
            for video in sequences
        ]
        ccc = pooled_ccc([s.pairs(v) for v, s in zip(values, sequences, strict=True)])
        assert ccc == (result.best.valence, result.best.arousal)

    @pytest.mark.slow
    def test_a_backbone_that_is_not_trained_is_in_a_run_once(
        self, run: Run, resnet_cache: Path, cached: TrainingConfig, tmp_path: Path
    ) -> None:
        result = run(cache=resnet_cache, config=cached)
        frozen = "frozen_backbone.safetensors"
        assert names_in(result.out) == sorted([*FILES, frozen])
        for path in (result.best_checkpoint, result.last_checkpoint):
            assert path.stat().st_size < (result.out / frozen).stat().st_size / 10
        # The run is all one needs, wherever it is.
        moved = result.out.rename(tmp_path / "moved")
        for path in (moved, moved / "last.safetensors"):
            assert isinstance(load_checkpoint(path).backbone, ResNet50)
        assert isinstance(load_backbone(moved / "best.safetensors"), ResNet50)

    @pytest.mark.slow
    def test_runs_of_earlier_versions_go_on(
        self, run: Run, resnet_cache: Path, cached: TrainingConfig, tmp_path: Path
    ) -> None:
        """Their checkpoints hold the backbone themselves."""
        whole = run("whole", cache=resnet_cache, config=replace(cached, epochs=2)).out
        old = run(cache=resnet_cache, config=cached).out
        for name in ("best.safetensors", "last.safetensors"):
            checkpoint = load_checkpoint(old / name)
            save_checkpoint(old / name, checkpoint.network, checkpoint.backbone, checkpoint.info)
        (old / "frozen_backbone.safetensors").unlink()
        cache = Cache(resnet_cache)
        videos = cache.subset("Validation_Set")
        before = Ensemble([old], cache).predict(videos)
        result = run(cache=resnet_cache, config=replace(cached, epochs=2), resume=True)
        assert digest(old / "last.safetensors") == digest(whole / "last.safetensors")
        if result.best.number == 1:
            for name, values in Ensemble([old], cache).predict(videos).items():
                np.testing.assert_array_equal(values, before[name])

    def test_a_small_backbone_is_trained(self, run: Run, small: TrainingConfig) -> None:
        first, last = (
            load_checkpoint(run(name, config=config).best_checkpoint).backbone
            for name, config in (
                ("a", replace(small, learning_rate=0.02)),
                ("b", replace(small, learning_rate=1e-9)),
            )
        )
        moved = (first.fc.weight - last.fc.weight).norm() / last.fc.weight.norm()
        assert moved > 1e-3

    @pytest.mark.slow
    def test_a_resnet_is_trained_on_the_images(
        self, run: Run, resnet_cache: Path, cached: TrainingConfig
    ) -> None:
        config = replace(cached, spatial="finetune", clip_length=8, stride=8, learning_rate=0.01)
        frozen = run(cache=resnet_cache, config=cached)
        before = load_checkpoint(frozen.best_checkpoint).backbone
        result = run(cache=resnet_cache, config=config, overwrite=True)
        assert names_in(result.out) == sorted(FILES)  # the frozen one is gone
        trained = load_checkpoint(result.best_checkpoint).backbone
        assert isinstance(trained, ResNet50)
        moved = (trained.stem.conv.weight - before.stem.conv.weight).norm()
        assert 0 < moved / before.stem.conv.weight.norm() < 0.1
        assert torch.equal(trained.stem.bn.running_mean, before.stem.bn.running_mean)

    @pytest.mark.slow
    def test_it_needs_the_images(
        self, run: Run, learnable_copy: Path, tmp_path: Path, cached: TrainingConfig
    ) -> None:
        backbone = ResNet50(image_size=32, seed=0)
        extract(learnable_copy, tmp_path / "cache", backbone=backbone)
        shutil.rmtree(learnable_copy / "cropped_aligned/Train_Set-1")
        gone = r"Train_Set-1: expected the folder of aligned faces .* got none; a ResNet50 that is"
        with pytest.raises(InputError, match=gone):
            run(cache=tmp_path / "cache", config=replace(cached, spatial="finetune"))

    def test_a_cache_without_features(self, run: Run, cached: TrainingConfig) -> None:
        with pytest.raises(InputError, match="has no spatial features"):
            run(config=cached)

    def test_a_cache_from_other_weights(
        self, run: Run, resnet_cache: Path, tmp_path: Path, cached: TrainingConfig
    ) -> None:
        path = tmp_path / "other.safetensors"
        save_backbone(path, ResNet50(image_size=32, seed=9))
        with pytest.raises(InputError, match=r"made with other weights .* than .*other"):
            run(cache=resnet_cache, config=cached, backbone=path)
        assert not (tmp_path / "run").exists() or not names_in(tmp_path / "run")

    @pytest.mark.parametrize("streams", ["spatial", "temporal"])
    def test_one_stream(self, run: Run, small: TrainingConfig, streams: str) -> None:
        config = replace(small, network=replace(small.network, streams=streams))
        network = load_checkpoint(run(config=config).best_checkpoint).network
        assert (network.spatial is None) == (streams == "temporal")
        assert (network.temporal is None) == (streams == "spatial")

    @pytest.mark.slow
    def test_bfloat16(self, run: Run, small: TrainingConfig) -> None:
        one = run("one", config=replace(small, precision="bfloat16"))
        other = run("other")
        assert one.epochs[0].loss == pytest.approx(other.epochs[0].loss, abs=0.05)
        assert one.epochs[0].loss != other.epochs[0].loss
