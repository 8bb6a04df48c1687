"""Every file is opened and written, and every line printed, by the one place that knows how.

Doing it in places of their own is what let pipes hang a command, a file of a few bytes fill the
memory, and names of files write to the terminal.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

import pytest

import mimamo
import phasenet

ROOT = Path(mimamo.__file__).parent
# What may be named where, and nowhere else: a function or all of a module by the name that it has
# where it is defined, or with a point before it a method of any object.
READERS = {
    "builtins.open": {"terminal.py"},  # nowhere, in the place of a stream
    "io.open*": set(),
    "io.FileIO": set(),
    "codecs.open": set(),
    "os.open": {"files.py", "locks.py"},
    "os.fdopen": {"files.py"},
    "os.read*": set(),
    ".open": {"files.py", "terminal.py"},
    ".read_text": set(),
    ".read_bytes": set(),
    ".fromfile": set(),
    ".from_file": set(),
    ".memmap": set(),
    ".imread*": set(),
    "json.load": set(),
    "json.loads": {"files.py", "settings.py", "tensor_file.py"},  # the latter two: their own text
    "toml*.load": set(),
    "toml*.loads": {"files.py"},
    "pickle": set(),
    "pickletools": {"model/torch_file.py"},  # runs nothing
    "torch.load": {"model/torch_file.py"},
    "torch.jit.load": set(),
    "torch.hub": set(),
    "zipfile": {"array_file.py", "model/torch_file.py"},
    "tarfile": set(), "gzip": set(), "bz2": set(), "lzma": set(), "sqlite3": set(),
    "shelve": set(), "safetensors": set(), "urllib": set(), "http": set(), "socket": set(),
    "requests": set(), "pandas": set(), "scipy.io": set(), "skimage.io": set(),
    "huggingface_hub": {"model/hub.py"},
    "onnxruntime": {"model/onnx_session.py"},
    "onnx": set(),
    "numpy.load*": set(), "numpy.genfromtxt": set(), "numpy.lib": {"array_file.py"},
    "PIL.Image.open": {"video/image.py"},
    "PIL.ImageFont.truetype": {"predict/render/canvas.py"},  # a font of matplotlib's
    "av.open": {"video/container.py", "video/writer.py"},
    "cv2.VideoCapture": {"video/camera.py"},  # a camera's number
    "cv2.FileStorage": set(),
    "cv2.dnn.read*": {"faces/centerface.py"},
    "cv2.*.create": {"faces/yunet.py"},
}  # fmt: skip
WRITERS = {
    ".write_text": set(),
    ".write_bytes": set(),
    ".tofile": set(),
    ".imwrite*": set(),
    ".imsave": set(),
    ".savefig": {"predict/render/plot.py"},
    # Mostly of objects here, which end in `write_chunks`; the demo's pictures are Pillow's.
    ".save": {
        "demo/synth/ablation_set.py", "demo/synth/set_writer.py", "extract/extraction.py",
        "extract/preparation.py", "model/checkpoint.py", "train/training.py",
    },
    "numpy.save*": set(),
    "torch.save": set(),
    "torch.utils.tensorboard": {"train/tensorboard_log.py"},
    "cv2.VideoWriter": set(),
    "json.dump": set(),
    "pickle.dump": set(),
    "tomli_w.dump": set(),
    "shutil": {"files.py"},
    "tempfile": {"files.py"},
    ".replace to": {"files.py"},  # of one argument: a path's, not a text's
    ".rename": set(),
    ".touch": set(),
    ".mkdir": {"files.py"},
    ".symlink_to": set(),
    ".hardlink_to": set(),
    ".unlink": {
        "demo/folder.py", "extract/extraction.py", "files.py",
        "locks.py", "train/run_folder.py",
    },
    ".rmdir": {"demo/folder.py"},
    "os.write": set(), "os.rename*": set(), "os.replace": set(), "os.remove*": set(),
    "os.*link": set(), "os.mk*": set(), "os.makedirs": set(), "os.rmdir": set(),
    "os.truncate": set(),
}  # fmt: skip
PRINTERS = {
    "builtins.print": {"terminal.py"},
    "builtins.input": set(),
    "sys.stdout": {"cli/common.py", "terminal.py"},  # the former asks whether it is a terminal
    "sys.stderr": {"cli/common.py", "terminal.py"},
    "sys.__std*": set(),
    "warnings.warn*": set(),
    "warnings.showwarning": {"terminal.py"},
    "logging": set(),
    "traceback": set(),
    "click": set(),
    "typer.echo": {"cli/__init__.py"},  # the help
    "typer.secho": set(),
    "rich": {"cli/common.py"},
}
OTHERS = {
    "builtins.eval": set(),
    "builtins.exec": set(),
    "builtins.compile": set(),
    "builtins.__import__": set(),
    "builtins.globals": set(),
    "builtins.vars": set(),
    "importlib.import_module": {"__init__.py", "predict/__init__.py", "video/__init__.py"},
    "os.system": set(),
    "os.popen": set(),
    "os.exec*": set(),
    "os.spawn*": set(),
    "os.posix_spawn*": set(),
    "subprocess": {"predict/render/live.py"},  # asks whether OpenCV has a window
    # The latter's lives as long as it.
    "concurrent.futures.ThreadPoolExecutor": {"threads.py", "train/trained_model.py"},
}
# What is imported at all: others read and write files, start processes or run code as well.
IMPORTED = """
    PIL __future__ array atexit av base64 cmath collections concurrent contextlib copy csv cv2
    dataclasses datetime einops errno fcntl fractions functools gc glob hashlib huggingface_hub
    importlib inspect io itertools json math matplotlib mimamo numbers numpy operator os pathlib
    onnxruntime phasenet pickletools platform re rich scipy shutil signal skimage stat statistics
    subprocess sys tempfile threading time tomli tomli_w tomllib torch typer types typing warnings
    weakref zipfile zlib
