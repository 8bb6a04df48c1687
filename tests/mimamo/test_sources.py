"""Every file is opened, and every line printed, by the one place that knows how.

Opening, decoding and printing in places of their own is what let pipes hang a command, a file of a
few bytes fill the memory, and names of files write to the terminal.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mimamo

ROOT = Path(mimamo.__file__).parent
# What may be called where, and nowhere else. `.read_text` is that of any object.
ALONE = {
    "open": {"files.py"},  # the builtin
    "os.open": {"files.py"},
    "os.fdopen": {"files.py"},
    "io.open": set(),
    ".open": {"files.py"},
    ".read_text": set(),
    ".read_bytes": set(),
    ".write_text": set(),
    ".write_bytes": set(),
    ".fromfile": set(),
    ".memmap": set(),
    "json.load": set(),
    "json.loads": {"files.py", "settings.py", "tensor_file.py"},  # the latter two: their own text
    "tomllib.load": set(),
    "tomllib.loads": {"files.py"},
    "torch.load": {"model/torch_file.py"},  # from what `open_file` opened
    "np.load": set(),
    "np.loadtxt": set(),
    "np.genfromtxt": set(),
    "cv2.imread": set(),
    "safe_open": set(),
    "load_file": set(),
    "print": {"terminal.py"},
    "sys.stdout.write": set(),
    "sys.stderr.write": set(),
    "warnings.warn": set(),
    "ThreadPoolExecutor": {"threads.py", "train/model.py"},  # the latter's lives as long as it
}
# Of classes, of what is open already, and of a codec; none of a path.
OPENERS = {"TensorFile.open", "Image.open", "av.open", "context.open"}


def calls(path: Path) -> Iterator[tuple[int, str]]:
    """Line and name of each call, as it is written there."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def found(name: str) -> Iterator[tuple[str, int, str]]:
    for path in sorted(ROOT.rglob("*.py")):
        for line, call in calls(path):
            matches = call.endswith(name) if name.startswith(".") else call == name
            if matches and call not in OPENERS - {name}:
                yield path.relative_to(ROOT).as_posix(), line, call


@pytest.mark.parametrize("name", ALONE)
def test_it_is_called_in_its_place_alone(name: str) -> None:
    assert [call for call in found(name) if call[0] not in ALONE[name]] == []


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("Image.open", {"video/image.py": "read_bytes(path, MOST_IMAGE"}),
        ("torch.load", {"model/torch_file.py": "open_file(path, MOST_WEIGHTS"}),
        (
            "av.open",
            {"video/container.py": "av.open(_File(file)", "video/writer.py": "av.open(file"},
        ),
    ],
)
def test_what_others_decode_comes_from_there(name: str, places: dict[str, str]) -> None:
    """Pillow, torch and FFmpeg are given what was opened, not a path."""
    assert {path for path, _, call in found(name) if call == name} == places.keys()
    for place, opened in places.items():
        assert opened in (ROOT / place).read_text(encoding="utf-8")


def test_the_search_finds_what_it_is_for(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("open('a')\nPath('a').read_text()\nnp.load(x)\np.open('w')\nprint(1)\n")
    assert {call for _, call in calls(path)} >= {
        "open", "Path('a').read_text", "np.load", "p.open", "print",
    }  # fmt: skip
