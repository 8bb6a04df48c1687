"""The training loop: schedule, early stop, validation, reproducibility, failure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from mimamo import InputError, MIMAMONet, ResNet50, concordance_cc
from mimamo.data import VideoSequence
from mimamo.data.clips import ClipDataset
from mimamo.metrics import pooled_ccc
from mimamo.model.features import phase_windows
from mimamo.predict.clips import predict_sequence
from mimamo.train import Epoch, TrainedModel, Trainer, TrainingConfig
from mimamo.train.processes import Processes
from mimamo.train.trainer import centre

ALONE = Processes(torch.device("cpu"))


def noise_video(frames: int, seed: int, annotated: Iterable[int] | None = None) -> VideoSequence:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(frames, dtype=torch.bool)
    mask[list(range(frames) if annotated is None else annotated)] = True
    labels = torch.rand(frames, 2, generator=generator) * 2 - 1
    labels[~mask] = torch.nan
    return VideoSequence(
        name=str(seed),
        features=torch.rand(frames, 2048, generator=generator).half(),
        frames=torch.randint(0, 256, (frames, 48, 48), generator=generator, dtype=torch.uint8),
        labels=labels,
        annotated=mask,
    )


def evaluate(
    network: MIMAMONet, videos: Sequence[VideoSequence], clip_length: int = 64
) -> tuple[float, float]:
    """CCC on videos that are predicted whole, as `mimamo predict` does."""
    lengths = (clip_length, clip_length)
    predicted = [predict_sequence(network, v.features, v.frames, *lengths) for v in videos]
    return pooled_ccc([v.pairs(p) for p, v in zip(predicted, videos, strict=True)])


@pytest.fixture
def videos() -> list[VideoSequence]:
    return [noise_video(40, 0), noise_video(10, 1), noise_video(30, 2, range(5, 30, 2))]


def trainer(
    network: MIMAMONet,
    training: list[VideoSequence],
    validation: list[VideoSequence],
    config: TrainingConfig,
) -> Trainer:
    clips = ClipDataset(
        training,
        length=config.clip_length,
        stride=config.stride,
        num_phase=config.network.num_phase,
    )
    return Trainer(TrainedModel(network), clips, validation, config, ALONE)


def run(
    config: TrainingConfig, videos: list[VideoSequence], seed: int = 0
) -> tuple[MIMAMONet, list[Epoch]]:
    torch.manual_seed(seed)
    network = MIMAMONet(config.network)
    return network, list(trainer(network, videos, videos, config).epochs())


@pytest.fixture
def validation_scores(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes validation return given CCCs (valence, arousal), one pair an epoch."""

    def give(*scores: tuple[float, float]) -> None:
        remaining = iter(scores)
        monkeypatch.setattr("mimamo.train.trainer.pooled_ccc", lambda *_: next(remaining))

    return give


class TestSchedule:
    def test_the_learning_rate_drops_after_the_milestones(
        self, tiny_config: TrainingConfig, videos: list[VideoSequence]
    ) -> None:
        config = replace(
            tiny_config, epochs=5, patience=5, learning_rate=0.01, milestones=(1, 3), decay=0.1
        )
        _, epochs = run(config, videos)
        assert [epoch.number for epoch in epochs] == [1, 2, 3, 4, 5]
        rates = [epoch.learning_rate for epoch in epochs]
        assert rates == pytest.approx([1e-2, 1e-3, 1e-3, 1e-4, 1e-4])

    def test_after_a_drop_to_nothing_weights_stay(
        self, tiny_config: TrainingConfig, videos: list[VideoSequence]
    ) -> None:
        config = replace(
            tiny_config, epochs=3, momentum=0.0, learning_rate=0.1, milestones=(1,), decay=1e-12
        )
        torch.manual_seed(0)
        network = MIMAMONet(config.network)
        states = [network.head.fc.weight.detach().clone()]
        states += [
            network.head.fc.weight.detach().clone()
            for _ in trainer(network, videos, videos, config).epochs()
        ]
        assert (states[1] - states[0]).abs().max() > 1e-4
        torch.testing.assert_close(states[3], states[1], atol=1e-9, rtol=0)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("momentum", 0.0),
            ("weight_decay", 0.5),
            ("flip", 1.0),
            ("crop", 1.0),
            ("precision", "bfloat16"),
            ("optimizer", "adamw"),
            ("schedule", "cosine"),
            ("warmup", 1.0),
            ("pool", 2),
            ("mixed_stride", True),
            ("clip_gradient", 1e-3),
        ],
    )
    def test_settings_reach_the_training(
        self, tiny_config: TrainingConfig, videos: list[VideoSequence], name: str, value: object
    ) -> None:
        expected, _ = run(tiny_config, videos)
        network, _ = run(replace(tiny_config, **{name: value}), videos)
        assert not torch.equal(network.head.fc.weight, expected.head.fc.weight)


