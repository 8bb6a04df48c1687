"""`mimamo check` names what is wrong in a cache or a run, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.recipes import TINY

from mimamo import InputError, load_checkpoint
from mimamo.check import check_folder
from mimamo.cli import main
from mimamo.evaluate.cross_validation import crossval
from mimamo.model.checkpoint import update_info
from mimamo.train import train
from mimamo.train.run_folder import FILES


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


def test_a_cache_of_many_videos_that_are_not_there(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mimamo.check.folder._MOST_LINES", 3)
    for path in (cache / "videos").iterdir():
        path.unlink()
    lines: list[str] = []
    wrong = check_folder(cache, report=lines.append)
    assert len(wrong) > 3
    assert lines == [*wrong[:3], f"{cache}: and {len(wrong) - 3} more are wrong"]


def test_a_manifest(cache: Path) -> None:
    path = cache / "manifest.json"
    path.write_text(path.read_text().replace("learnable", "learnabll"))
    (line,) = check_folder(cache)
    assert line.startswith(f"{path}: damaged: its contents do not have its checksum")
    first, *_ = sorted((cache / "videos").iterdir())
    damage(first)
    (cache / "backbone.safetensors").unlink()
    path.write_text("{")
    assert [line.split(": ")[0] for line in check_folder(cache)] == [
        str(path), str(cache / "backbone.safetensors"), str(first)
    ]  # fmt: skip


def test_a_run(run: Path) -> None:
    assert check_folder(run) == []
    for name in ("best", "state"):
        damage(run / f"{name}.safetensors")
    (run / "config.toml").write_text("epochs = -1")
    lines = check_folder(run)
    assert [line.split(": ")[0] for line in lines] == [
        str(run / name) for name in ("config.toml", "best.safetensors", "state.safetensors")
    ]
    assert "its contents do not have its checksum" in lines[1]


@pytest.fixture(scope="module")
def whole(small_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and a cross-validation beside it; not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    config = replace(TINY, spatial="small")
    train(small_cache, folder / "run", config=config)
    train(small_cache, folder / "shorter", config=replace(config, epochs=1))
    crossval(small_cache, folder / "folds", folds=2, config=replace(config, epochs=1))
    return folder


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole / "run", tmp_path / "run")


@pytest.fixture
def folds(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole / "folds", tmp_path / "folds")


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_of_a_run_is_missing(run: Path, name: str) -> None:
    (run / name).unlink()
    assert check_folder(run) == [f"{run / name}: is missing"]


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("config.toml", ("seed = 0", "seed = 1"), "says seed = 1, the rest of the run 0"),
        ("config.toml", ("rnn_hidden = 8", "rnn_hidden = 9"), "says network.rnn_hidden = 9, the r"),
        (
            "config.toml",
            ("crop = 0.85", "#rop = 0.85"),
            "says crop = None, the rest of the run",
        ),
        ("history.csv", ("0.", "1."), "does not have the epochs of state.safetensors beside it"),
    ],
)
def test_a_text_of_a_run_is_changed(
    run: Path, name: str, change: tuple[str, str], expected: str
) -> None:
    replaced(run / name, *change)
    (line,) = check_folder(run)
    assert line.startswith(f"{run / name}: {expected}")


def test_a_checkpoint_is_another_runs(run: Path) -> None:
    """Of other settings, or of the same and another epoch."""
    info = load_checkpoint(run / "best.safetensors").info
    for notes, expected in (
        ({"training": info["training"] | {"seed": 3}}, "says seed = 3, the rest of the run 0"),
        ({"epoch": info["epoch"] | {"loss": 2.5}},
         "is of another epoch or run than state.safetensors beside it"),
        ({"epoch": [info["epoch"]]}, "is of another epoch or run than state.safetensors beside it"),
    ):  # fmt: skip
        before = (run / "best.safetensors").read_bytes()
        update_info(run / "best.safetensors", notes)
        (line,) = check_folder(run)
        assert line.startswith(f"{run / 'best.safetensors'}: {expected}")
        (run / "best.safetensors").write_bytes(before)


def test_a_run_that_was_stopped(run: Path, whole: Path, small_cache: Path) -> None:
    """While it saved its second epoch: that is said, and resuming mends it."""
    shutil.copy(whole / "shorter/state.safetensors", run)
    lines = check_folder(run)
    names = {line.split(": ")[0] for line in lines}
    assert {str(run / name) for name in ("last.safetensors", "history.csv")} <= names
    assert all("has an epoch more than state.safetensors beside it" in line for line in lines)
    for name in FILES[:-1]:
        (run / name).unlink()
    (line,) = check_folder(run)
    assert line == f"{run}: has no results: none were saved yet, or they are missing"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:10])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda folds: [path.unlink() for path in folds.glob("fold-2/*.safetensors")],
         ["fold-2/best.safetensors", "fold-2/held_out.safetensors", "fold-2/last.safetensors",
          "fold-2/state.safetensors", ""]),
        (lambda folds: (folds / "summary.json").write_text("{"), ["summary.json"]),
        (lambda folds: cut(folds / "crossval.png"), ["crossval.png"]),
        (lambda folds: replaced(folds / "folds.csv", "1", "2"), ["folds.csv"]),
        (lambda folds: (folds / "videos.csv").unlink(), ["videos.csv"]),
        (lambda folds: replaced(folds / "SHA256SUMS", "fold-1", "fold-3"), ["fold-1/held_out"]),
    ],
)  # fmt: skip
def test_a_cross_validation(folds: Path, change: Callable[[Path], object], named: list) -> None:
    change(folds)
    lines = check_folder(folds)
    assert len(lines) == len(named)
    for name in named:
        assert any(name in line for line in lines), lines


def test_folds_that_are_not_what_they_say(folds: Path) -> None:
    assert check_folder(folds) == []
    shutil.rmtree(folds / "fold-2")
    assert f"{folds / 'fold-2/config.toml'}: is missing" in check_folder(folds)
    shutil.copytree(folds / "fold-1", folds / "fold-2")
    assert f"{folds / 'fold-2/config.toml'}: expected fold 2/2, got '1/2'" in check_folder(folds)
    shutil.copytree(folds / "fold-1", folds / "fold-3")
    assert f"{folds / 'fold-3'}: expected 2 folds" in check_folder(folds)


def test_folds_that_are_not_joined_or_have_no_sums(folds: Path) -> None:
    """Nor need a fold be more than what joining needs of it, as one from another machine."""
    for path in (folds / "fold-2").iterdir():
        if path.is_file() and path.name not in ("config.toml", "held_out.safetensors"):
            path.unlink()
    said: list[str] = []
    assert check_folder(folds, report=said.append) == []
    assert said == [f"{folds / 'fold-2'}: only what joining needs is here"]
    (folds / "SHA256SUMS").unlink()
    (line,) = check_folder(folds)
    assert line == f"{folds / 'SHA256SUMS'}: is missing; run `mimamo crossval --join` again"
    for path in folds.glob("*.*"):
        path.unlink()
    assert check_folder(folds, report=said.append) == []
    assert said[-1] == f"{folds}: its folds are not joined yet"


def test_a_cache_has_all_its_files_and_no_others(cache: Path) -> None:
    (cache / "backbone.safetensors").unlink()
    shutil.copy(next((cache / "videos").glob("*.safetensors")), cache / "videos/stray.safetensors")
    (cache / ".lock").touch()
    assert check_folder(cache) == [
        f"{cache / 'backbone.safetensors'}: is missing",
        f"{cache / 'videos/stray.safetensors'}: is not of this cache (1 such file); delete what is "
        "not needed",
    ]


def test_something_else(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="expected a cache, a run or a cross-validation"):
            check_folder(path)
