"""Resuming: bit for bit what an uninterrupted run gives, wherever it was killed."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.digests import digest
from support.recipes import TINY, stop_at
from support.waiting import waiting
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from mimamo import InputError
from mimamo.extract import extract
from mimamo.progress import counted
from mimamo.train import TrainingConfig, train
from mimamo.train.run_folder import FILES


def contents(folder: Path) -> dict[str, str]:
    return {name: digest(folder / name) for name in FILES}


@pytest.fixture(scope="module")
def config() -> TrainingConfig:
    return replace(TINY, epochs=3, spatial="small", learning_rate=0.01)


@pytest.fixture(scope="module")
def longer(config: TrainingConfig) -> TrainingConfig:
    return replace(config, epochs=5)


@pytest.fixture(scope="module")
def uninterrupted(
    small_cache: Path, tmp_path_factory: pytest.TempPathFactory, config: TrainingConfig
) -> Path:
    """A run that nobody interrupted. It is shared."""
    return train(small_cache, tmp_path_factory.mktemp("uninterrupted") / "run", config=config).out


@pytest.fixture
def whole(uninterrupted: Path) -> dict[str, str]:
    """The files of a run that nobody interrupted."""
    return contents(uninterrupted)


@pytest.fixture
def finished(uninterrupted: Path, tmp_path: Path) -> Path:
    """A run that is finished, to be changed."""
    return shutil.copytree(uninterrupted, tmp_path / "finished")


class TestBitForBit:
    @pytest.mark.slow
    @pytest.mark.parametrize("step", [1, 5, 9])
    def test_stopped_at_a_step(
        self, small_cache: Path, tmp_path: Path, config: TrainingConfig, whole, step: int
    ) -> None:
        """Before the first state, in an epoch's last step, and within one, of 5 steps each."""
        run = tmp_path / "run"
        stop_at(step, small_cache, run, config)
        lines: list[str] = []
        train(small_cache, run, resume=True, report=lines.append)
        assert contents(run) == whole
        epochs, steps = divmod(step - 1, 5)  # the last step's state was not written any more
        done = f"resumed after {counted(epochs, 'epoch')} and {counted(steps, 'step')}"
        assert done in "".join(lines) or step == 1

    @pytest.mark.slow
    def test_killed_and_extended_by_the_command(
        self, small_cache: Path, tmp_path: Path, config, longer
    ) -> None:
        """SIGKILL after an epoch and at any moment, and then it may finish, with more epochs."""
        config.save(tmp_path / "config.toml")
        words = ["train", small_cache, "--device", "cpu", "--out", tmp_path / "run"]
        given = ["--config", tmp_path / "config.toml"]
        for arguments, line, last, moment in (
            (given, "epoch 1/", "epoch 2/", 0), (["--resume"], "", "epoch 3/", 0.7),
        ):  # fmt: skip
            command = waiting(last, *words, *arguments)
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            while not process.stdout.readline().startswith(line):
                assert process.poll() is None
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
            process.stdout.close()
            assert process.wait() == -signal.SIGKILL
        command = [sys.executable, "-m", "mimamo", *words, "--resume", "--epochs", "5"]
        subprocess.run(command, check=True)
        expected = train(small_cache, tmp_path / "expected", config=longer).out
        assert contents(tmp_path / "run") == contents(expected)
        left = {path.name for path in (tmp_path / "run").iterdir()}
        assert left == {*FILES, "tensorboard"}


