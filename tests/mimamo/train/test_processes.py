"""Two processes train as one does."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mimamo.network import MIMAMOConfig, MIMAMONet
from mimamo.train import TrainingConfig, train
from mimamo.train.processes import GlobalBatchNorm
from mimamo.train.shared_dropout import Part, use_shared_dropout

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2")


def run(*command: object) -> str:
    """Run a command and return what it printed."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def recipe(tiny_config: TrainingConfig, tmp_path: Path) -> Path:
    """All as it always is, dropout too; a GRU of two layers drops between them."""
    assert tiny_config.network.rnn_layers == 2
    # Odd batches give the processes unequal parts.
    config = replace(tiny_config, spatial="small", batch_size=5)
    config.save(tmp_path / "config.toml")
    return tmp_path / "config.toml"


class TestTwoProcesses:
    def test_they_give_the_loss_curve_of_one(
        self, small_cache: Path, tmp_path: Path, recipe: Path
    ) -> None:
        script = Path(__file__).parent / "train_double.py"
        one = json.loads(run(sys.executable, script, small_cache, tmp_path / "one", recipe))
        two = json.loads(run(*TORCHRUN, script, small_cache, tmp_path / "two", recipe))
        assert len(one) == len(two) == 8
        assert two == pytest.approx(one, abs=1e-9)
        assert max(one) - min(one) > 0.01

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


class TestSharedDropout:
    def parts(self, module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient-carrying output of one process, and of three that share its batch."""
        torch.manual_seed(3)
        whole = module.train()(x)
        pieces = []
        for rows in (slice(0, 2), slice(2, 3), slice(3, 5)):
            part = Part()
            part.rows, part.total = rows, 5
            holder = nn.Sequential(copy.deepcopy(module))
            use_shared_dropout(holder, part)
            assert not isinstance(holder[0], nn.Dropout | nn.Dropout2d)
            length = len(x) // 5
            torch.manual_seed(3)
            pieces.append(holder.train()(x[rows.start * length : rows.stop * length]))
        if isinstance(whole, tuple):
            return whole[0], torch.cat([piece[0] for piece in pieces])
        return whole, torch.cat(pieces)

    @pytest.mark.parametrize("kind", [nn.Dropout, nn.Dropout2d])
    def test_parts_together_are_the_whole(self, kind: type[nn.Module]) -> None:
        x = torch.rand(5 * 4, 3, 6, 6) + 0.1
        whole, parts = self.parts(kind(0.4), x)
        assert 0 < (whole == 0).float().mean() < 0.8
        torch.testing.assert_close(parts, whole)

    @pytest.mark.parametrize("layers", [1, 2, 3])
    def test_a_gru_between_its_layers(self, layers: int) -> None:
        settings = {"dropout": 0.4 if layers > 1 else 0.0, "bidirectional": True}
        gru = nn.GRU(7, 6, layers, batch_first=True, **settings)
        whole, parts = self.parts(gru, torch.rand(5, 9, 7))
        torch.testing.assert_close(parts, whole)
        if layers > 1:
            assert not torch.allclose(whole, gru.eval()(torch.rand(5, 9, 7))[0], atol=1e-3)

    def test_names_and_parameters_stay(self) -> None:
        model = MIMAMONet(MIMAMOConfig(channels=(4, 4, 8), hidden=8, rnn_hidden=4))
        before = dict(model.named_parameters())
        use_shared_dropout(model, Part())
        after = dict(model.named_parameters())
        assert list(before) == list(after)
        assert all(before[name] is after[name] for name in before)

    def test_nothing_is_dropped_outside_training(self) -> None:
        holder = nn.Sequential(nn.Dropout(0.9))
        use_shared_dropout(holder, Part())
        x = torch.rand(3, 4)
        assert holder.eval()(x) is x


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
