"""The parts of the strong recipe, each against its formula."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.optim import SGD, AdamW

from mimamo import InputError, MIMAMONet, ResNet50
from mimamo.data.cache import Cache
from mimamo.data.clips import ClipDataset, VideoSequence
from mimamo.model import SmallBackbone
from mimamo.train import TrainedModel, Trainer, TrainingConfig
from mimamo.train.optimisation import WeightAverage, optimizer_of, rate_at
from mimamo.train.processes import Processes
from mimamo.train.trainer import pooled_loss
from mimamo.train.videos import choose_videos


class TestRate:
    def test_published(self) -> None:
        """Bit for bit what it was: after so many epochs, times a tenth."""
        config = TrainingConfig()
        for step in range(25 * 7):
            drops = sum(step // 7 + 1 > milestone for milestone in (10, 20))
            assert rate_at(config, step, 7) == 1e-3 * 0.1**drops

    def test_it_rises_along_a_line_and_falls_along_a_cosine(self) -> None:
        config = TrainingConfig(learning_rate=0.4, epochs=5, schedule="cosine", warmup=1.5)
        rates = [rate_at(config, step, 4) for step in range(20)]
        assert rates[:6] == pytest.approx([0.4 * n / 6 for n in range(1, 7)])
        expected = [0.2 * (1 + math.cos(math.pi * n / 14)) for n in range(14)]
        assert rates[6:] == pytest.approx(expected)
        assert rates[-1] > 0

    def test_steps_may_rise_too(self) -> None:
        config = TrainingConfig(learning_rate=1, warmup=2, milestones=(3,), epochs=4)
        rates = [rate_at(config, step, 2) for step in range(8)]
        assert rates == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 0.1, 0.1])

    def test_a_warm_up_as_long_as_the_training_rises_to_the_end(self) -> None:
        config = TrainingConfig(learning_rate=1, warmup=9, epochs=2, schedule="cosine")
        assert [rate_at(config, step, 1) for step in range(2)] == pytest.approx([1 / 9, 2 / 9])


class TestOptimizer:
    @pytest.fixture
    def model(self, tiny_config: TrainingConfig) -> TrainedModel:
        with torch.device("meta"):  # of which only names and shapes are looked at
            return TrainedModel(MIMAMONet(tiny_config.network), ResNet50(image_size=32))

    def test_sgd_is_as_published(self, model: TrainedModel) -> None:
        optimizer = optimizer_of(model, TrainingConfig(momentum=0.8, weight_decay=0.1))
        assert isinstance(optimizer, SGD)
        assert [group["factor"] for group in optimizer.param_groups] == [1.0, 0.1]
        assert {(g["momentum"], g["weight_decay"]) for g in optimizer.param_groups} == {(0.8, 0.1)}

    def test_adamw_decays_matrices_alone(self, model: TrainedModel) -> None:
        config = TrainingConfig(optimizer="adamw", weight_decay=0.2, momentum=0.7)
        optimizer = optimizer_of(model, config)
        assert isinstance(optimizer, AdamW)
        groups = optimizer.param_groups
        assert [(g["factor"], g["weight_decay"]) for g in groups] == [
            (1.0, 0.2), (1.0, 0.0), (0.1, 0.2), (0.1, 0.0)
        ]  # fmt: skip
        assert {g["betas"] for g in groups} == {(0.7, 0.999)}
        for group, many in zip(groups, (True, False) * 2, strict=True):
            assert all((x.ndim > 1) == many for x in group["params"])
        own = [id(x) for group in groups for x in group["params"]]
        assert sorted(own) == sorted(map(id, model.parameters()))

    def test_its_mean_has_to_decay(self) -> None:
        with pytest.raises(InputError, match="momentum: expected a number below 1 with adamw"):
            TrainingConfig(optimizer="adamw", momentum=1)


def test_the_average_of_weights_is_that_of_its_formula(tiny_config: TrainingConfig) -> None:
    """Of what is trained and of running statistics; the model itself is left alone."""
    torch.manual_seed(0)
    model = TrainedModel(MIMAMONet(tiny_config.network))
    average = WeightAverage(model, 0.3)
    expected = {name: value.double() for name, value in model.state_dict().items()}
    for step in range(1, 6):
        for value in model.state_dict().values():
            value.copy_(torch.randn(value.shape) if value.is_floating_point() else step)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        average.update(model.state_dict(), step)
        kept = min(0.3, (1 + step) / (10 + step))
        assert (kept == 0.3) == (step >= 3)
        for name, value in model.state_dict().items():
            assert torch.equal(value, before[name])
            own = kept * expected[name] + (1 - kept) * value.double()
            expected[name] = own if value.is_floating_point() else value.double()
    for name, value in average.model.state_dict().items():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-6, atol=1e-6)
    assert not average.model.training
    assert not any(parameter.requires_grad for parameter in average.model.parameters())


def ccc(x: np.ndarray, y: np.ndarray) -> float:
    """Lin's coefficient of two sequences [N]."""
    covariance = ((x - x.mean()) * (y - y.mean())).mean()
    return 2 * covariance / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)


