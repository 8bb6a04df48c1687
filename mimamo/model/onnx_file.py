"""ONNX files, read into one piece that needs no other file.

A tensor of an ONNX file may lie in another one, which the file names (external data). onnxruntime
opens by itself what a model names, some releases of it anywhere on the disk; what it is given here
names nothing any more. Such files are read here, and only if they lie beside the model.

https://onnx.ai/onnx/repo-docs/IR.html, https://onnx.ai/onnx/repo-docs/ExternalData.html
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mimamo.errors import InputError
from mimamo.files import MOST_WEIGHTS, is_path, read_bytes
from mimamo.protobuf import BYTES, Field, bytes_before, fields, messages
from mimamo.settings import shown

SUFFIX = ".onnx"

# Where tensors are (onnx.proto): of each kind of message, by the numbers of fields, what they hold.
_PARTS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "function": {7: "node", 11: "attribute"},
}
_GRAPH = 7  # in a model
_RAW, _EXTERNAL, _WHERE = 9, 13, 14  # in a tensor; the last is 1 where it lies elsewhere


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file with all its tensors in it.

    Attributes:
        path: where it was.
        content: its bytes, if it names no other file; else a model of the same tensors.
    """

    path: Path
    content: bytes

    @cached_property
    def sha256(self) -> str:
        """Of the content, hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


def read_onnx(path: str | os.PathLike[str]) -> OnnxFile:
    """Read an ONNX file and what it has in files beside it.

    Raises InputError, naming the file, if it cannot be read, is no ONNX file or larger than 1 GiB
    in all, or if one that it names does not lie in its folder or is too short.
    """
    path = Path(path)
    return OnnxFile(path, _joined(path, read_bytes(path, MOST_WEIGHTS, "an ONNX file")))


def expect_alone(name: str, content: bytes) -> None:
    """InputError if a model names another file, as one in somebody's checkpoint may."""
    if _joined(Path(name), content, reads=False) is not content:
        raise InputError(
            f"{name}: expected all its tensors in it, got some with other files' names"
        )


def _joined(path: Path, content: bytes, reads: bool = True) -> bytes:
    try:
        if not any(messages(memoryview(content), _GRAPH)):
            raise ValueError("no graph")
        whole = _Joined(path, len(content), reads).message(memoryview(content), "model")
    except InputError:
        raise
    except (ValueError, IndexError, RecursionError) as error:
        raise InputError(f"{path}: expected an ONNX file, got something else") from error
    return whole if isinstance(whole, bytes) else content


class _Joined:
    """Puts the tensors that lie in other files into a model."""

    def __init__(self, path: Path, size: int, reads: bool) -> None:
        self._path, self._size, self._reads = path, size, reads
        self._files: dict[str, bytes] = {}

    def message(self, message: memoryview, kind: str) -> memoryview | bytes:
        """A message that names no file: itself where it does not."""
        if kind == "tensor":
            return self._tensor(message)
        parts: list[memoryview | bytes] = []
        changed = False
        for field in fields(message):
            inner = _PARTS[kind].get(field.number) if field.kind == BYTES else None
            if inner is None or isinstance(field.value, int):
                parts.append(field.whole)
                continue
            now = self.message(field.value, inner)
            if now is field.value:
                parts.append(field.whole)
            else:
                parts += [bytes_before(field.number, len(now)), now]
                changed = True
        return b"".join(parts) if changed else message

    def _tensor(self, message: memoryview) -> memoryview | bytes:
        found = list(fields(message))
        elsewhere = any(field.number == _WHERE and field.value != 0 for field in found)
        if not elsewhere and not any(field.number == _EXTERNAL for field in found):
            return message
        left = {_EXTERNAL, _WHERE} | ({_RAW} if elsewhere else set())
        parts: list[memoryview | bytes] = [f.whole for f in found if f.number not in left]
        if elsewhere:
            data = self._data(found)
            parts += [bytes_before(_RAW, len(data)), data]
        return b"".join(parts)

    def _data(self, tensor: Sequence[Field]) -> memoryview:
        """The numbers of a tensor that lie in another file."""
        told: dict[str, str] = {}
        for entry in (field.value for field in tensor if field.number == _EXTERNAL):
            if not isinstance(entry, int):
                texts = {f.number: _text(f) for f in fields(entry)}
                told[texts.get(1, "")] = texts.get(2, "")
        location = told.get("location", "")
        content = memoryview(self._beside(location))
        offset = self._number(told.get("offset", "0"))
        length = self._number(told.get("length", str(max(len(content) - offset, 0))))
        self._size += length
        if self._size > MOST_WEIGHTS:
            raise InputError(
                f"{self._path}: expected an ONNX file of at most {MOST_WEIGHTS:,} bytes with all "
                "its tensors, got more"
            )
        if offset + length > len(content):
            raise InputError(
                f"{self._path.parent / location}: expected {offset + length:,} bytes or more, as "
                f"{self._path.name} says, got {len(content):,}"
            )
        return content[offset : offset + length]

    def _beside(self, name: str) -> bytes:
        """The content of another file. Raises InputError if it does not lie beside the model."""
        if not self._reads:
            raise InputError(f"{self._path}: expected all its tensors in it, got {shown(name)}")
        if name in self._files:
            return self._files[name]
        place = self._path.parent / name
        plain = name not in ("", ".", "..") and "/" not in name and "\\" not in name
        # The hub's client has links in folders, of model and tensors alike.
        folders = {os.path.realpath(self._path.parent), os.path.dirname(_real(self._path))}
        plain = plain and name.isprintable() and is_path(name)
        if not plain or os.path.dirname(_real(place)) not in folders:
            raise InputError(
                f"{self._path}: expected its tensors in a file beside it, got {shown(name)}"
            )
        self._files[name] = read_bytes(place, MOST_WEIGHTS, f"tensors of {self._path.name}")
        return self._files[name]

    def _number(self, text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) < 16):
            raise InputError(f"{self._path}: expected a number of bytes, got {shown(text)}")
        return int(text)


def _text(field: Field) -> str:
    return "" if isinstance(field.value, int) else str(field.value, "utf-8")


def _real(path: Path) -> str:
    return os.path.realpath(path)