"""
ALONE = READERS | WRITERS | PRINTERS | OTHERS
# Of these it is no path that is opened, but what is open already, or a codec.
OPENERS = {
    *("os.open", "PIL.Image.open", "av.open", "~context.open", "~archive.open"),
    *("mimamo.tensor_file.TensorFile.open", "~TensorFile.open"),
}


def named(source: str) -> Iterator[tuple[int, str]]:
    """Line and full name of all that is named in a module, called or not.

    Names that are not imported begin with a tilde; what a call gave has none.
    """
    tree = ast.parse(source)
    origins = {name: f"builtins.{name}" for name in dir(builtins)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                origins[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                yield node.lineno, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                origins[alias.asname or top] = alias.name if alias.asname else top
                yield node.lineno, alias.name

    def full(node: ast.AST) -> str:
        if isinstance(node, ast.Name):
            return origins.get(node.id, f"~{node.id}")
        return f"{full(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""

    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            yield node.lineno, full(node)
        elif isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
            yield node.lineno, f"{full(node.func)} to"


def bound(source: str) -> Iterator[str]:
    """The names that a module gives to things, but for those in its classes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.asname or node.name
        elif isinstance(node, ast.Module | ast.FunctionDef):
            yield from (inner.name for inner in node.body if isinstance(inner, ast.FunctionDef))


def is_meant(rule: str, name: str) -> bool:
    """Whether a name is what a rule is of, or part of it."""
    if rule.startswith("."):
        is_function = name.startswith("mimamo.files.") or (rule == ".open" and name in OPENERS)
        return fnmatchcase(name, f"*{rule}") and not is_function
    return fnmatchcase(name, rule) or name.startswith(f"{rule}.")


@lru_cache
def names_in(root: Path) -> dict[str, set[tuple[str, int]]]:
    """The places of each name."""
    places: dict[str, set[tuple[str, int]]] = {}
    for path in sorted(root.rglob("*.py")):
        for line, name in named(path.read_text(encoding="utf-8")):
            places.setdefault(name, set()).add((path.relative_to(root).as_posix(), line))
    return places


@lru_cache
def found(rule: str, root: Path = ROOT) -> list[tuple[str, int, str]]:
    """File, line and name of all that a rule is of."""
    names = names_in(root).items()
    return sorted((*at, name) for name, places in names if is_meant(rule, name) for at in places)


@pytest.mark.parametrize("rule", ALONE)
def test_it_is_named_in_its_place_alone(rule: str) -> None:
    assert [place for place in found(rule) if place[0] not in ALONE[rule]] == []


def test_every_place_is_one() -> None:
    unused = {rule: ALONE[rule] - {place for place, *_ in found(rule)} for rule in ALONE}
    assert {rule: places for rule, places in unused.items() if places} == {}