@pytest.mark.slow
class TestMoreEpochs:
    """The learning rate falls after given epochs, however many there are: nothing depends on it.

    No epoch is better than the first, so its checkpoint stays.
    """

    @pytest.fixture(scope="class", autouse=True)
    @staticmethod
    def first_is_best() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mimamo.train.trainer.pooled_ccc", lambda *_: (0.5, 0.5))
            yield

    @pytest.fixture(scope="class")
    @staticmethod
    def expected(
        first_is_best, small_cache: Path, tmp_path_factory: pytest.TempPathFactory, longer
    ) -> dict[str, str]:
        out = tmp_path_factory.mktemp("longer") / "run"
        return contents(train(small_cache, out, config=longer).out)

    def test_of_a_finished_run(
        self, small_cache: Path, tmp_path: Path, config, longer, expected
    ) -> None:
        run = train(small_cache, tmp_path / "run", config=config).out
        train(small_cache, run, config=longer, resume=True)
        assert contents(run) == expected
        with pytest.raises(InputError, match=r"epochs is 5 in its config.toml and 3 is asked for"):
            train(small_cache, run, config=config, resume=True)
        assert contents(run) == expected

    @pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 15])
    def test_of_a_run_stopped_at_a_step(
        self, small_cache: Path, tmp_path: Path, config, longer, expected, step: int
    ) -> None:
        """Before its first state, and in its last step."""
        run = tmp_path / "run"
        stop_at(step, small_cache, run, config)
        train(small_cache, run, config=longer, resume=True)
        assert contents(run) == expected

    @pytest.mark.slow
    def test_of_a_run_stopped_twice(
        self, small_cache: Path, tmp_path: Path, config, longer, expected
    ) -> None:
        """Within epochs; what it was extended to is kept, and the best epoch is from before."""
        run = tmp_path / "run"
        stop_at(12, small_cache, run, config)
        stop_at(2, small_cache, run, longer)
        train(small_cache, run, resume=True)
        assert contents(run) == expected

    @pytest.mark.slow
    def test_of_a_run_that_had_stopped_early(
        self, small_cache: Path, tmp_path: Path, config, longer
    ) -> None:
        """It trains no further, as one that had so many epochs from the start would not."""
        config, longer = replace(config, patience=1), replace(longer, patience=1)
        for name, epochs in (("run", config), ("expected", longer)):
            train(small_cache, tmp_path / name, config=epochs)
        result = train(small_cache, tmp_path / "run", config=longer, resume=True)
        assert result.stopped_early
        assert len(result.epochs) == 2
        assert contents(tmp_path / "run") == contents(tmp_path / "expected")


@pytest.mark.slow
class TestCurves:
    def test_a_resumed_run_has_them_whole(
        self, small_cache: Path, tmp_path: Path, config, uninterrupted: Path, first_events
    ) -> None:
        """In TensorBoard nothing is lost, and what was done twice is there once."""
        shown: list[int] = []
        stop_at(8, small_cache, tmp_path / "run", config)
        run = train(
            small_cache, tmp_path / "run", config=config, resume=True,
            progress=lambda _, done, total: shown.append(done),
        ).out  # fmt: skip
        curves = {}
        for folder in (uninterrupted, run):
            events = EventAccumulator(str(folder / "tensorboard"))
            events.Reload()
            for tag in ("step/loss", "epoch/loss"):
                curves[folder, tag] = [(e.step, e.value) for e in events.Scalars(tag)]
        assert len(curves[uninterrupted, "step/loss"]) == 15
        assert [step for step, _ in curves[run, "step/loss"]][7:] == shown
        for tag in ("step/loss", "epoch/loss"):
            assert curves[run, tag] == curves[uninterrupted, tag]