class TestEarlyStop:
    def test_stops_after_so_many_epochs_without_a_better_mean(
        self, tiny_config: TrainingConfig, videos: list[VideoSequence], validation_scores
    ) -> None:
        config = replace(tiny_config, epochs=25, patience=3)
        validation_scores((0.1, 0.1), (0.5, 0.1), (0.1, 0.5), (0.55, 0.0), (0.0, 0.0), (1.0, 1.0))
        _, epochs = run(config, videos)
        assert [epoch.is_best for epoch in epochs] == [True, True, False, False, False]
        assert [epoch.score for epoch in epochs] == pytest.approx([0.1, 0.3, 0.3, 0.275, 0.0])

    def test_goes_on_as_long_as_it_gets_better(
        self, tiny_config: TrainingConfig, videos: list[VideoSequence], validation_scores
    ) -> None:
        config = replace(tiny_config, epochs=6, patience=2)
        validation_scores((-0.5, -0.5), (-0.6, 0), (-1, -1), (0, 0), (0, 0), (0.1, 0))
        _, epochs = run(config, videos)
        assert [epoch.is_best for epoch in epochs] == [True, True, False, True, False, True]


class TestEvaluate:
    def test_pools_the_annotated_frames_of_all_videos(
        self, tiny_config: TrainingConfig, videos: list[VideoSequence]
    ) -> None:
        torch.manual_seed(0)
        network = MIMAMONet(tiny_config.network)
        predictions, labels = [], []
        for video in videos:
            predicted = predict_sequence(network, video.features, video.frames)
            for frame in range(len(video)):
                if video.annotated[frame]:
                    predictions.append(predicted[frame])
                    labels.append(video.labels[frame].numpy())
        assert len(labels) == 40 + 10 + 13
        for channel, ccc in enumerate(evaluate(network, videos)):
            expected = concordance_cc(
                np.array(predictions)[:, channel], np.array(labels)[:, channel]
            )
            assert ccc == pytest.approx(expected, abs=1e-9)
            assert ccc != 0

    def test_an_utterance_counts_once(
        self, tiny_config: TrainingConfig, videos: list[VideoSequence]
    ) -> None:
        """However long it is: the mean over its faces against its label."""
        torch.manual_seed(0)
        network = MIMAMONet(tiny_config.network)
        utterances, predictions = [], []
        given = torch.tensor([[0.1, 0.7], [0.4, 0.2], [-0.3, 0.3]])
        for video, label in zip(videos, given, strict=True):
            labels = label.expand(len(video), 2).clone()
            everywhere = torch.ones(len(video), dtype=torch.bool)
            utterances.append(replace(video, labels=labels, annotated=everywhere, unit="utterance"))
            predictions.append(predict_sequence(network, video.features, video.frames).mean(0))
        labels = np.stack([video.labels[0].numpy() for video in utterances])
        expected = concordance_cc(np.stack(predictions), labels, dim=0)
        assert len(labels) == 3
        assert evaluate(network, utterances) == pytest.approx(tuple(expected), abs=1e-6)
        (epoch,) = trainer(network, videos, utterances, replace(tiny_config, epochs=1)).epochs()
        assert (epoch.valence, epoch.arousal) == evaluate(
            network, utterances, tiny_config.clip_length
        )

    def test_an_epoch_reports_the_network_it_leaves(
        self, tiny_config: TrainingConfig, videos: list[VideoSequence]
    ) -> None:
        torch.manual_seed(0)
        network = MIMAMONet(tiny_config.network)
        for epoch in trainer(network, videos, videos[:1], tiny_config).epochs():
            expected = evaluate(network, videos[:1], tiny_config.clip_length)
            assert (epoch.valence, epoch.arousal) == expected


class TestReproducibility:
    def test_the_same_seed_gives_the_same_bits(
        self, tiny_config: TrainingConfig, videos: list[VideoSequence]
    ) -> None:
        first, first_epochs = run(tiny_config, videos)
        second, second_epochs = run(tiny_config, videos)
        assert first_epochs == second_epochs
        for name, value in first.state_dict().items():
            assert torch.equal(value, second.state_dict()[name]), name

    def test_another_seed_shuffles_and_augments_otherwise(
        self, tiny_config: TrainingConfig, videos: list[VideoSequence]
    ) -> None:
        _, first = run(tiny_config, videos)
        _, second = run(replace(tiny_config, seed=1), videos)
        assert first[0].loss != second[0].loss

    def test_every_step_and_process_draws_a_dropout_of_its_own(
        self, tiny_config: TrainingConfig, videos: list[VideoSequence], monkeypatch
    ) -> None:
        seeds: list[int] = []
        monkeypatch.setattr("mimamo.train.trainer.own_part", lambda *_: slice(None))
        monkeypatch.setattr(Trainer, "_validate", lambda _: (0.1, 0.1))
        for index in (0, 1):
            torch.manual_seed(0)
            network = MIMAMONet(tiny_config.network)
            network.head.dropout.register_forward_pre_hook(
                lambda module, _: seeds.append(torch.initial_seed()) if module.training else None
            )
            clips = ClipDataset(videos, length=16, stride=8, num_phase=4)
            model, process = TrainedModel(network), replace(ALONE, index=index)
            list(Trainer(model, clips, videos, tiny_config, process).epochs())
        assert len(seeds) == 2 * 2 * 2  # processes, epochs, steps
        assert len(set(seeds)) == len(seeds)


