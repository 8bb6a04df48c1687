"""The weights in an ONNX file, without a library for such files.

An ONNX file is a protobuf message (https://onnx.ai/onnx/repo-docs/IR.html): a model, which has a
graph, which has nodes in the order in which they are computed, and named tensors.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from mimamo.errors import InputError
from mimamo.files import read_bytes

_MOST = 64 << 20  # bytes of a file, every field of which is looked at

# Numbers of fields (onnx.proto), and of the type float32 among those of tensors.
_GRAPH = 7
_NODE, _TENSOR = 1, 5  # in a graph
_INPUT = 1  # in a node
_DIMS, _TYPE, _NAME, _CONTENT = 1, 2, 8, (4, 9)  # in a tensor
_FLOAT32 = 1

_Field = tuple[int, "int | memoryview"]


def read_weights(path: str | os.PathLike[str]) -> list[np.ndarray]:
    """The float32 tensors of an ONNX file that its nodes take, in the order in which they do.

    Raises InputError, naming the file, if it cannot be read or is no ONNX file.
    """
    content = memoryview(read_bytes(path, _MOST, "an ONNX file"))
    try:
        return _weights(content)
    except (ValueError, IndexError, OverflowError) as error:
        raise InputError(f"{path}: expected an ONNX file, got something else") from error


def _weights(model: memoryview) -> list[np.ndarray]:
    tensors: dict[bytes, np.ndarray] = {}
    names: list[bytes] = []
    for graph in _messages(model, _GRAPH):
        for message in _messages(graph, _TENSOR):
            tensors |= _tensor(message)
        for node in _messages(graph, _NODE):
            names += map(bytes, _messages(node, _INPUT))
    return [tensors[name] for name in names if name in tensors]


def _tensor(message: memoryview) -> dict[bytes, np.ndarray]:
    """A tensor by its name; nothing if it is not one of float32."""
    shape: list[int] = []
    kind, name, content = 0, b"", memoryview(b"")
    for number, value in _fields(message):
        if number == _DIMS:
            shape += [value] if isinstance(value, int) else _integers(value)
        elif number == _TYPE and isinstance(value, int):
            kind = value
        elif number == _NAME and not isinstance(value, int):
            name = bytes(value)
        elif number in _CONTENT and not isinstance(value, int):
            content = value
    return {name: np.frombuffer(content, "<f4").reshape(shape)} if kind == _FLOAT32 else {}


def _messages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """The fields of a number that are bytes, such as messages and names."""
    for number, value in _fields(message):
        if number == wanted and not isinstance(value, int):
            yield value


def _fields(message: memoryview) -> Iterator[_Field]:
    """A message's fields: the number of each, and a whole number or bytes."""
    place = 0
    while place < len(message):
        key, place = _integer(message, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _integer(message, place)
            yield number, value
            continue
        if kind == 2:
            length, place = _integer(message, place)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"no field is of kind {kind}")
        if length > len(message) - place:
            raise ValueError("a field ends behind its message")
        yield number, message[place : place + length]
        place += length


def _integers(packed: memoryview) -> list[int]:
    found, place = [], 0
    while place < len(packed):
        value, place = _integer(packed, place)
        found.append(value)
    return found


def _integer(message: memoryview, place: int) -> tuple[int, int]:
    """The whole number at a place, seven bits a byte and the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number has at most ten bytes")