class TestFullDisk:
    @pytest.mark.slow
    def test_it_is_named_and_with_room_the_run_goes_on(
        self,
        small_cache: Path,
        tmp_path: Path,
        small_disk,
        config: TrainingConfig,
        whole,
        uninterrupted,
    ) -> None:
        needed = sum((uninterrupted / name).stat().st_size for name in FILES)
        disk = small_disk(2 * needed)
        run, ballast = disk / "run", disk / "ballast"
        ballast.write_bytes(bytes(needed + needed // 2))
        named = rf"^{re.escape(str(run))}/[\w.]+: cannot be written: .*[Nn]o space left[^\n]*$"
        with pytest.raises(InputError, match=named):
            train(small_cache, run, config=config)
        assert not [path for path in run.iterdir() if path.name.startswith(".")]
        ballast.unlink()
        train(small_cache, run, resume=True)
        assert contents(run) == whole

    @pytest.mark.parametrize("call", ["__init__", "add_scalar", "flush", "close"])
    def test_one_that_the_curves_find_first_is_named(
        self, small_cache: Path, tmp_path: Path, config, monkeypatch, call: str
    ) -> None:
        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(SummaryWriter, call, full)
        named = re.escape(f"{tmp_path / 'run/tensorboard'}: cannot be written: No space left on")
        with pytest.raises(InputError, match=f"^{named} device$"):
            train(small_cache, tmp_path / "run", config=replace(config, epochs=1))

    def test_what_ended_the_run_is_told_before_it(
        self, small_cache: Path, tmp_path: Path, config, monkeypatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(SummaryWriter, "close", full)
        with pytest.raises(InputError, match="the loss is nan"):
            train(small_cache, tmp_path / "run", config=replace(config, learning_rate=1e38))


class TestResume:
    def test_without_a_run_it_begins(self, small_cache: Path, tmp_path: Path, config) -> None:
        config = replace(config, epochs=1)
        result = train(small_cache, tmp_path / "run", config=config, resume=True)
        assert len(result.epochs) == 1

    def test_a_finished_run_is_left_alone(self, small_cache: Path, finished: Path, whole) -> None:
        lines: list[str] = []
        result = train(small_cache, finished, resume=True, report=lines.append)
        assert contents(finished) == whole
        assert len(result.epochs) == 3
        assert any("is finished" in line for line in lines)

    def test_other_settings_are_refused(
        self, small_cache: Path, config: TrainingConfig, finished: Path
    ) -> None:
        with pytest.raises(InputError, match=r"resumed with its own settings, but seed is 0"):
            train(small_cache, finished, config=replace(config, seed=4), resume=True)

    def test_settings_that_were_edited_are_refused(
        self, small_cache: Path, finished: Path, whole
    ) -> None:
        """Else the rest of a run, and its scores, are of a recipe that nobody has trained."""
        path = finished / "config.toml"
        path.write_text(re.sub(r"(?m)^stride = \d+", "stride = 5", path.read_text()))
        with pytest.raises(InputError, match=r"config\.toml: stride is 5, but the run was trained"):
            train(small_cache, finished, resume=True)
        assert {n: x for n, x in contents(finished).items() if n != "config.toml"} == {
            n: x for n, x in whole.items() if n != "config.toml"
        }

    @pytest.mark.slow
    def test_a_run_that_left_nothing_is_begun_again_with_what_is_given(
        self, small_cache: Path, tmp_path: Path, config: TrainingConfig
    ) -> None:
        config = replace(config, epochs=1)
        whole = contents(train(small_cache, tmp_path / "whole", config=config).out)
        for name, resume in (("again", False), ("resumed", True)):
            with pytest.raises(InputError, match="the loss is nan"):
                train(small_cache, tmp_path / name, config=replace(config, learning_rate=1e38))
            train(small_cache, tmp_path / name, config=config, resume=resume)
            assert contents(tmp_path / name) == whole

    def test_another_cache_is_refused(self, resnet_cache: Path, finished: Path) -> None:
        with pytest.raises(InputError, match="trained on other videos or features"):
            train(resnet_cache, finished, resume=True)

    def test_changed_annotations_are_refused(
        self, learnable_copy: Path, tmp_path: Path, config: TrainingConfig
    ) -> None:
        """The videos and how many frames are annotated stay as they are."""
        cache, config = tmp_path / "cache", replace(config, epochs=1)
        extract(learnable_copy, cache, backbone="small")
        train(cache, tmp_path / "run", config=config)
        labels = learnable_copy / "annotations/Train_Set/Train_Set-1.txt"
        text = labels.read_text()
        labels.write_text(text.replace("\n", "\n0.5,0.5\n", 1).rsplit("\n", 2)[0] + "\n")
        extract(learnable_copy, cache, backbone="small")
        message = rf"^{tmp_path}/run/state\.safetensors: the annotations .* {cache} have changed"
        with pytest.raises(InputError, match=message):
            train(cache, tmp_path / "run", resume=True)
        labels.write_text(text)
        extract(learnable_copy, cache, backbone="small")
        assert train(cache, tmp_path / "run", resume=True).epochs

    def test_a_state_larger_than_its_network_is_not_read(
        self, small_cache: Path, finished: Path
    ) -> None:
        """It was read, with the 16 GiB that any tensors may have."""
        os.truncate(finished / "state.safetensors", 1 << 30)
        with pytest.raises(InputError, match=r"state\.safetensors: expected a file of at most 6"):
            train(small_cache, finished, resume=True)

    def test_a_damaged_state_is_named(self, small_cache: Path, finished: Path) -> None:
        path = finished / "state.safetensors"
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(InputError, match=r"state\.safetensors: cannot be resumed from"):
            train(small_cache, finished, resume=True)