class TestProgress:
    def test_counts_the_clips_of_all_epochs(
        self, tiny_config: TrainingConfig, videos: list[VideoSequence]
    ) -> None:
        calls: list[int] = []
        network = MIMAMONet(tiny_config.network)
        training = trainer(network, videos, videos, tiny_config)
        for _ in training.epochs(lambda clips, loss: calls.append(clips)):
            pass
        # 4 clips of 40 frames, 1 of 10, 3 of frames 5 to 29; batches of 4.
        assert training.clips_per_epoch == 8
        assert calls == [4, 8, 12, 16]


class TestFailure:
    def test_a_loss_that_is_not_finite_ends_the_training(
        self, tiny_config: TrainingConfig, videos: list[VideoSequence]
    ) -> None:
        config = replace(tiny_config, learning_rate=1e38)
        with pytest.raises(
            InputError, match=r"^learning_rate: the loss is nan in step 2 of epoch 1, at 1e\+38"
        ):
            run(config, videos)

    def test_predictions_that_are_not_finite_end_it_too(
        self, tiny_config: TrainingConfig, videos: list[VideoSequence], validation_scores
    ) -> None:
        """Else the first epoch would be the best for ever: nothing is more than NaN."""
        validation_scores((0.1, 0.1), (np.nan, 0.1))
        with pytest.raises(
            InputError, match=r"predictions are not finite after epoch 2, at 0\.001"
        ):
            run(tiny_config, videos)


class Seen(Exception):
    """Ends training where the model is called."""


class GreyImages:
    """Stands for a `FaceImages` whose images are the grey faces; keeps what it gave."""

    def gather(self, dataset: ClipDataset, indices: Sequence[int]) -> torch.Tensor:
        clips = []
        for index in indices:
            number, start = dataset.clips[index]
            frames = dataset.videos[number].frames
            own = torch.arange(start, start + dataset.length).clamp(max=len(frames) - 1)
            clips.append(frames[own])
        self.given = torch.stack(clips).unsqueeze(2).expand(-1, -1, 3, -1, -1)
        return self.given


@pytest.mark.parametrize(("flip", "crop"), [(1.0, 1.0), (0.5, 0.85)])
def test_images_are_mirrored_and_cropped_as_the_grey_faces_are(
    tiny_config, videos, monkeypatch: pytest.MonkeyPatch, flip: float, crop: float
) -> None:
    config = replace(tiny_config, flip=flip, crop=crop, batch_size=64)
    caught: dict[str, torch.Tensor] = {}

    def windows(frames: torch.Tensor, *rest, **named):
        caught["frames"] = frames
        return phase_windows(frames, *rest, **named)

    def forward(self: TrainedModel, seen: torch.Tensor, phases: object) -> torch.Tensor:
        caught["seen"] = seen
        raise Seen

    monkeypatch.setattr("mimamo.train.trainer.phase_windows", windows)
    monkeypatch.setattr(TrainedModel, "forward", forward)
    model = TrainedModel(MIMAMONet(config.network), ResNet50(image_size=32, seed=0))
    length, num_phase = config.clip_length, config.network.num_phase
    clips = ClipDataset(videos, length=length, stride=config.stride, num_phase=num_phase)
    images = GreyImages()
    with pytest.raises(Seen):
        next(Trainer(model, clips, videos, config, ALONE, images).epochs())
    seen, given = caught["seen"], images.given / 255
    assert seen.shape == given.shape
    grey = centre(caught["frames"], length).unsqueeze(2).expand_as(seen)
    torch.testing.assert_close(seen, grey, atol=1e-5, rtol=0)
    if crop == 1:
        torch.testing.assert_close(seen, given.flip(-1), atol=1e-4, rtol=0)
    assert (seen - given).abs().mean() > 0.01


def test_on_a_cpu_a_resnet_sees_few_images_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them take more memory and time; all are seen twice, to hold fewer activations."""
    seen: list[int] = []

    def features(backbone: ResNet50, images: torch.Tensor) -> torch.Tensor:
        seen.append(len(images))
        return backbone.stem.conv.weight.mean() * images.mean((1, 2, 3)).unsqueeze(1).expand(
            -1, 2048
        )

    monkeypatch.setattr("mimamo.train.trained_model.resnet_features", features)
    network = MIMAMONet()
    monkeypatch.setattr(network, "forward", lambda features, phases: features)
    model = TrainedModel(network, ResNet50(image_size=32))
    model(torch.rand(2, 10, 3, 8, 8), []).sum().backward()
    assert seen == [8, 8, 4, *seen[3:]]
    assert sorted(seen[3:]) == [4, 8, 8]
