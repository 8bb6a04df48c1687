"""Small ONNX files, written field by field, so that any of them can be wrong.

A picture's features are the mean of each channel times a matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mimamo.protobuf import bytes_before

WEIGHTS = np.array([[1.0, 0.0, 0.0, 1.0], [0.0, 2.0, 0.0, 1.0], [0.0, 0.0, -3.0, 1.0]], np.float32)
_TYPES = {"float32": 1, "int64": 7, "float16": 10, "float64": 11}


def field(number: int, value: bytes | str | int) -> bytes:
    """A field of a message."""
    if isinstance(value, int):
        head = bytes_before(number, 0)[:-1]
        return bytes([head[0] - 2, *head[1:]]) + bytes_before(0, value)[1:]
    content = value.encode() if isinstance(value, str) else value
    return bytes_before(number, len(content)) + content


def tensor(name: str, values: np.ndarray, **elsewhere: Any) -> bytes:
    """A tensor; with `location` and so on it lies in another file."""
    told = b"".join(field(1, side) for side in values.shape)
    told += field(2, _TYPES[str(values.dtype)]) + field(8, name)
    if not elsewhere:
        return told + field(9, values.tobytes())
    entries = (field(1, key) + field(2, str(value)) for key, value in elsewhere.items())
    return told + b"".join(field(13, entry) for entry in entries) + field(14, 1)


def node(kind: str, inputs: Sequence[str], output: str, *attributes: bytes) -> bytes:
    """A node of one output."""
    told = b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind)
    return told + b"".join(field(5, attribute) for attribute in attributes)


def whole(name: str, value: int) -> bytes:
    """An attribute that is a whole number."""
    return field(1, name) + field(3, value) + field(20, 2)


def _list(name: str, *values: int) -> bytes:
    return field(1, name) + b"".join(field(8, value) for value in values) + field(20, 7)


def value(name: str, shape: Sequence[int | str], dtype: str = "float32") -> bytes:
    """What the graph says of an input or output; a text is a side of any length."""
    sides = (field(1, field(2 if isinstance(side, str) else 1, side)) for side in shape)
    kind = field(1, _TYPES[dtype]) + field(2, b"".join(sides))
    return field(1, name) + field(2, field(1, kind))


def model(
    nodes: Sequence[bytes], tensors: Sequence[bytes], inputs: Sequence[bytes],
    outputs: Sequence[bytes],
) -> bytes:  # fmt: skip
    """A whole file."""
    parts = ((1, nodes), (5, tensors), (11, inputs), (12, outputs))
    graph = field(2, "g") + b"".join(field(n, part) for n, some in parts for part in some)
    return field(1, 8) + field(7, graph) + field(8, field(2, 17))


def means(
    shape: Sequence[int | str] = ("n", 3, 24, 24),
    dtype: str = "float32",
    weights: np.ndarray = WEIGHTS,
    name: str = "y",
    **elsewhere: Any,
) -> bytes:
    """A file whose output is the channels' means times `weights`."""
    weights = weights.astype(dtype)
    first = []
    source = "x"
    if list(shape[3:]) == [3]:
        first, source = [node("Transpose", ["x"], "t", _list("perm", 0, 3, 1, 2))], "t"
    nodes = [
        *first,
        node("ReduceMean", [source], "pooled", _list("axes", 2, 3)),
        node("Flatten", ["pooled"], "flat", whole("axis", 1)),
        node("MatMul", ["flat", "w"], name),
    ]
    out = [value(name, (shape[0], weights.shape[1]), dtype)]
    return model(nodes, [tensor("w", weights, **elsewhere)], [value("x", shape, dtype)], out)


def write(path: Path, *arguments: Any, **settings: Any) -> Path:
    """Write such a file."""
    path.write_bytes(means(*arguments, **settings))
    return path
