"""Features by ONNX files: what they take, what they give, and what is refused."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.damage import retold
from support.onnx_files import WEIGHTS, field, means, model, node, tensor, value, whole, write

from mimamo import InputError
from mimamo.model import load_backbone, save_backbone, weights_hash
from mimamo.model.features import SpatialFeatures
from mimamo.model.onnx_backbone import OnnxBackbone
from mimamo.model.onnx_session import OnnxSession, OnnxSettings
from mimamo.tensor_file import TensorFile

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra: onnx)")

PLAIN = OnnxSettings(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    return np.random.default_rng().integers(0, 256, (7, 112, 112, 3), dtype=np.uint8)


def channel_means(crops: np.ndarray, size: int = 24) -> np.ndarray:
    """The mean of each channel of resized faces, from 0 to 1: float64 [N, 3]."""
    images = torch.from_numpy(crops).permute(0, 3, 1, 2).double()
    images = F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
    return images.mean(dim=(2, 3)).numpy() / 255


def relative(found: torch.Tensor, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found.double().numpy() - expected) / np.linalg.norm(expected))


def features(path: Path, crops: np.ndarray, use: OnnxSettings = PLAIN, size: int = 24):
    backbone = load_backbone(path, size, use)
    return SpatialFeatures(backbone)(crops)


SHAPES = [
    ("n", 3, 24, 24),
    (1, 3, 24, 24),
    (3, 3, 24, 24),
    (16, 3, 24, 24),
    ("n", "c", "h", "w"),
    ("n", 3, "h", "w"),
    ("n", 24, 24, 3),
    (5, "h", "w", 3),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_they_are_those_of_the_file(tmp_path: Path, crops, shape) -> None:
    path = write(tmp_path / "m.onnx", shape)
    found = features(path, crops)
    assert (found.shape, found.dtype) == ((7, 4), torch.float32)
    assert relative(found, channel_means(crops) @ WEIGHTS) < 1e-5
    assert torch.equal(found, features(path, crops))
    spatial = SpatialFeatures(load_backbone(path, 24, PLAIN))
    assert spatial(crops[:0]).shape == (0, 4)
    alone = torch.cat([spatial(crop[None]) for crop in crops])
    assert relative(alone, found.double().numpy()) < 1e-6


@pytest.mark.parametrize(("dtype", "bar"), [("float16", 3e-3), ("float64", 1e-5)])
def test_in_its_own_precision(tmp_path: Path, crops, dtype: str, bar: float) -> None:
    found = features(write(tmp_path / "m.onnx", dtype=dtype), crops)
    assert found.dtype == torch.float32
    assert relative(found, channel_means(crops) @ WEIGHTS) < bar


def test_what_is_said_of_its_pictures(tmp_path: Path, crops) -> None:
    use = OnnxSettings((10.0, 20.0, 30.0), (2.0, 4.0, 8.0), white=255, colours="bgr")
    channels = (channel_means(crops)[:, ::-1] * 255 - use.mean) / use.std
    found = features(write(tmp_path / "m.onnx"), crops, use)
    assert relative(found, channels @ WEIGHTS) < 1e-5
    usual = (channel_means(crops) - OnnxSettings().mean) / OnnxSettings().std
    found = SpatialFeatures(load_backbone(tmp_path / "m.onnx"))(crops)
    assert relative(found, usual @ WEIGHTS) < 1e-5


def test_the_size_is_the_files_or_what_is_said(tmp_path: Path, crops) -> None:
    rows = crops[:, ::8]  # pictures that are not square are resized whole
    for shape, size in ((("n", 3, 24, 24), 24), (("n", 3, "h", "w"), 40)):
        backbone = load_backbone(write(tmp_path / "m.onnx", shape), 40, PLAIN)
        assert backbone.image_size == size
        found = SpatialFeatures(backbone)(rows)
        assert relative(found, channel_means(rows, size) @ WEIGHTS) < 1e-5


def several(*names: str) -> bytes:
    """A file whose outputs are some of what it computes."""
    widths = {"y": (2,), "pooled": (3, 1, 1), "x": (3, 24, 24)}
    weights = WEIGHTS[:, :2]
    nodes = [
        node("GlobalAveragePool", ["x"], "pooled"),
        node("Flatten", ["pooled"], "flat", whole("axis", 1)),
        node("MatMul", ["flat", "w"], "y"),
    ]
    return model(
        nodes,
        [tensor("w", weights)],
        [value("x", ("n", 3, 24, 24))],
        [value(name, ("n", *widths[name])) for name in names],
    )


def test_which_output(tmp_path: Path, crops) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(several("y", "pooled"))
    for name, expected in (("y", WEIGHTS[:, :2]), ("pooled", np.eye(3))):
        use = OnnxSettings(PLAIN.mean, PLAIN.std, output=name)
        backbone = load_backbone(path, 24, use)
        assert backbone.feature_dim == expected.shape[1]
        assert backbone.settings["output"] == name
        found = SpatialFeatures(backbone)(crops)
        assert relative(found, channel_means(crops) @ expected) < 1e-5
    with pytest.raises(InputError, match=r"m\.onnx: has 2 outputs; --onnx-output says which of"):
        load_backbone(path)
    with pytest.raises(InputError, match=r"m\.onnx: has no output 'z'; --onnx-output says which "):
        load_backbone(path, onnx=OnnxSettings(output="z"))


def abs_of(shape: tuple, dtype: str = "float32") -> bytes:
    """A file that gives what it is given."""
    sides = [[value(name, shape, dtype)] for name in ("x", "y")]
    return model([node("Abs", ["x"], "y")], [], *sides)


REFUSED = [
    (abs_of(("n", 3, 24)), "expected real numbers [N, 3, H, W] or [N, H, W, 3], got (float) ["),
    (means(("n", 1, 24, 24), weights=WEIGHTS[:1]), "expected 3 channels, got (float) [any, 1, 24,"),
    (means(("n", 3, 24, 48)), "expected pictures as high as wide, of at most 2048 pixels"),
    (means(("n", 3, 4096, 4096)), "expected pictures as high as wide, of at most 2048 pixels"),
    (means((1000, 3, 1024, 1024)), "expected at most 64 pictures at a time, got (float) [1000"),
    (means(("n", "c", 24, 24), weights=WEIGHTS[:2]), "cannot be run: "),
    (model([node("Mul", ["x", "z"], "y")], [], [value("x", ("n", 3, 24, 24)), value("z", (1,))],
           [value("y", ("n", 3, 24, 24))]), "expected one input, pictures, got 2: 'x', 'z'"),
    (abs_of(("n", 3, 24, 24), "int64"), "got (int64) [any, 3, 24, 24]"),
    (abs_of(("n", 3, 24, 24)), "expected [2, D] of 2 faces, got [2, 3, 24, 24]"),
    (model([node("Shape", ["x"], "y")], [], [value("x", ("n", 3, 24, 24))],
           [value("y", (4,), "int64")]), "output 'y': expected numbers, got int64"),
    (model([node("Nothing", ["x"], "y")], [], [value("x", ("n", 3, 24, 24))],
           [value("y", ("n", 3))]), "expected an ONNX file that onnxruntime can run: "),
    (field(7, field(2, "g")), "expected an ONNX file that onnxruntime can run: "),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused(content: bytes, message: str, tmp_path: Path, capfd) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_backbone(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert message in text
    assert "\n" not in text
    assert capfd.readouterr() == ("", "")


def test_no_other_file_is_read_by_onnxruntime(tmp_path: Path, monkeypatch) -> None:
    """Given a model in memory it looks for what that names in the working directory."""
    (tmp_path / "w.data").write_bytes(WEIGHTS.tobytes())
    monkeypatch.chdir(tmp_path)
    import onnxruntime

    content = means(location="w.data")
    onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    # Which may come from somebody's checkpoint, too.
    with pytest.raises(InputError, match=r"m\.onnx: expected all its tensors in it, got 'w\.data'"):
        OnnxSession("m.onnx", content, PLAIN, 24)
    backbone = load_backbone(write(tmp_path / "m.onnx"))
    backbone.model.content = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    with pytest.raises(InputError, match=r"m\.onnx \(SHA-256 \w+…\): expected a file of this sum"):
        backbone.opened()
    backbone.sha256 = hashlib.sha256(content).hexdigest()
    with pytest.raises(InputError, match=r"m\.onnx: expected all its tensors in it, got 'w\.data'"):
        backbone.opened()
    (tmp_path / "models").mkdir()
    path = write(tmp_path / "models/m.onnx", location="w.data")
    with pytest.raises(InputError, match=r"models/w\.data: cannot be read: No such file"):
        load_backbone(path)


@pytest.mark.parametrize(
    "values",
    [
        {"mean": (0.5, 0.5)}, {"mean": (0.5, 0.5, float("nan"))}, {"mean": "abc"},
        {"std": (1.0, 0.0, 1.0)}, {"std": (1.0, 1.0, 1e9)}, {"white": 2}, {"white": True},
        {"colours": "grb"}, {"colours": ["rgb"]}, {"output": 3},
    ],
)  # fmt: skip
def test_settings_that_cannot_be(values) -> None:
    with pytest.raises(InputError, match=rf"^onnx-{next(iter(values))}: expected "):
        OnnxSettings(**values)


def test_it_is_kept_as_weights_are(tmp_path: Path, crops) -> None:
    path = write(tmp_path / "m.onnx", (1, 3, 24, 24))
    backbone = load_backbone(path, 24, PLAIN)
    assert isinstance(backbone, OnnxBackbone)
    save_backbone(tmp_path / "b.safetensors", backbone)
    path.unlink()
    again = load_backbone(tmp_path / "b.safetensors")
    assert isinstance(again, OnnxBackbone)
    assert again.settings == backbone.settings
    assert weights_hash(again) == weights_hash(backbone)
    assert torch.equal(SpatialFeatures(again)(crops), SpatialFeatures(backbone)(crops))
    assert again.label.startswith("m.onnx (SHA-256 ")
    others = [OnnxSettings(PLAIN.mean, PLAIN.std, colours="bgr"), OnnxSettings()]
    for other in others:
        write(path, (1, 3, 24, 24))
        assert weights_hash(load_backbone(path, 24, other)) != weights_hash(backbone)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("file", 3), ("file", "a\nb"), ("sha256", None), ("sha256", "a"),
        ("size", 0), ("size", 1 << 40), ("feature_dim", 1 << 20),
        ("image_size", "24"), ("kind", "onyx"),
    ],
)  # fmt: skip
def test_what_cannot_be_one(name: str, wrong: object) -> None:
    told = {"file": "m", "size": 1, "sha256": "0a" * 32, "feature_dim": 4, "image_size": 24}
    OnnxBackbone(**told)
    with pytest.raises(InputError, match=rf"^{name}: expected "):
        OnnxBackbone(**told | {name: wrong})


def test_a_file_that_gives_other_than_was_said(tmp_path: Path) -> None:
    backbone = load_backbone(write(tmp_path / "m.onnx"), 24, PLAIN)
    backbone.feature_dim = 5
    with pytest.raises(InputError, match=r"^m\.onnx: expected 5 features of pictures of 24 pixels"):
        backbone.opened()


def test_names_of_more_than_a_line(tmp_path: Path) -> None:
    path = write(tmp_path / "two\nlines.onnx", name="y\n\x1b[1m")
    backbone = load_backbone(path)
    assert backbone.label.startswith("two?lines.onnx (SHA-256 ")
    assert backbone.summary.isprintable()
    with pytest.raises(InputError, match=r"says which of 'y\\n\\x1b\[1m'$"):
        load_backbone(path, onnx=OnnxSettings(output="z"))


def test_threads_are_torchs(tmp_path: Path, monkeypatch) -> None:
    import onnxruntime

    seen = []
    real = onnxruntime.InferenceSession

    def session(content, options, providers, **settings):
        seen.append((options.intra_op_num_threads, options.use_deterministic_compute, providers))
        return real(content, options, providers, **settings)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    load_backbone(write(tmp_path / "m.onnx"))
    assert seen == [(3, True, ["CPUExecutionProvider"])]


def test_a_gpu_that_onnxruntime_has_not(tmp_path: Path, crops) -> None:
    backbone = load_backbone(write(tmp_path / "m.onnx"), 24, PLAIN)
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has one")
    spatial = SpatialFeatures(backbone, "cuda")
    assert re.fullmatch(r"m\.onnx: runs on the CPU, because this onnxruntime has no \S+, [^\n]+",
                        spatial.note)  # fmt: skip
    assert torch.equal(spatial(crops), SpatialFeatures(backbone)(crops))
    assert SpatialFeatures(backbone).note == ""


def test_without_onnxruntime(tmp_path: Path, monkeypatch) -> None:
    backbone = load_backbone(write(tmp_path / "m.onnx"))
    save_backbone(tmp_path / "b.safetensors", backbone)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    message = r"m\.onnx: needs the package onnxruntime; install it by `pip install [^\n]+`$"
    with pytest.raises(InputError, match=message):
        load_backbone(tmp_path / "m.onnx")
    again = load_backbone(tmp_path / "b.safetensors")  # which is checked and trained on without it
    with pytest.raises(InputError, match=message):
        SpatialFeatures(again)


def test_other_faces_and_files_are_refused(tmp_path: Path, crops) -> None:
    spatial = SpatialFeatures(load_backbone(write(tmp_path / "m.onnx")))
    with pytest.raises(ValueError, match=r"crops: expected uint8 \[N, H, W, 3\]"):
        spatial(crops.astype(np.float32))
    with pytest.raises(InputError, match=r"w\.pth: expected an ONNX file for what the options"):
        load_backbone(tmp_path / "w.pth", onnx=PLAIN)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"size": 1 << 29}, "does not fit OnnxBackbone"),
        ({"size": None}, "backbone: size: expected 1 to "),
        ({"mean": "abc"}, "backbone: onnx-mean: expected three numbers"),
        ({"std": [1, 1, 0]}, "backbone: onnx-std: expected three numbers"),
        ({"colours": ["rgb"]}, "backbone: onnx-colours: expected rgb or bgr"),
        ({"white": {}}, "backbone: onnx-white: expected 1 or 255"),
        ({"path": "/etc/passwd"}, "backbone: config: unknown path"),
        ({"kind": "onyx"}, "backbone: unknown "),
    ],
)
def test_what_a_checkpoint_may_say_of_one(tmp_path: Path, told: dict, message: str) -> None:
    path = tmp_path / "b.safetensors"
    save_backbone(path, load_backbone(write(tmp_path / "m.onnx")))
    retold(path, "mimamo", backbone=TensorFile.open(path).note("mimamo")["backbone"] | told)
    with pytest.raises(InputError) as caught:
        load_backbone(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)
