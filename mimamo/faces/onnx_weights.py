"""The weights in an ONNX file, without a library for such files.

An ONNX file is a protobuf message (https://onnx.ai/onnx/repo-docs/IR.html): a model, which has a
graph, which has nodes in the order in which they are computed, and named tensors.
"""

from __future__ import annotations

import os

import numpy as np

from mimamo.errors import InputError
from mimamo.files import read_bytes
from mimamo.protobuf import fields, integers, messages

_MOST = 64 << 20  # bytes of a file, every field of which is looked at

# Numbers of fields (onnx.proto), and of the type float32 among those of tensors.
_GRAPH = 7
_NODE, _TENSOR = 1, 5  # in a graph
_INPUT = 1  # in a node
_DIMS, _TYPE, _NAME, _CONTENT = 1, 2, 8, (4, 9)  # in a tensor
_FLOAT32 = 1


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
    for graph in messages(model, _GRAPH):
        for message in messages(graph, _TENSOR):
            tensors |= _tensor(message)
        for node in messages(graph, _NODE):
            names += map(bytes, messages(node, _INPUT))
    return [tensors[name] for name in names if name in tensors]


def _tensor(message: memoryview) -> dict[bytes, np.ndarray]:
    """A tensor by its name; nothing if it is not one of float32."""
    shape: list[int] = []
    kind, name, content = 0, b"", memoryview(b"")
    for number, _, value, _ in fields(message):
        if number == _DIMS:
            shape += [value] if isinstance(value, int) else integers(value)
        elif number == _TYPE and isinstance(value, int):
            kind = value
        elif number == _NAME and not isinstance(value, int):
            name = bytes(value)
        elif number in _CONTENT and not isinstance(value, int):
            content = value
    return {name: np.frombuffer(content, "<f4").reshape(shape)} if kind == _FLOAT32 else {}
