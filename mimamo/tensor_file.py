"""Safetensors files: named tensors, and of this package's own a note in JSON with a checksum.

They are read, never mapped: a file that is cut short while it is in use gives an error, not the end
of the process.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from mimamo.errors import InputError
from mimamo.files import MOST_TENSORS, open_file, parse_json, write_chunks
from mimamo.settings import is_whole, shown

CHECKSUM = "crc32"  # in a note, the checksum of all that the file holds
MOST_HEADER = 64 << 20  # bytes
_CHUNK = 1 << 18  # bytes read at a time where all are looked at; they stay in the CPU's cache
_DTYPES = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16,
    "I32": torch.int32, "I64": torch.int64, "F16": torch.float16, "BF16": torch.bfloat16,
    "F32": torch.float32, "F64": torch.float64, "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2, "U16": torch.uint16, "U32": torch.uint32, "U64": torch.uint64,
}  # fmt: skip
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_MOST_SIDES = 64  # of a tensor, as in torch
_MOST_ENTRIES = 100_000
_MOST_PARTS = 1 << 21  # lists, dicts and commas of a header, of which each takes memory


class StoredRows:
    """A tensor that stays in its file; its rows are read when they are asked for.

    ``rows[a:b]``, ``rows[:]`` and ``rows[indices]`` (int64 ``[n]``) give tensors. Raises InputError
    where the file can no longer be read or is not the one that was opened.
    """

    def __init__(self, file: TensorFile, name: str) -> None:
        self._file, self._name = file, name
        self.dtype, self.shape = file.entries[name].dtype, torch.Size(file.entries[name].shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        if isinstance(rows, slice):
            first, last, _ = rows.indices(len(self))
            return self._file.read(self._name, first, max(first, last))
        if not len(rows):
            return self[:0]
        first, last = int(rows.min()), int(rows.max()) + 1
        stretch = self[first:last]
        in_order = torch.equal(rows, torch.arange(first, last))  # as most clips are
        return stretch if in_order else stretch[rows - first]


Rows: TypeAlias = Tensor | StoredRows  # of a video: in memory, or in its file


class Entry(NamedTuple):
    """A tensor in a file: what it is, and at which byte it begins."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int

    @property
    def size(self) -> int:
        """Its bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class TensorFile:
    """What a file says it holds, all of which is there.

    Attributes:
        path: the file.
        entries: its tensors.
        metadata: texts by name.
        identity: by which another file under its name is noticed.
    """

    path: Path
    entries: dict[str, Entry]
    metadata: dict[str, str]
    identity: tuple[int, ...]

    @classmethod
    def open(cls, path: str | os.PathLike[str], most: int = MOST_TENSORS) -> TensorFile:
        """Read the header of a file of at most `most` bytes.

        Raises InputError if it cannot be read, ValueError if it is none or not whole.
        """
        with open_file(path, most) as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(MOST_HEADER, size - 8):
                raise ValueError("no header")
            text = file.read(length)
            if sum(map(text.count, (b"[", b"{", b","))) > _MOST_PARTS:
                raise ValueError("a header of too many parts")
            header = parse_json(text)
            if not isinstance(header, dict) or len(header) > _MOST_ENTRIES:
                raise ValueError("no header")
            metadata = header.pop("__metadata__", {})
            texts = isinstance(metadata, dict) and all(type(v) is str for v in metadata.values())
            if not texts:
                raise ValueError("metadata that is no text")
            entries = {name: _entry(name, entry, 8 + length) for name, entry in header.items()}
            end = 8 + length
            for begin, taken, name in sorted(
                (e.begin, e.size, name) for name, e in entries.items()
            ):
                if begin != end:
                    raise ValueError(f"{name:.80} is not where it should be")
                end += taken
            if end != size:
                raise ValueError(f"expected {end} bytes, got {size}")
            return cls(Path(path), entries, metadata, _identity(file))

    def read(self, name: str, first: int = 0, last: int | None = None) -> Tensor:
        """A tensor, or its rows from `first` up to `last`. Raises InputError as `StoredRows`."""
        dtype, shape, begin = self.entries[name]
        if shape:
            row = math.prod(shape[1:]) * dtype.itemsize
            shape = ((shape[0] if last is None else last) - first, *shape[1:])
            begin += first * row
        count = math.prod(shape)
        if not count:
            return torch.empty(shape, dtype=dtype)
        data = torch.empty(count * dtype.itemsize, dtype=torch.uint8)
        with self._same() as file:
            file.seek(begin)
            self._fill(file, data.numpy())
        return data.view(dtype).reshape(shape)

    def chunks(self, name: str) -> Iterator[bytearray]:
        """The bytes of a tensor, some at a time. Raises InputError as `StoredRows`."""
        left = self.entries[name].size
        with self._same() as file:
            file.seek(self.entries[name].begin)
            while left:
                data = bytearray(min(_CHUNK, left))
                self._fill(file, data)
                left -= len(data)
                yield data

    def tensors(self) -> dict[str, Tensor]:
        """All of them, in memory."""
        return {name: self.read(name) for name in self.entries}

    def outline(self) -> dict[str, Tensor]:
        """All of them without their numbers, on the meta device."""
        return {
            name: torch.empty(entry.shape, dtype=entry.dtype, device="meta")
            for name, entry in self.entries.items()
        }

    def note(self, key: str) -> dict[str, Any]:
        """The note under `key`. Raises ValueError if there is none."""
        note = parse_json(self.metadata.get(key, ""))
        if not isinstance(note, dict):
            raise ValueError(f"no {key}")
        return note

    @contextmanager
    def _same(self) -> Iterator[BinaryIO]:
        with open_file(self.path, None) as file:
            if _identity(file) != self.identity:
                raise InputError(f"{self.path}: was changed while it was used; begin again")
            yield file

    def _fill(self, file: BinaryIO, data: bytearray | np.ndarray) -> None:
        if file.readinto(data) != len(data):  # type: ignore[attr-defined]  # typeshed leaves it out
            raise InputError(f"{self.path}: was cut short while it was used")


def checksum(
    note: Mapping[str, Any], entries: Mapping[str, Any], chunks: Callable[[str], Iterable[Any]]
) -> int:
    """CRC-32 of a file: of each tensor what it is and, from `chunks`, its bytes; and of the note.

    Args:
        note: what is in it as `CHECKSUM` is left out.
        entries: the tensors, or what has their dtype and shape.
        chunks: gives the bytes of a tensor by its name.
    """
    rest = {name: value for name, value in note.items() if name != CHECKSUM}
    found = zlib.crc32(json.dumps(rest, sort_keys=True).encode())
    for name, entry in sorted(entries.items()):
        found = zlib.crc32(f"{name} {entry.dtype} {list(entry.shape)}".encode(), found)
        for chunk in chunks(name):
            found = zlib.crc32(chunk, found)
    return found


def checked(
    note: Mapping[str, Any], known: Collection[str], found: Callable[[], int]
) -> dict[str, Any]:
    """A note without its checksum.

    Raises ValueError if that is not the one `found`, or if it has an entry that is not `known`.
    """
    rest = dict(note)
    stated = rest.pop(CHECKSUM, None)
    if unknown := rest.keys() - known:
        raise ValueError(f"unknown entry {shown(min(unknown))}")
    if stated != found():
        raise ValueError("its contents do not have its checksum")
    return rest


def tensors_checksum(note: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> int:
    """The `checksum` of tensors in memory."""
    return checksum(note, tensors, lambda name: [bytes_of(tensors[name])])


def save_tensors(path: Path, tensors: Mapping[str, Rows], key: str, note: Any) -> None:
    """Write tensors with `note` under `key`, whole or not at all; the same give the same bytes.

    Raises InputError, naming the file, if it cannot be written.
    """
    whole = {k: v[:] if isinstance(v, StoredRows) else v for k, v in tensors.items()}
    note = json.loads(json.dumps(note))  # as it is read
    note[CHECKSUM] = tensors_checksum(note, whole)
    header: dict[str, Any] = {"__metadata__": {key: json.dumps(note, sort_keys=True)}}
    # The largest numbers first, so that each lies at a multiple of its size.
    order = sorted(whole, key=lambda name: (-whole[name].element_size(), name))
    end = 0
    for name in order:
        value, begin = whole[name], end
        end += value.numel() * value.element_size()
        shape, offsets = list(value.shape), [begin, end]
        header[name] = {"dtype": _CODES[value.dtype], "shape": shape, "data_offsets": offsets}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    content = (bytes_of(whole[name]) for name in order)
    write_chunks(path, chain([len(text).to_bytes(8, "little"), text], content))


def load_tensors(
    path: Path, key: str, known: Collection[str], message: str, most: int = MOST_TENSORS
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors of a file of at most `most` bytes and its note, whose entries are `known`.

    Raises InputError if it is larger, and with the file and `message` of the reason ("{}") if it
    is not whole or has no such note.
    """
    try:
        file = TensorFile.open(path, most)
        tensors, note = file.tensors(), file.note(key)
        return tensors, checked(note, known, lambda: tensors_checksum(note, tensors))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: {message.format(error)}") from error


