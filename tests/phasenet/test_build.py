"""The installed package: what it says of its build, and what importing it brings in."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from setuptools import Distribution

import phasenet

SETUP = Path(__file__).parents[2] / "setup.py"


def run(code: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip()


def test_build_info():
    info = phasenet.build_info()
    assert info["version"] == phasenet.__version__
    assert info["torch_target"] == "2.10"
    assert info["torch"] == torch.__version__
    assert "baseline" in info["cpu"]
    assert info["instruction_set"] in info["instruction_sets"]
    assert set(info["instruction_sets"]) <= set(info["cpu"])
    assert info["cuda_reason"]


def test_what_was_renamed_is_not_built_again(tmp_path):
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(SETUP.parent / name, tmp_path)
    no_caches = shutil.ignore_patterns("__pycache__")  # whose files others are writing
    for package in ("phasenet", "mimamo"):
        shutil.copytree(SETUP.parent / package, tmp_path / package, ignore=no_caches)
    command = [sys.executable, "setup.py", "-q", "build_py"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "phasenet" / "phase.py").rename(tmp_path / "phasenet" / "phases.py")
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    built = {path.name for path in (tmp_path / "build" / "lib" / "phasenet").glob("phase*.py")}
    assert built == {"phases.py"}
    version = [sys.executable, "setup.py", "-q", "--version"]
    subprocess.run(version, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "build" / "lib" / "phasenet").exists()  # which another may be packing


def test_builds_at_the_same_time_write_files_of_their_own(tmp_path, monkeypatch):
    (tmp_path / "phasenet").mkdir()
    shutil.copy(SETUP, tmp_path)
    builds = runpy.run_path(str(tmp_path / "setup.py"))["BuildLibraries"]
    monkeypatch.setitem(builds.run.__globals__, "build_library", lambda *_: tmp_path)
    monkeypatch.setenv("PHASENET_CUDA", "0")
    written, replace = [], Path.replace
    monkeypatch.setattr(
        Path, "replace", lambda new, old: written.append(new.name) or replace(new, old)
    )
    for process in (1, 2):
        monkeypatch.setattr(os, "getpid", lambda number=process: number)
        build = builds(Distribution())
        build.build_lib = str(tmp_path)
        build.inplace = True
        build.run()
    assert len(set(written)) == 2
    assert [path.name for path in (tmp_path / "phasenet").iterdir()] == ["build_info.json"]


def test_build_info_tells_the_sources():
    if Path(phasenet.__file__).parents[1] != SETUP.parent:
        pytest.skip("the package under test is not the one of these sources")
    assert phasenet.build_info()["sources"] == runpy.run_path(str(SETUP))["source_digest"]()


def test_the_digest_of_the_sources(tmp_path):
    """It changes with any source's content or name, and with nothing else."""

    def digest() -> str:
        return runpy.run_path(str(tmp_path / "setup.py"))["source_digest"]()

    shutil.copy(SETUP, tmp_path)
    source = tmp_path / "csrc" / "cpu" / "kernel.cpp"
    source.parent.mkdir(parents=True)
    source.write_text("int one;\n")
    first = digest()
    assert len(first) == 16
    assert int(first, 16) >= 0
    (source.parent / "kernel.cpp.orig").write_text("int two;\n")
    assert digest() == first
    source.write_text("int two;\n")
    second = digest()
    source = source.rename(source.with_name("other.cpp"))
    third = digest()
    assert len({first, second, third}) == 3
    source.rename(source.with_name("kernel.cpp")).write_text("int one;\n")
    assert digest() == first


def test_phasenet_does_not_import_mimamo():
    code = "import sys, phasenet; print([m for m in sys.modules if m.split('.')[0] == 'mimamo'])"
    assert run(code) == "[]"
