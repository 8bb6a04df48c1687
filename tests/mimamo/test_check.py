"""`mimamo check` names what is wrong in a cache or a run, and nothing else."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mimamo import InputError
from mimamo.check import check_folder
from mimamo.cli import main
from mimamo.train import TrainingConfig, train


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-20] ^= 16
    path.write_bytes(content)


@pytest.fixture
def cache(small_cache: Path, tmp_path: Path) -> Path:
    return shutil.copytree(small_cache, tmp_path / "cache")


def test_a_cache(cache: Path, capsys: pytest.CaptureFixture) -> None:
    assert check_folder(cache) == []
    assert main(["check", str(cache)]) == 0
    assert capsys.readouterr().out == f"{cache}: all is as it was written\n"
    first, second, third, *_ = sorted((cache / "videos").iterdir())
    damage(first)
    second.unlink()
    third.write_bytes(third.read_bytes()[:-5])
    (cache / "backbone.safetensors").write_bytes(b"")
    assert main(["check", str(cache)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split(";")[0] for line in lines) == sorted(
        [
            f"{cache / 'backbone.safetensors'}: expected a weights file, got an empty one",
            f"{first}: cut short or damaged (its contents do not have its checksum)",
            f"{cache}: {second.stem} is missing",
            *(line.split(";")[0] for line in lines if line.startswith(f"{third}: cut short or")),
        ]
    )
    assert len(lines) == 4


def test_a_manifest(cache: Path) -> None:
    path = cache / "manifest.json"
    path.write_text(path.read_text().replace("learnable", "learnabll"))
    (line,) = check_folder(cache)
    assert line.startswith(f"{path}: damaged: its contents do not have its checksum")


def test_a_run(cache: Path, tmp_path: Path, tiny_config: TrainingConfig) -> None:
    run = tmp_path / "run"
    train(cache, run, config=replace(tiny_config, spatial="small"))
    assert check_folder(run) == []
    for name in ("best", "state"):
        damage(run / f"{name}.safetensors")
    (run / "config.toml").write_text("epochs = -1")
    lines = check_folder(run)
    assert [line.split(": ")[0] for line in lines] == [
        str(run / name) for name in ("config.toml", "best.safetensors", "state.safetensors")
    ]
    assert "its contents do not have its checksum" in lines[1]


def test_something_else(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="expected a cache, a run or a cross-validation"):
            check_folder(path)
