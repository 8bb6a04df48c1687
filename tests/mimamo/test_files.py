"""Files that others may have written, and folders that others may be writing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from mimamo import InputError, load_checkpoint
from mimamo.data import read_annotations
from mimamo.data.cache import Manifest
from mimamo.data.cached_video import CachedVideo
from mimamo.data.omg import table_rows
from mimamo.demo.run import run_demo
from mimamo.evaluate.cross_validation import crossval
from mimamo.evaluate.utterances import is_table
from mimamo.extract import extract
from mimamo.faces import CenterFace, YuNet
from mimamo.files import (
    new_folder,
    open_file,
    parse_json,
    read_json,
    read_text,
    read_toml,
    replacing,
    write_text,
)
from mimamo.locks import LOCK, locked, take_lock
from mimamo.predict.outputs import is_result
from mimamo.shards import Shard
from mimamo.tensor_file import load_note
from mimamo.train import TrainingConfig, train
from mimamo.video import VideoReader
from mimamo.video.image import read_image

READERS: dict[str, Callable[[Path], object]] = {
    "annotations": read_annotations,
    "cached video": CachedVideo.load,
    "CenterFace": CenterFace,
    "checkpoint": load_checkpoint,
    "config": TrainingConfig.load,
    "image": read_image,
    "JSON": read_json,
    "manifest": lambda path: Manifest.load(path.parent),
    "table": lambda path: list(table_rows(path)),
    "text": read_text,
    "TOML": read_toml,
    "video": VideoReader,
    "YuNet": YuNet,
}


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def socket(path: Path) -> None:
    try:
        os.mknod(path, 0o140600)
    except PermissionError:
        pytest.skip("a socket may not be made here")


class TestNoFile:
    """A pipe made whoever read it wait for ever, and a device filled the memory."""

    @pytest.mark.parametrize("make", [fifo, device, socket, os.mkdir])
    @pytest.mark.parametrize("name", READERS)
    def test_it_is_named_at_once(self, tmp_path: Path, name: str, make) -> None:
        suffix = ".safetensors" if name == "checkpoint" else ""
        path = tmp_path / f"manifest.json{suffix}"
        make(path)
        with pytest.raises(InputError) as error:
            READERS[name](path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("make", [fifo, device, os.mkdir])
    def test_it_is_no_result_and_not_written_over(self, tmp_path: Path, make) -> None:
        for suffix in (".csv", ".png", ".mp4"):
            path = tmp_path / f"x{suffix}"
            make(path)
            assert not is_result(path)
            assert not is_table(path)
            assert load_note(path, "key") == {}
            with (
                pytest.raises(InputError, match="expected a file to write, got a"),
                replacing(path) as temporary,
            ):
                temporary.write_text("new")

    def test_nor_is_one_too_large(self, tmp_path: Path) -> None:
        path = tmp_path / "x.txt"
        with path.open("wb") as file:
            file.truncate(1 << 40)
        with pytest.raises(InputError, match=r"x\.txt: expected a text file of at most 67,108,864"):
            read_text(path)

    def test_what_fails_while_it_is_read_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.touch()
        with (
            pytest.raises(InputError, match=f"{path}: cannot be read: Input/output error"),
            open_file(path, 1),
        ):
            raise OSError(5, os.strerror(5))

    def test_a_name_that_no_file_can_have(self) -> None:
        with pytest.raises(InputError, match="no file can have this name"):
            read_text("a\0b")


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 5000, "{", '{"a": 1' + "0" * 5000 + "}"])
def test_json_that_python_cannot_hold(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"x\.json: expected JSON, got something else"):
        read_json(path)


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = 1" + "0" * 5000])
def test_toml_that_python_cannot_hold(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"x\.toml: expected TOML, got something else"):
        read_toml(path)


def test_threads_that_write_at_a_time_leave_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it was 0 for good: one thread had read what another had set for a moment."""
    set_mask, places = os.umask, [tmp_path / str(number) for number in range(24)]

    def slowly(mask: int) -> int:
        before = set_mask(mask)
        time.sleep(0.001)
        return before

    before = set_mask(0o027)
    try:
        monkeypatch.setattr(os, "umask", slowly)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda path: write_text(path, "x"), places))
        after = set_mask(before)
    finally:
        set_mask(before)
    assert after == 0o027
    assert {path.stat().st_mode & 0o777 for path in places} == {0o640}