def load_note(path: Path, key: str) -> dict[str, Any]:
    """The note of a file alone; empty where there is no such file, or none that is whole."""
    try:
        note = TensorFile.open(path).note(key)
    except ValueError:
        return {}
    return {name: value for name, value in note.items() if name != CHECKSUM}


def named_under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin with `prefix`, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _identity(file: BinaryIO) -> tuple[int, ...]:
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _entry(name: str, content: Any, base: int) -> Entry:
    """A header's entry. Raises ValueError if it is none."""
    try:
        dtype, shape, (begin, end) = (content[k] for k in ("dtype", "shape", "data_offsets"))
        entry = Entry(_DTYPES[dtype], tuple(shape), base + begin)
        numbers = [begin, end, *shape]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{name:.80} is no tensor") from error
    few = len(numbers) <= 2 + _MOST_SIDES
    sane = few and all(is_whole(number, 0, MOST_TENSORS) for number in numbers)
    if not sane or math.prod(max(side, 1) for side in shape) > MOST_TENSORS:
        raise ValueError(f"{name:.80} has sizes that cannot be")
    if entry.size != end - begin:
        raise ValueError(f"{name:.80} has {end - begin} bytes instead of {entry.size}")
    return entry


def bytes_of(tensor: Tensor) -> Any:
    """The bytes of a tensor, uint8, as an array."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
