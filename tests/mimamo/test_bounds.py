"""Numbers that come from files or options are refused by name before anything is made of them."""

from __future__ import annotations

import json
import resource
import zipfile
from pathlib import Path

import pytest
import torch
from support.damage import retold

from mimamo import InputError, MIMAMOConfig, MIMAMONet, load_checkpoint, save_checkpoint
from mimamo.cli import main
from mimamo.data.cache import Manifest
from mimamo.evaluate import crossval, join
from mimamo.model import SmallBackbone
from mimamo.model.resnet50 import checked_image_size
from mimamo.tensor_file import TensorFile
from mimamo.train import TrainingConfig
from mimamo.video import AlignedFolder
from mimamo.video.camera import Camera

HUGE = 10**4000
UNWRITABLE = 10**5000  # of more digits than Python writes


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("feature_dim", 1 << 20), ("hidden", HUGE), ("num_phase", 1 << 20), ("height", 8),
        ("height", 62), ("nbands", 33), ("phase_size", 1 << 20), ("rnn_hidden", 1 << 30),
        ("rnn_layers", 10**6), ("channels", (1 << 20,)), ("channels", (8,) * 10**6),
        ("levels", (1,) * 10**6), ("levels", (1 << 70,)), ("head_dropout", HUGE),
    ],
)  # fmt: skip
def test_a_networks(name: str, value: object) -> None:
    with pytest.raises(InputError, match=rf"^config: {name}: expected ") as error:
        MIMAMOConfig(**{name: value})
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 1 << 64), ("seed", HUGE), ("learning_rate", 1e308), ("learning_rate", HUGE),
        ("weight_decay", 1e308), ("clip_length", 10**12), ("epochs", HUGE), ("batch_size", 1 << 62),
        ("milestones", (HUGE,)), ("patience", 1 << 62), ("momentum", HUGE),
    ],
)  # fmt: skip
def test_a_recipes(name: str, value: object) -> None:
    with pytest.raises(InputError, match=rf"^config: {name}: expected ") as error:
        TrainingConfig(**{name: value})
    assert len(str(error.value)) < 200


def test_one_that_cannot_be_written() -> None:
    with pytest.raises(InputError, match=r"config: hidden: .* got a number of too many digits"):
        MIMAMOConfig(hidden=UNWRITABLE)


def test_how_many_folds(tmp_path: Path, small_cache: Path) -> None:
    for call in (crossval, join):
        with pytest.raises(InputError, match="folds: expected 2 to 1000, got 1000000000"):
            call(small_cache, tmp_path / "out", folds=10**9)
    assert (
        main(["crossval", str(small_cache), "--out", str(tmp_path), "--folds", "1000000000"]) == 2
    )


@pytest.mark.parametrize("number", [-1, 1 << 31, 1 << 32, HUGE])
def test_a_cameras(number: int) -> None:
    with pytest.raises(InputError, match="camera: expected a number from 0 to 2147483647"):
        Camera(number)


@pytest.mark.parametrize("source", ["4294967296", "9" * 5000])
def test_a_cameras_on_the_command_line(source: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["live", source, "--weights", "w", "--headless", "--out", "x.csv"]) == 2
    begins = "mimamo: error: camera: expected a number from 0 to 2147483647, got "
    assert capsys.readouterr().err.startswith(f"{begins}{source:.10}")


@pytest.mark.parametrize("size", [31, 1 << 20, HUGE])
def test_a_backbones(size: int) -> None:
    with pytest.raises(InputError, match="image_size: expected a whole number from 32 to 2048"):
        checked_image_size(size)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["3000000000.jpg"], "3000000000.jpg: expected at most 100000 after 0"),
        (["1.jpg", "10000000.jpg"], "10000000.jpg: expected at most 100001 after 1"),
        (["9" * 200 + ".jpg"], r"\d+.jpg: expected at most 100000 after 0"),
        (["٣.jpg"], "expected images named by number"),
    ],
)
def test_a_folder_of_faces(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=message):
        AlignedFolder(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("phase_size", 10**9), ("feature_dim", -1), ("feature_dim", HUGE),
        ("unit", "x"), ("data", "a\0b"), ("data", "/\ud800"), ("data", "/" + "x" * 5000),
    ],
    ids=lambda value: f"{value!a:.20}",
)  # fmt: skip
def test_a_manifests(small_cache: Path, tmp_path: Path, name: str, value: object) -> None:
    content = json.loads((small_cache / "manifest.json").read_text())
    del content["crc32"]
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(content | {name: value}))
    with pytest.raises(InputError, match=rf"manifest\.json: damaged: {name}: expected"):
        Manifest.load(tmp_path)