HOLD = """
import sys, time
from pathlib import Path
from mimamo.files import replacing
from mimamo.locks import locked
path = Path(sys.argv[1])
with locked(path) if path.is_dir() else replacing(path):
    print("there", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder():
    """Starts a process that locks a folder, or is writing a file, until it is killed."""
    processes = []

    def start(path: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


class TestOthers:
    def test_a_folder_is_one_living_processes(self, tmp_path: Path, holder) -> None:
        process = holder(tmp_path)
        message = f"{tmp_path}: another process is writing into it"
        with pytest.raises(InputError, match=message), locked(tmp_path):
            pass
        process.kill()
        process.wait()
        with locked(tmp_path), pytest.raises(InputError, match=message), locked(tmp_path):
            pass
        with locked(tmp_path):
            pass
        assert list(tmp_path.iterdir()) == []

    def test_one_waits_for_it_as_long_as_it_will(self, tmp_path: Path, holder) -> None:
        process = holder(tmp_path)
        with pytest.raises(InputError, match="another process"), locked(tmp_path, patience=0.2):
            pass
        threading.Timer(0.3, process.kill).start()
        with locked(tmp_path, ["a"], patience=60):
            assert process.wait() == -signal.SIGKILL
        assert list(tmp_path.iterdir()) == []

    def test_one_that_leaves_a_part_keeps_none_from_another(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It has the folder alone for a moment."""
        with (tmp_path / LOCK).open("w") as leaving:
            assert take_lock(leaving.fileno())
            monkeypatch.setattr(time, "monotonic", lambda: 0.0)  # however slow the machine is
            monkeypatch.setattr(time, "sleep", lambda seconds: leaving.close())
            with locked(tmp_path, ["a"]):
                assert leaving.closed

    def test_its_parts_are_different_processes(self, tmp_path: Path) -> None:
        def taken(*parts: str) -> bool:
            try:
                with locked(tmp_path, parts):
                    return False
            except InputError:
                return True

        with locked(tmp_path, ["b", "c"]):
            assert [taken("a"), taken("a", "b"), taken("c"), taken()] == [False, True, True, True]
            with locked(tmp_path, ["a"]):
                assert taken("a")
        with locked(tmp_path):
            assert taken("a")
        assert not taken("a", "b", "c")

    @pytest.mark.parametrize("command", ["train", "extract", "crossval", "demo"])
    def test_two_commands_do_not_share_a_folder(
        self,
        tmp_path: Path,
        small_cache: Path,
        learnable: Path,
        tiny_config: TrainingConfig,
        command: str,
    ) -> None:
        config = replace(tiny_config, spatial="small")
        write: dict[str, Callable[[], object]] = {
            "train": lambda: train(small_cache, tmp_path, config=config),
            "extract": lambda: extract(learnable, tmp_path, backbone="small"),
            "crossval": lambda: crossval(small_cache, tmp_path, folds=2, config=config),
            "demo": lambda: run_demo(tmp_path, quick=True, device="cpu"),
        }
        with (
            locked(tmp_path),
            pytest.raises(InputError, match=f"{tmp_path}: another process is writing into it"),
        ):
            write[command]()
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    def test_shards_and_folds_do_not_share_what_is_the_same(
        self, tmp_path: Path, small_cache: Path, learnable: Path, tiny_config: TrainingConfig
    ) -> None:
        cache, folds = tmp_path / "cache", tmp_path / "folds"
        config = replace(tiny_config, spatial="small")
        for folder in (cache, folds):
            folder.mkdir()
        with locked(cache, ["shard-2"]), locked(folds, ["fold-2"]):
            for shard in (None, Shard(1, 2)):
                with pytest.raises(InputError, match=f"{cache}: another process"):
                    extract(learnable, cache, backbone="small", shard=shard)
            for only in (None, [2]):
                with pytest.raises(InputError, match=f"{folds}: another process"):
                    crossval(small_cache, folds, folds=2, only=only, config=config)
            extract(learnable, cache, backbone="small", shard=Shard(0, 2))
        assert not [path for path in folds.rglob("*") if path.is_file()]

    def test_what_a_killed_writer_left_is_removed(self, tmp_path: Path, holder) -> None:
        path = tmp_path / "film.mp4"
        process, killed = holder(path), holder(path)
        other = tmp_path / ".film.20240101.mp4"  # somebody's own
        other.write_text("mine")
        other.chmod(0o644)  # whatever the umask
        (both := set(tmp_path.iterdir())).remove(other)
        killed.kill()
        killed.wait()
        with replacing(path) as temporary:
            temporary.write_text("new")
        (left,) = set(tmp_path.iterdir()) - {path, other}
        assert left in both
        assert other.read_text() == "mine"
        process.kill()
        process.wait()
        time.sleep(0.01)
        with replacing(path) as temporary:
            temporary.write_text("newer")
        assert set(tmp_path.iterdir()) == {path, other}

    @pytest.mark.parametrize("stem", ["x" * 251, "é" * 125, os.fsdecode(b"\xff" * 251), "日" * 83])
    def test_names_as_long_as_they_may_be(self, tmp_path: Path, holder, stem: str) -> None:
        """A temporary name is cut between characters."""
        path = tmp_path / f"{stem}.csv"
        killed = holder(path)
        (left,) = tmp_path.iterdir()
        assert stem.startswith(left.stem[1:-9])
        assert left.suffix == ".csv"
        killed.kill()
        killed.wait()
        with replacing(path) as temporary:
            temporary.write_text("new")
        assert list(tmp_path.iterdir()) == [path]

    def test_a_folders_too(self, tmp_path: Path) -> None:
        with new_folder(tmp_path / ("x" * 255)) as temporary:
            (temporary / "a").touch()
        assert [*tmp_path.glob("*/a")] == [tmp_path / ("x" * 255) / "a"]
