"""The strong recipe, killed and in several processes, as the published one is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file
from support.digests import digest
from support.recipes import TINY, stop_at

from mimamo import InputError, load_checkpoint
from mimamo.check import check_folder
from mimamo.tensor_file import TensorFile, save_tensors
from mimamo.train import TrainingConfig, train
from mimamo.train.run_folder import FILES


@pytest.fixture(scope="module")
def config() -> TrainingConfig:
    strong = replace(TINY, spatial="small").with_recipe("strong")
    return replace(
        strong, patience=9, learning_rate=0.01, ema=0.8, pool=4, mixed_stride=True,
        network=replace(TINY.network, feature_dropout=0.2),
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(small_cache: Path, tmp_path_factory: pytest.TempPathFactory, config) -> Path:
    """A run that nobody interrupted; it is shared."""
    return train(small_cache, tmp_path_factory.mktemp("whole") / "run", config=config).out


@pytest.mark.slow
@pytest.mark.parametrize("step", [3, 7])
def test_killed_at_a_step_it_ends_in_the_same_bytes(
    small_cache: Path, tmp_path: Path, config: TrainingConfig, whole: Path, step: int
) -> None:
    """Within the first and the second epoch, of 5 steps: moments, average and pool come back."""
    run = tmp_path / "run"
    stop_at(step, small_cache, run, config)
    train(small_cache, run, resume=True)
    assert {x: digest(run / x) for x in FILES} == {x: digest(whole / x) for x in FILES}


@pytest.mark.slow
@pytest.mark.parametrize("temporal", ["tcn", "transformer"])
def test_other_networks_are_trained_resumed_and_loaded(
    small_cache: Path, tmp_path: Path, config: TrainingConfig, temporal: str
) -> None:
    own = replace(config, epochs=1, network=replace(config.network, temporal=temporal))
    run = train(small_cache, tmp_path / "run", config=own).out
    assert load_checkpoint(run).network.config.temporal == temporal
    assert train(small_cache, run, resume=True).epochs
    with pytest.raises(InputError, match=r"but network\.temporal is .* and 'gru' is asked for"):
        train(small_cache, run, config=replace(config, epochs=1), resume=True)


@pytest.mark.slow
class TestRun:
    def test_its_state_has_what_goes_on_and_its_checkpoint_the_average(self, whole: Path) -> None:
        state, last = load_file(whole / "state.safetensors"), load_file(whole / "last.safetensors")
        for name, value in last.items():
            if name.startswith("network."):
                own = name.removeprefix("network.")
                assert value.equal(state[f"average.network.{own}"])
        fc = "network.head.fc.weight"
        assert not last[fc].equal(state[f"model.{fc}"])
        assert [f"pool.{n}.{side}" in state for n in range(4) for side in (0, 1)] == [
            *[True] * 6, *[False] * 2
        ]  # fmt: skip
        assert {f"optimizer.0.{x}" for x in ("step", "exp_avg", "exp_avg_sq")} <= state.keys()

    def test_check_reads_all_of_it(self, whole: Path) -> None:
        assert check_folder(whole) == []

    def test_it_cannot_be_extended(self, small_cache: Path, whole: Path, config) -> None:
        """Its learning rate is made for so many epochs."""
        message = "its learning rate falls to 0 at epoch 2 .*, so it cannot be extended"
        with pytest.raises(InputError, match=message):
            train(small_cache, whole, config=replace(config, epochs=5), resume=True)

    @pytest.mark.parametrize("lost", ["average.", "optimizer.0.exp_avg", "pool.0.1"])
    def test_a_state_that_lacks_something_is_named(
        self, small_cache: Path, tmp_path: Path, whole: Path, lost: str
    ) -> None:
        run = shutil.copytree(whole, tmp_path / "run")
        path = run / "state.safetensors"
        file = TensorFile.open(path)
        kept = {name: x for name, x in file.tensors().items() if not name.startswith(lost)}
        save_tensors(path, kept, "mimamo_training", file.note("mimamo_training"))
        with pytest.raises(InputError, match=r"state\.safetensors: cannot be resumed from: "):
            train(small_cache, run, resume=True)


@pytest.mark.slow
def test_two_processes_give_the_loss_curve_of_one(
    small_cache: Path, tmp_path: Path, config: TrainingConfig
) -> None:
    """Without dropout, of which each process has its own."""
    dropouts = [name for name in config.network.to_dict() if name.endswith("dropout")]
    network = replace(config.network, **dict.fromkeys(dropouts, 0.0), temporal="transformer")
    replace(config, network=network, batch_size=5).save(tmp_path / "config.toml")
    script, found = Path(__file__).with_name("train_double.py"), []
    for count in ("1", "2"):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
                *("--nproc-per-node", count, script, small_cache, tmp_path / count),
                tmp_path / "config.toml",
            ],
            env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert len(found[0]) == 8
    assert found[1] == pytest.approx(found[0], abs=1e-8)
    assert max(found[0]) - min(found[0]) > 0.01