class TestCheckpoint:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "c.safetensors"
        network = MIMAMONet(
            MIMAMOConfig(feature_dim=128, channels=(4, 4, 4), hidden=4, rnn_hidden=4)
        )
        save_checkpoint(path, network, SmallBackbone())
        return path

    @pytest.mark.parametrize("length", [0, -1, 10**12, "64", None, 2.5, [64]])
    def test_its_clips(self, path: Path, length: object) -> None:
        """Of 0 frames they filled the memory."""
        retold(path, "mimamo", info={"training": {"clip_length": length}})
        with pytest.raises(InputError, match=r"c\.safetensors: clip_length: expected a whole"):
            load_checkpoint(path)

    @pytest.mark.parametrize(
        ("part", "value", "message"),
        [
            ("config", {"rnn_layers": 10**6}, "config: rnn_layers: expected a whole number from 1"),
            ("config", {"feature_dim": 1 << 16, "hidden": 4096}, "does not fit MIMAMONet"),
            ("backbone", {"kind": "small", "image_size": HUGE}, "backbone: image_size"),
            ("backbone", {"seed": 1 << 70}, "backbone: unknown seed"),
            ("backbone", {"variant": ["ferplus"]}, "backbone: "),
        ],
    )
    def test_its_sizes(self, path: Path, part: str, value: dict, message: str) -> None:
        retold(path, "mimamo", **{part: TensorFile.open(path).note("mimamo")[part] | value})
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(InputError, match=message) as error:
            load_checkpoint(path)
        assert str(error.value).startswith(f"{path}: ")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB

    def test_what_is_packed(self, tmp_path: Path) -> None:
        """A file of 3.8 MB held 3.2 GB."""
        plain, packed = tmp_path / "plain.pth", tmp_path / "packed.pth"
        torch.save({"head.fc.weight": torch.zeros(1 << 20)}, plain)
        with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w") as target:
            for entry in source.infolist():
                content = source.read(entry)
                target.writestr(entry.filename, content, compress_type=zipfile.ZIP_DEFLATED)
        assert packed.stat().st_size < plain.stat().st_size / 100
        with pytest.raises(InputError, match=r"packed\.pth: expected a PyTorch file of tensors"):
            load_checkpoint(packed)

    @pytest.mark.parametrize(
        "header",
        [
            {"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}},
            {"a": {"dtype": "F32", "shape": [0, 1 << 62], "data_offsets": [0, 0]}},
            {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}},
            {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
            {"a": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}},
            {"a": {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]}},
            {"a": {"dtype": "F32", "shape": [1] * 65, "data_offsets": [0, 4]}},
            {"a": {"dtype": "F32", "shape": [2] * 10**6, "data_offsets": [0, 4]}},  # took minutes
            {f"{i}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(100_001)},
            {"a": 3}, [], 3, {"__metadata__": {"a": 1}}, {"__metadata__": 1},
        ],
    )  # fmt: skip
    def test_a_header(self, tmp_path: Path, header: object) -> None:
        path, text = tmp_path / "x.safetensors", json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
        with pytest.raises(InputError, match=r"x\.safetensors: expected a safetensors") as error:
            load_checkpoint(path)
        assert len(str(error.value)) < len(str(path)) + 200
        path.write_bytes((1 << 63).to_bytes(8, "little") + text)
        with pytest.raises(InputError, match=r"x\.safetensors: expected a safetensors file"):
            load_checkpoint(path)

    @pytest.mark.parametrize("part", ["[],", "0,", '{"b":0},', "[[[]]],"])
    def test_a_header_of_many_parts(self, tmp_path: Path, part: str) -> None:
        """One of 64 MB, of lists, took seconds and 600 MB."""
        path, text = tmp_path / "x.safetensors", f'{{"a":[{part * (1 << 21)}0]}}'.encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(InputError, match=r"x\.safetensors: .* \(a header of too many parts\)"):
            load_checkpoint(path)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB
