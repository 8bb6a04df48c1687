"""ONNX files in one piece: what lies beside them, and nothing else, is read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from support.onnx_files import WEIGHTS, field, means, model, node, tensor, value

from mimamo import InputError
from mimamo.model import onnx_file
from mimamo.model.onnx_file import expect_alone, read_onnx

NUMBERS = WEIGHTS.tobytes()


def given(folder: Path, content: bytes, name: str = "m.onnx") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path


def test_a_file_that_names_no_other_is_itself(tmp_path: Path) -> None:
    content = means()
    found = read_onnx(given(tmp_path, content))
    assert found.content == content
    assert found.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("told", [{}, {"offset": 0, "length": 48}, {"length": 48, "checksum": "x"}])
def test_what_lies_beside_it_is_put_in(tmp_path: Path, told: dict[str, int]) -> None:
    (tmp_path / "w.data").write_bytes(NUMBERS)
    found = read_onnx(given(tmp_path, means(location="w.data", **told)))
    assert found.content == means()  # as if it had been there from the start
    assert b"w.data" not in found.content


def test_a_part_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "w.data").write_bytes(bytes(4096) + NUMBERS + bytes(7))
    told = {"location": "w.data", "offset": 4096, "length": 48}
    assert read_onnx(given(tmp_path, means(**told))).content == means()


def test_wherever_in_the_model_it_is_named(tmp_path: Path) -> None:
    """In constants, graphs inside, sparse tensors, functions and what trains it."""
    (tmp_path / "w.data").write_bytes(NUMBERS)
    far = tensor("w", WEIGHTS, location="w.data")
    near = tensor("w", WEIGHTS)

    def everywhere(part: bytes) -> bytes:
        inner = field(5, part)
        attributes = [field(5, part), field(10, part), field(6, inner), field(11, inner),
                      field(22, field(1, part)), field(23, field(2, part))]  # fmt: skip
        nodes = [node("Constant", [], "c", field(1, "value") + a) for a in attributes]
        graph = b"".join(field(1, n) for n in nodes) + field(15, field(1, part)) + inner
        trained = field(20, field(1, graph) + field(2, graph))
        function = field(25, field(7, nodes[0]) + field(11, field(5, part)))
        return field(7, graph) + trained + function

    assert read_onnx(given(tmp_path, everywhere(far))).content == everywhere(near)


BAD = [
    (b"", "expected an ONNX file, got something else"),
    (b"no ONNX", "expected an ONNX file, got something else"),
    (field(1, 8), "expected an ONNX file, got something else"),
    (means()[:-3], "expected an ONNX file, got something else"),
    (means() + b"\x0b", "expected an ONNX file, got something else"),  # a group
    (means() + b"\x80\x80\x80\x80\x10\x00", "expected an ONNX file, got something"),  # a number
    (means(location=""), "expected its tensors in a file beside it, got ''"),
    (means(location=".."), "expected its tensors in a file beside it, got '..'"),
    (means(location="../secret"), "expected its tensors in a file beside it, got '../secret'"),
    (means(location="/etc/passwd"), "expected its tensors in a file beside it, got '/etc/passwd'"),
    (means(location="in/w.data"), "expected its tensors in a file beside it, got 'in/w.data'"),
    (means(location="*/_ORT_MEM_ADDR_/*"), "expected its tensors in a file beside it, got"),
    (means(location="w\0"), "expected its tensors in a file beside it, got 'w\\x00'"),
    (means(location="a\nb"), "expected its tensors in a file beside it, got 'a\\nb'"),
    (means(location="link"), "expected its tensors in a file beside it, got 'link'"),
    (means(location="round"), "round: cannot be read: Too many levels of symbolic links"),
    (means(location="w.data", offset=-1), "expected a number of bytes, got '-1'"),
    (means(location="w.data", length="9" * 99), "expected a number of bytes, got '999"),
    (means(location="w.data", offset=8, length=48), "w.data: expected 56 bytes or more, as m.onnx"),
    (means(location="w.data", offset=99), "w.data: expected 99 bytes or more, as m.onnx says, got"),
    (means(location="none"), "none: cannot be read: No such file or directory"),
    (means(location="folder"), "folder: expected tensors of m.onnx, got a folder"),
]


@pytest.mark.parametrize(("content", "message"), BAD, ids=range(len(BAD)))
def test_what_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(NUMBERS)
    folder = tmp_path / "models"
    path = given(folder, content)
    (folder / "w.data").write_bytes(NUMBERS)
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("../secret")
    (folder / "round").symlink_to("round")
    with pytest.raises(InputError) as caught:
        read_onnx(path)
    text = str(caught.value)
    assert text.startswith(str(folder))
    assert message in text
    assert "\n" not in text


def test_a_hubs_folder_of_links(tmp_path: Path) -> None:
    """Model and tensors are links into one folder."""
    given(tmp_path / "blobs", means(location="w.data"), "a1")
    (tmp_path / "blobs/b2").write_bytes(NUMBERS)
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot/m.onnx").symlink_to("../blobs/a1")
    (tmp_path / "snapshot/w.data").symlink_to("../blobs/b2")
    assert read_onnx(tmp_path / "snapshot/m.onnx").content == means()


@pytest.mark.parametrize("more", [field(14, 1), field(13, field(1, "location")), b""])
def test_a_model_that_is_alone(more: bytes) -> None:
    near = tensor("w", WEIGHTS) + more
    content = model([], [near], [value("x", ("n", 3))], [])
    if not more:
        expect_alone("m.onnx", content)
        return
    with pytest.raises(InputError, match=r"^m\.onnx: expected all its tensors in it, got "):
        expect_alone("m.onnx", content)


def test_many_tensors_of_one_file_are_too_large(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(onnx_file, "MOST_WEIGHTS", 900)
    (tmp_path / "w.data").write_bytes(NUMBERS)
    tensors = [tensor(f"w{n}", WEIGHTS, location="w.data") for n in range(20)]
    path = given(tmp_path, model([], tensors, [value("x", ("n", 3))], []))
    with pytest.raises(InputError, match=r"m\.onnx: expected an ONNX file of at most 900 bytes"):
        read_onnx(path)


def test_graphs_in_graphs_are_no_fault_of_python(tmp_path: Path) -> None:
    graph = field(2, "g")
    for _ in range(2000):
        graph = field(1, field(5, field(6, graph)))
    with pytest.raises(InputError, match="expected an ONNX file, got something else"):
        read_onnx(given(tmp_path, field(7, graph)))


@pytest.mark.parametrize("seed", range(2))
def test_damage_is_one_line(tmp_path: Path, seed: int) -> None:
    """Whatever bits are flipped, another file is read only where it lies beside the model."""
    rng = np.random.default_rng(seed)
    whole = means(location="w.data", offset=0, length=48)
    path = given(tmp_path / "models", whole)
    (path.parent / "w.data").write_bytes(NUMBERS)
    for _ in range(50):
        damaged = bytearray(whole)
        for place in rng.integers(len(whole), size=2):
            damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            content = read_onnx(path).content
        except InputError as error:
            message = str(error)
            assert message.startswith(str(path.parent) + os.sep), message
            assert "\n" not in message
        else:  # names no other any more
            assert read_onnx(given(tmp_path / "alone", content)).content == content