def test_what_opens_and_prints_keeps_its_name() -> None:
    names = {path: set(bound(path.read_text(encoding="utf-8"))) for path in ROOT.rglob("*.py")}
    taken = {path: own & {"open", "print", "*"} for path, own in names.items()}
    assert {path: own for path, own in taken.items() if own} == {}


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("PIL.Image.open", {"video/image.py": "content = io.BytesIO(read_bytes(path, MOST_IMAGE"}),
        ("torch.load", {"model/torch_file.py": "open_file(path, MOST_WEIGHTS"}),
        (
            "zipfile.ZipFile",
            {
                "array_file.py": "as stream, zipfile.ZipFile(stream)",
                "model/torch_file.py": "zipfile.ZipFile(stream)",
            },
        ),
        ("numpy.lib.format.read_magic", {"array_file.py": "open_file(path, MOST_FEATURES"}),
        ("cv2.dnn.readNetFromONNX", {"faces/centerface.py": "read_bytes(self._path, MOST_MODEL)"}),
        (
            "onnxruntime.InferenceSession",
            {"model/onnx_session.py": "  content, options, "},
        ),
        ("cv2.FaceDetectorYN.create", {"faces/yunet.py": "read_bytes(path, MOST_MODEL)"}),
        (
            "av.open",
            {
                "video/container.py": "av.open(FilmFile(file)",
                "video/writer.py": "av.open(FilmFile(file)",
            },
        ),
        (".savefig", {"predict/render/plot.py": "replacing(path) as temporary"}),
    ],
)
def test_what_others_decode_comes_from_there(name: str, places: dict[str, str]) -> None:
    """Pillow, torch, OpenCV and FFmpeg are given what was opened, not a path."""
    assert {path for path, *_ in found(name)} == places.keys()
    for place, opened in places.items():
        assert opened in (ROOT / place).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("open('a')", "builtins.open"),
        ("o = open", "builtins.open"),
        ("list(map(open, paths))", "builtins.open"),
        ("import builtins\nbuiltins.open(p)", "builtins.open"),
        ("Path('a').open()", ".open"),
        ("self.path.open()", ".open"),
        ("Path('a').read_text()", ".read_text"),
        ("from json import load as x\nx(f)", "json.load"),
        ("from json import loads\nloads(t)", "json.loads"),
        ("from tomllib import load", "toml*.load"),
        ("from PIL.Image import open as x\nx(p)", "PIL.Image.open"),
        ("import PIL.Image\nPIL.Image.open(p)", "PIL.Image.open"),
        ("import zipfile as z\nz.ZipFile(p)", "zipfile"),
        ("from zipfile import ZipFile", "zipfile"),
        ("import tarfile", "tarfile"),
        ("import cv2\ncv2.VideoCapture(p)", "cv2.VideoCapture"),
        ("import cv2\ncv2.dnn.readNet(p)", "cv2.dnn.read*"),
        ("from cv2 import dnn\ndnn.readNet(p)", "cv2.dnn.read*"),
        ("import cv2\ncv2.imread(p)", ".imread*"),
        ("import cv2\ncv2.imwrite(p, x)", ".imwrite*"),
        ("figure.savefig(p)", ".savefig"),
        ("Image.fromarray(x).save(p)", ".save"),
        ("import numpy as np\nnp.save(p, x)", "numpy.save*"),
        ("import numpy as np\nnp.savetxt(p, x)", "numpy.save*"),
        ("import torch\ntorch.save(x, p)", "torch.save"),
        ("import shutil\nshutil.copy(a, b)", "shutil"),
        ("import os\nos.replace(a, b)", "os.replace"),
        ("Path(p).rename(q)", ".rename"),
        ("Path(p).replace(q)", ".replace to"),
        ("import sys\nsys.stdout.buffer.write(b)", "sys.stdout"),
        ("from sys import stdout\nstdout.write(b)", "sys.stdout"),
        ("import typer\ntyper.echo(x)", "typer.echo"),
        ("import logging\nlogging.warning(x)", "logging"),
        ("print(1)", "builtins.print"),
    ],
)
def test_the_search_finds_what_it_is_for(tmp_path: Path, source: str, rule: str) -> None:
    (tmp_path / "x.py").write_text(source)
    assert rule in ALONE
    assert found(rule, tmp_path)


@pytest.mark.parametrize("source", ["open = f", "def open(): ...", "from PIL.Image import open",
                                    "lambda open: 1", "from os import *"])  # fmt: skip
def test_and_names_that_are_taken(source: str) -> None:
    assert set(bound(source)) & {"open", "print", "*"}


def test_but_not_what_is_alike() -> None:
    names = [name for _, name in named("text.replace('a', 'b')\nself._save()\nbands.read_out()\n")]
    assert not [(rule, name) for rule in ALONE for name in names if is_meant(rule, name)]


def test_no_other_module_is_imported() -> None:
    """A module that is new here has to be thought of: above it may need a rule."""
    imported = set()
    for root in (ROOT, Path(phasenet.__file__).parent):
        for path in sorted(root.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    assert node.module is not None
                    imported.add(node.module.split(".")[0])
    assert imported == set(IMPORTED.split())
