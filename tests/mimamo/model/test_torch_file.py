"""PyTorch's files that ask for more than a state dict's tensors, or say that these are larger."""

from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mimamo import InputError
from mimamo.model.torch_file import read_torch, torch_outline
from mimamo.model.weights import read_weights

MUCH = 1 << 28
TENSORS = {"a": torch.arange(300.0), "b": torch.ones(2, 3)}


def bytes_of(zipped: bool, content: object = TENSORS) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def with_pickle(change: Callable[[bytes], bytes]) -> bytes:
    """An archive whose pickle is another one."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(bytes_of(True))) as source,
        zipfile.ZipFile(file, "w") as target,
    ):
        for entry in source.infolist():
            content = source.read(entry)
            changed = change(content) if entry.filename.endswith("data.pkl") else content
            target.writestr(entry.filename, changed)
    return file.getvalue()


class Called:
    """What a pickle holds of it is a call."""

    def __init__(self, *call: object) -> None:
        self.call = call

    def __reduce__(self) -> tuple[object, ...]:
        return self.call[0], self.call[1:]


BOMB = pickle.dumps({"a": Called(bytearray, MUCH)}, 2)
LEGACY = b"".join(pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, {}))
SAFE = pickle.dumps({}, 2)


@pytest.mark.parametrize(
    "content",
    [
        with_pickle(lambda _: BOMB),
        LEGACY + BOMB + pickle.dumps([], 2),
        LEGACY + SAFE + BOMB,
        BOMB,
        # What torch reads as one thing and others as another.
        LEGACY + BOMB + bytes_of(True),
        bytes_of(True) + with_pickle(lambda _: BOMB),
        with_pickle(lambda _: BOMB) + bytes_of(True),
    ],
    ids=["zip", "legacy", "keys", "no mark", "legacy, zip", "zip, bomb", "bomb, zip"],
)
def test_it_calls_nothing_that_makes_memory(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"w\.pth: expected a PyTorch file of tensors alone"):
            read_weights(path)
        assert tracemalloc.get_traced_memory()[1] < MUCH / 8
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "value",
    [torch.ones(2).to_sparse(), torch.ones(2, device="meta"), b"text", {1, 2}, torch.Size([1])],
    ids=["sparse", "no numbers", "bytes", "set", "shape"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_nor_anything_else(tmp_path: Path, value: object, zipped: bool) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(bytes_of(zipped, {"a": torch.ones(1), "epoch": value}))
    with pytest.raises(InputError, match=r"w\.pth: expected a PyTorch file of tensors alone"):
        read_weights(path)


def test_numbers_that_say_they_are_a_folder(tmp_path: Path) -> None:
    """Of which torch would give whatever was in the memory."""
    content = bytearray(bytes_of(True))
    directory = content.index(b"PK\x01\x02")
    content[content.index(b"archive/data/0", directory) - 46 + 38] |= 0x10
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    for numbers in (True, False):
        with pytest.raises(InputError, match=r"w\.pth: expected a PyTorch file of tensors alone"):
            read_torch(path, numbers=numbers)


def test_a_pickle_of_marks_is_not_read(tmp_path: Path) -> None:
    """Each of its bytes would be a list."""
    path = tmp_path / "w.pth"
    for content in (with_pickle(lambda _: b"(" * (1 << 21)), LEGACY + b"(" * (1 << 21)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"w\.pth: expected a PyTorch file of tensors alone"):
            read_weights(path)


def longer(content: bytes) -> bytes:
    """The 300 numbers of a storage become 300,000."""
    assert b"M" + struct.pack("<H", 300) in content
    return content.replace(b"M" + struct.pack("<H", 300), b"J" + struct.pack("<i", 300_000))


@pytest.mark.parametrize("content", [with_pickle(longer), longer(bytes_of(False))])
def test_a_storage_larger_than_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"w\.pth: expected "):
        torch_outline(path)
    with pytest.raises(InputError, match=r"w\.pth: expected "):
        read_torch(path)


def test_a_tensor_that_repeats_a_number_without_end(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(bytes_of(True, {"a": torch.ones(1).expand(1 << 40)}))
    with pytest.raises(InputError, match=r"w\.pth: expected tensors that are in it"):
        read_weights(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_what_is_read(tmp_path: Path, zipped: bool) -> None:
    """Parameters and shared numbers too, which state dicts of others hold."""
    shared = torch.arange(6.0)
    content = {
        "plain": torch.ones(2, 3, dtype=torch.bfloat16),
        "parameter": torch.nn.Parameter(torch.ones(4)),
        "whole": shared,
        "part": shared[2:5],
        "count": torch.tensor(3),
        "none": torch.empty(0, 3),
    }
    path = tmp_path / "w.pth.tar"
    path.write_bytes(bytes_of(zipped, {"state_dict": content, "epoch": 3, "best": 0.5}))
    file = read_weights(path)
    for name, value in content.items():
        outline = file.outline[name]
        assert (outline.shape, outline.dtype, outline.is_meta) == (value.shape, value.dtype, True)
        assert torch.equal(file.tensors[name], value)
