"""Two processes train as one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from mimamo.train import TrainingConfig, train
from mimamo.train.processes import GlobalBatchNorm

# Standalone: at a port that is free, where several may run at a time.
TORCHRUN = (
    *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
    *("--nproc-per-node", "2"),
)


def run(*command: object) -> str:
    """Run a command and return what it printed."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def recipe(tiny_config: TrainingConfig, tmp_path: Path) -> Path:
    """All as it always is but for dropout, which each process draws for its own clips."""
    dropouts = [name for name in tiny_config.network.to_dict() if name.endswith("dropout")]
    network = replace(tiny_config.network, **dict.fromkeys(dropouts, 0.0))
    # Odd batches give the processes unequal parts.
    config = replace(tiny_config, spatial="small", batch_size=5, network=network)
    config.save(tmp_path / "config.toml")
    return tmp_path / "config.toml"


class TestTwoProcesses:
    @pytest.mark.slow
    def test_they_give_the_loss_curve_of_one(
        self, small_cache: Path, tmp_path: Path, recipe: Path
    ) -> None:
        script = Path(__file__).parent / "train_double.py"
        one = json.loads(run(sys.executable, script, small_cache, tmp_path / "one", recipe))
        two = json.loads(run(*TORCHRUN, script, small_cache, tmp_path / "two", recipe))
        assert len(one) == len(two) == 8
        assert two == pytest.approx(one, abs=1e-9)
        assert max(one) - min(one) > 0.01

    @pytest.mark.slow
    def test_the_command_trains_in_two(
        self, small_cache: Path, tmp_path: Path, recipe: Path
    ) -> None:
        config = TrainingConfig.load(recipe)
        one = train(small_cache, tmp_path / "one", config=config)
        printed = run(
            *TORCHRUN, "-m", "mimamo", "train", small_cache, "--out", tmp_path / "two",
            "--config", recipe, "--device", "cpu",
        )  # fmt: skip
        assert printed.count("epoch 1/2") == 1  # only the first process reports
        two = train(small_cache, tmp_path / "two", resume=True)  # finished: only read
        assert len(two.epochs) == 2
        for first, second in zip(one.epochs, two.epochs, strict=True):
            assert second.loss == pytest.approx(first.loss, abs=0.05)


class TestGlobalBatchNorm:
    @pytest.mark.parametrize("shape", [(7, 3), (5, 3, 4, 6)])
    @pytest.mark.parametrize("training", [True, False])
    def test_one_process_alone_is_as_torchs(
        self, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], training: bool
    ) -> None:
        monkeypatch.setattr("torch.distributed.all_reduce", lambda tensor: None)
        kind = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
        generator = torch.Generator().manual_seed(0)
        theirs, source = kind(3).double(), kind(3).double()
        nn.init.normal_(theirs.weight, generator=generator)
        source.load_state_dict(theirs.state_dict())
        ours = GlobalBatchNorm(source).train(training)
        theirs.train(training)
        inputs = [
            torch.randn(shape, generator=generator.manual_seed(1), dtype=torch.float64)
            for _ in range(2)
        ]
        results = []
        for norm, x in zip((ours, theirs), inputs, strict=True):
            y = norm(3 * x.requires_grad_() + 1)
            (y * torch.arange(y.numel()).view(shape)).sum().backward()
            results.append((y, x.grad, norm.weight.grad, norm.bias.grad, *norm.buffers()))
        for mine, torchs in zip(*results, strict=True):
            torch.testing.assert_close(mine, torchs)
