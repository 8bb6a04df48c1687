"""Training that begins with somebody's weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.digests import digest

from mimamo import InputError, MIMAMONet, load_checkpoint, save_checkpoint
from mimamo.cli import main
from mimamo.train import TrainingConfig, TrainResult

Run = Callable[..., TrainResult]
NEAR = {"learning_rate": 1e-30, "weight_decay": 0.0, "epochs": 1}  # so that nothing is learnt


def parameters(path: Path) -> dict[str, torch.Tensor]:
    checkpoint = load_checkpoint(path)
    networks = (checkpoint.network, checkpoint.backbone)
    return {f"{i}.{k}": x for i, own in enumerate(networks) for k, x in own.named_parameters()}


@pytest.fixture
def first(run: Run) -> TrainResult:
    return run("first")


def test_it_begins_where_the_other_ended(
    run: Run, first: TrainResult, small: TrainingConfig
) -> None:
    """Network and small backbone: with no step of a size they stay what they were."""
    lines: list[str] = []
    config = replace(small, seed=5, init=str(first.out), **NEAR)
    second = run("second", config=config, report=lines.append)
    before, after = parameters(first.best_checkpoint), parameters(second.last_checkpoint)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert f"begins with the weights of {first.out}" in lines
    random = parameters(run("random", config=replace(config, init="")).last_checkpoint)
    assert not all(torch.equal(before[name], random[name]) for name in before)


def test_what_it_saw_before_is_noted(
    run: Run, first: TrainResult, small: TrainingConfig, small_cache: Path
) -> None:
    lines: list[str] = []
    config = replace(small, fold="1/3", init=str(first.out))
    result = run("fold", config=config, report=lines.append)
    held_out = {video.name for video in result.videos.validation}
    known = held_out & set(load_checkpoint(first.out).info["trained_on"])
    assert known
    assert any(
        line.startswith(f"warning: {first.out}: was trained on {len(known)} of 2 videos")
        for line in lines
    )
    trained_on = load_checkpoint(result.out).info["trained_on"]
    assert known < set(trained_on)
    first.best_checkpoint.unlink()  # nothing is read of it any more
    more = run("fold", config=replace(config, epochs=2), resume=True)
    assert load_checkpoint(more.last_checkpoint).info["trained_on"] == trained_on


def test_resumed_it_ends_in_the_same_bytes(
    run: Run, first: TrainResult, small: TrainingConfig
) -> None:
    config = replace(small, init=str(first.out), epochs=2)
    whole = run("whole", config=config)
    run("parts", config=replace(config, epochs=1))
    parts = run("parts", config=config, resume=True)
    assert digest(whole.last_checkpoint) == digest(parts.last_checkpoint)


@pytest.mark.slow
def test_the_authors_file_with_arousal_first(
    run: Run, resnet_cache: Path, cached: TrainingConfig, tmp_path: Path
) -> None:
    network = MIMAMONet()
    state = network.state_dict()
    turned = {k: x.flip(0) if k.startswith("head.") and x.ndim else x for k, x in state.items()}
    torch.save(turned, tmp_path / "theirs.pth")
    config = replace(
        cached, **NEAR, network=network.config, init=str(tmp_path / "theirs.pth"),
        init_outputs="arousal,valence", clip_length=4, stride=4,
    )  # fmt: skip
    result = run(cache=resnet_cache, config=config)
    after = load_checkpoint(result.last_checkpoint).network
    assert torch.equal(after.head.fc.weight, network.head.fc.weight)


class TestRefused:
    def refused(self, run: Run, config: TrainingConfig, **named) -> str:
        with pytest.raises(InputError) as caught:
            run("refused", config=config, **named)
        return str(caught.value)

    def test_another_network(self, run: Run, small: TrainingConfig, weights: Path) -> None:
        message = self.refused(run, replace(small, init=str(weights)))
        assert message.startswith(f"{weights}: does not fit MIMAMONet")

    def test_what_is_not_there(self, run: Run, small: TrainingConfig, tmp_path: Path) -> None:
        path = tmp_path / "none.pth"
        assert self.refused(run, replace(small, init=str(path))) == f"{path}: no such weights file"

    def test_several_networks(self, run: Run, small: TrainingConfig, tmp_path: Path) -> None:
        folds = tmp_path / "folds"
        for name in ("fold-2", "fold-3", "fold-1-old"):
            (folds / name).mkdir(parents=True)
        assert self.refused(run, replace(small, init=str(folds))) == (
            f"{folds}: expected one network for --init, got a cross-validation of 2 folds; give "
            f"one of them, such as {folds}/fold-2"
        )

    @pytest.mark.parametrize(("name", "other"), [("temporal", "tcn"), ("streams", "spatial")])
    def test_other_layers(
        self, run: Run, small: TrainingConfig, tmp_path: Path, name: str, other: str
    ) -> None:
        path = tmp_path / "c.safetensors"
        save_checkpoint(path, MIMAMONet(replace(small.network, feature_dim=128)))
        network = replace(small.network, **{name: other})
        found = getattr(small.network, name)
        assert self.refused(run, replace(small, init=str(path), network=network)) == (
            f"{path}: expected weights of a network with {name} {other!r}, got one with "
            f"{found!r}; take --{name} {found} with it, or train without --init"
        )

    def test_one_output(self, run: Run, cached: TrainingConfig, tmp_path: Path) -> None:
        state = MIMAMONet(replace(cached.network, outputs=("valence",))).state_dict()
        torch.save(state, tmp_path / "v.pth")
        message = self.refused(run, replace(cached, init=str(tmp_path / "v.pth"), spatial="small"))
        assert message.endswith("v.pth: expected a network of valence and arousal, got one output")

    def test_what_the_weights_tell(
        self, run: Run, first: TrainResult, small: TrainingConfig
    ) -> None:
        config = replace(small, init=str(first.out), init_outputs="arousal,valence")
        message = f"{first.out}: tells what its outputs are; expected no --init-outputs"
        assert self.refused(run, config) == message

    def test_settings(self) -> None:
        with pytest.raises(
            InputError, match=r"^config: init_outputs: expected 'valence,arousal', "
        ):
            TrainingConfig(init_outputs="valence")


def test_another_backbone_is_a_warning(
    run: Run, resnet_cache: Path, cached: TrainingConfig, tmp_path: Path, weights: Path
) -> None:
    backbone = load_checkpoint(weights).backbone
    network = MIMAMONet(replace(cached.network, feature_dim=2048))
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, network, backbone)
    lines: list[str] = []
    run(cache=resnet_cache, config=replace(cached, init=str(path)), report=lines.append)
    message = f"warning: {path}: was trained with another backbone than {resnet_cache} was made"
    assert f"{message} with" in lines


@pytest.mark.parametrize("command", ["train", "crossval"])
def test_the_commands_take_its_settings(
    first: TrainResult, small_cache: Path, tmp_path: Path, command: str, capsys
) -> None:
    """So that a network of other sizes need not be described again."""
    arguments = [command, small_cache, "--out", tmp_path / "out", "--init", first.out]
    more = ["--small-backbone", "--epochs", "1", "--batch-size", "4"]
    more += ["--fold", "1", "--folds", "3"] if command == "crossval" else []
    assert main([*map(str, arguments), *more]) == 0
    assert f"begins with the weights of {first.out}" in capsys.readouterr().out
    (config,) = tmp_path.glob("out/**/config.toml")
    assert TrainingConfig.load(config).network == load_checkpoint(first.out).network.config