class TestPool:
    def pairs(self, *sizes: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        generator = torch.Generator().manual_seed(0)
        return [
            tuple(torch.randn(size, 2, generator=generator).double() for _ in "xy")
            for size in sizes
        ]

    def test_the_loss_is_over_all_frames(self) -> None:
        (x, y), *earlier = self.pairs(5, 9, 4)
        both = [np.concatenate(side) for side in zip((x, y), *earlier, strict=True)]
        expected = -sum(ccc(both[0][:, c], both[1][:, c]) for c in (0, 1))
        assert pooled_loss(x, y, earlier).item() == pytest.approx(expected, abs=1e-12)
        alone = -sum(ccc(x[:, c].numpy(), y[:, c].numpy()) for c in (0, 1))
        assert pooled_loss(x, y, []).item() == pytest.approx(alone, abs=1e-12)

    def test_its_gradient_is_the_batchs(self) -> None:
        (x, y), *earlier = self.pairs(4, 6)
        assert torch.autograd.gradcheck(
            lambda own: pooled_loss(own, y, earlier), x.requires_grad_()
        )

    def test_training_keeps_the_batches_before(
        self, small_cache, tiny_config: TrainingConfig, monkeypatch
    ) -> None:
        seen: list[tuple[torch.Tensor, Sequence]] = []

        def loss(x: torch.Tensor, y: torch.Tensor, earlier: Sequence) -> torch.Tensor:
            seen.append((x, list(earlier)))
            return pooled_loss(x, y, earlier)

        monkeypatch.setattr("mimamo.train.trainer.pooled_loss", loss)
        list(trainer(small_cache, replace(tiny_config, pool=3)).epochs())
        assert [len(earlier) for _, earlier in seen] == [0, 1, *[2] * (len(seen) - 2)]
        for number in range(2, len(seen)):
            for (own, _), (before, _) in zip(seen[number][1], seen[number - 2 :], strict=False):
                assert not own.requires_grad
                assert torch.equal(own, before)


def trainer(cache, config: TrainingConfig) -> Trainer:
    """Of one epoch of a small backbone."""
    chosen = choose_videos(Cache(cache), "")
    network = replace(config.network, feature_dim=SmallBackbone.feature_dim)
    config = replace(config, network=network, epochs=1)
    torch.manual_seed(0)
    clips = ClipDataset(
        [video.sequence for video in chosen.training],
        length=config.clip_length, stride=config.stride, num_phase=network.num_phase,
    )  # fmt: skip
    model = TrainedModel(MIMAMONet(network), SmallBackbone())
    validation = [video.sequence for video in chosen.validation]
    return Trainer(model, clips, validation, config, Processes(torch.device("cpu")))


class TestTrainer:
    def test_a_long_gradient_is_scaled_down(
        self, small_cache, tiny_config: TrainingConfig, monkeypatch
    ) -> None:
        norms: list[float] = []
        step = SGD.step

        def watched(self: SGD) -> None:
            flat = [x.grad.flatten() for group in self.param_groups for x in group["params"]]
            norms.append(float(torch.cat(flat).norm()))
            step(self)

        monkeypatch.setattr(SGD, "step", watched)
        list(trainer(small_cache, replace(tiny_config, clip_gradient=0.01)).epochs())
        assert norms == pytest.approx([0.01] * len(norms), rel=1e-3)
        list(trainer(small_cache, tiny_config).epochs())
        assert max(norms) > 0.1

    def test_what_is_validated_and_kept_is_the_average(
        self, small_cache, tiny_config: TrainingConfig, monkeypatch
    ) -> None:
        config = replace(tiny_config, ema=0.9)
        own = trainer(small_cache, config)
        asked: list[TrainedModel] = []
        monkeypatch.setattr(
            "mimamo.train.trainer.predict",
            lambda model, video, *_: asked.append(model) or np.random.rand(len(video), 2),
        )
        list(own.epochs())
        assert set(map(id, asked)) == {id(own.averaged)}
        assert own.averaged is not own.model
        plain = trainer(small_cache, tiny_config)
        assert plain.averaged is plain.model
        # The average is of the very steps that are taken without one.
        list(plain.epochs())
        for name, value in plain.model.state_dict().items():
            assert torch.equal(value, own.model.state_dict()[name])

    def test_clips_begin_elsewhere_in_each_epoch(
        self, small_cache, tiny_config: TrainingConfig
    ) -> None:
        own = trainer(small_cache, replace(tiny_config, mixed_stride=True, stride=16))
        given = [
            torch.cat([step[3].frames for step in own._steps(epoch, 0)]) for epoch in (1, 1, 2)
        ]
        assert torch.equal(given[0], given[1])
        assert given[0].shape == given[2].shape
        assert not torch.equal(given[0], given[2])

    def test_clips_move_by_up_to_half_a_stride_either_way(
        self, small_cache, tiny_config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = trainer(small_cache, replace(tiny_config, mixed_stride=True, stride=5))
        said: set[int] = set()
        monkeypatch.setattr(ClipDataset, "moved", lambda self, moves: said.update(moves) or self)
        for epoch in range(1, 31):
            next(own._steps(epoch, 0))
        assert said == {-2, -1, 0, 1, 2}


def test_moved_clips_stay_in_their_video_and_keep_an_annotated_frame() -> None:
    def video(frames: int, annotated: Sequence[int]) -> VideoSequence:
        mask = torch.zeros(frames, dtype=torch.bool)
        mask[list(annotated)] = True
        numbers = torch.arange(frames)
        grey = numbers[:, None, None].expand(-1, 2, 2).to(torch.uint8)
        return VideoSequence("v", numbers[:, None].half(), grey, torch.zeros(frames, 2), mask)

    dataset = ClipDataset(
        [video(30, range(30)), video(30, [14]), video(5, range(5))], length=8, stride=8, num_phase=4
    )
    assert dataset.clips == [(0, 0), (0, 8), (0, 16), (0, 22), (1, 14), (2, 0)]
    moved = dataset.moved([-3, 4, -4, 3, 3, 2])
    assert moved.clips == [(0, 0), (0, 12), (0, 12), (0, 22), (1, 14), (2, 0)]
    assert dataset.moved([0, 0, 0, 0, -7, 0]).clips[4] == (1, 7)
    assert moved.videos is dataset.videos
    assert moved[1].features[:, 0].tolist() == list(range(12, 20))
    assert dataset.clips[1] == (0, 8)
