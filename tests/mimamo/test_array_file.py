"""Arrays by others, read in full or refused, whatever their file says of itself."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mimamo import InputError
from mimamo.array_file import read_arrays


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8", "<i8", "u1", "longdouble"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (3,), (0, 5), (4, 5)])
def test_npy(tmp_path: Path, dtype: str, order: str, shape: tuple[int, ...]) -> None:
    wanted = np.asarray(np.random.default_rng().normal(size=shape) * 9, dtype, order=order)
    np.save(tmp_path / "a.npy", wanted)
    found = read_arrays(tmp_path / "a.npy")[""]
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def test_several_and_no_texts(tmp_path: Path) -> None:
    rows, frames = np.random.default_rng().normal(size=(4, 5)), np.arange(4)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", features=rows, frames=frames, names=np.array(["a"]),
             pickled=np.array([{}], object))  # fmt: skip
        found = read_arrays(tmp_path / "a.npz")
        assert found.keys() == {"features", "frames"}
        np.testing.assert_array_equal(found["features"], rows)
        np.testing.assert_array_equal(found["frames"], frames)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.int32])
def test_safetensors(tmp_path: Path, dtype: torch.dtype) -> None:
    wanted = torch.tensor([[1.5, -2.0, 8.0]]).to(dtype)
    save_file({"x": wanted, "y": torch.tensor([True])}, tmp_path / "a.safetensors")
    found = read_arrays(tmp_path / "a.safetensors")
    assert found.keys() == {"x"}
    np.testing.assert_array_equal(found["x"], wanted.double().numpy())


def npy(shape: object, descr: str = "<f4", data: bytes = b"") -> bytes:
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize(
    "content",
    [npy((1 << 50,)), npy((-1, 4), data=bytes(16)), npy((2, 2), data=bytes(15)), npy("x"), b"",
     npy((2,), "<f4", bytes(4)), b"PK\x03\x04", npy((0, 1 << 90)), b"(dp0\n."],
)  # fmt: skip
def test_what_is_not_in_it_takes_no_memory(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("features.npy", content)
    for name in ("a.npy", "a.npz"):
        message = rf"^{re.escape(str(tmp_path / name))}: expected a file of arrays, got a damaged"
        with pytest.raises(InputError, match=message):
            read_arrays(tmp_path / name)


def test_nothing_is_unpacked_beyond_what_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "a.npz", features=np.zeros((1000, 100)))
    assert (tmp_path / "a.npz").stat().st_size < 10_000
    monkeypatch.setattr("mimamo.array_file.MOST_FEATURES", 100_000)
    with pytest.raises(InputError, match=r"a\.npz: expected at most 100,000 bytes, got 800,128"):
        read_arrays(tmp_path / "a.npz")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Call:
        def __reduce__(self) -> tuple:
            return pytest.fail, ("unpickled",)

    content = io.BytesIO()
    np.save(content, np.array([Call()], object), allow_pickle=True)
    (tmp_path / "a.npy").write_bytes(content.getvalue())
    assert read_arrays(tmp_path / "a.npy") == {}
