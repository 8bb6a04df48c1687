"""An ONNX file as the backbone, from extraction to predictions."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from support.onnx_files import WEIGHTS, write
from support.recipes import TINY

from mimamo import Foreign, InputError, load_checkpoint, load_checkpoints
from mimamo.check import check_folder
from mimamo.cli import main
from mimamo.data import Cache
from mimamo.evaluate import evaluate_runs
from mimamo.extract import extract
from mimamo.faces import CenterFace
from mimamo.model import SmallBackbone, load_backbone, save_backbone, save_checkpoint
from mimamo.model.features import SpatialFeatures
from mimamo.model.onnx_backbone import OnnxBackbone
from mimamo.model.onnx_session import OnnxSettings
from mimamo.predict import PredictSettings, predict_many
from mimamo.predict.live import LivePredictor
from mimamo.predict.networks import JointFeatures
from mimamo.train import train

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra: onnx)")

USE = OnnxSettings(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), colours="bgr")
OPTIONS = ["--onnx-mean", "0.5,0.5,0.5", "--onnx-std", "0.25,0.25,0.25", "--onnx-colours", "bgr",
           "--image-size", "24"]  # fmt: skip


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    path = write(tmp_path / "models/net.onnx", ("n", 3, "h", "w"), location="w.data")
    (path.parent / "w.data").write_bytes(WEIGHTS.tobytes())
    return path


def cached(root: Path):
    return {video.name: video.features[:] for video in Cache(root).videos}


class TestExtraction:
    def test_features_are_the_files(self, data: Path, onnx: Path, tmp_path: Path, capsys) -> None:
        cache = tmp_path / "cache"
        command = ["extract", str(data), "--out", str(cache), "--backbone", str(onnx), *OPTIONS]
        assert main(command) == 0
        said = capsys.readouterr().out
        assert re.search(
            r"net\.onnx \(SHA-256 \w{12}…\): pictures of 24 pixels, bgr from 0 to 1, less 0\.5 "
            r"0\.5 0\.5, over 0\.25 0\.25 0\.25; its output 'y' has 4 features\n", said,
        )  # fmt: skip
        video = next(video for video in Cache(cache).videos if video.name == "plain")
        crops = np.stack([
            cv2.imread(str(data / f"cropped_aligned/plain/{number:05d}.jpg"))
            for number in video.numbers.tolist()
        ])  # fmt: skip
        channels = (crops.mean(axis=(1, 2)) / 255 - 0.5) / 0.25  # of plain pictures, as OpenCV: bgr
        torch.testing.assert_close(
            video.features[:].double(), torch.from_numpy(channels @ WEIGHTS), atol=4e-3, rtol=2e-3
        )
        manifest = Cache(cache).manifest
        told = {name: manifest.backbone[name] for name in ("kind", "file", "image_size", "colours")}
        assert told == {"kind": "onnx", "file": "net.onnx", "image_size": 24, "colours": "bgr"}
        assert len(manifest.backbone["sha256"]) == len(manifest.weights_sha256) == 64
        assert "precision" not in manifest.backbone
        assert (manifest.feature_dim, check_folder(cache)) == (4, [])
        assert extract(data, cache, backbone=onnx, onnx=USE, image_size=24).kept == 2

    def test_another_file_or_use_is_another_cache(
        self, data: Path, onnx: Path, tmp_path: Path
    ) -> None:
        cache, settings = tmp_path / "cache", {"onnx": USE, "image_size": 24}
        extract(data, cache, backbone=onnx, **settings)
        for other, what in (
            (settings | {"image_size": 32}, "image_size 24, not 32"),
            (settings | {"onnx": replace(USE, colours="rgb")}, "colours bgr, not rgb"),
            (settings | {"onnx": replace(USE, mean=(0.4, 0.5, 0.5))}, r"mean \[0\.5, .*not \[0\.4"),
        ):
            with pytest.raises(InputError, match=rf"cache: made with {what}"):
                extract(data, cache, backbone=onnx, **other)
        (onnx.parent / "w.data").write_bytes((2 * WEIGHTS).tobytes())  # the file itself is the same
        with pytest.raises(InputError, match=r"cache: made with sha256 \w+, not \w+; give another"):
            extract(data, cache, backbone=onnx, **settings)
        again = tmp_path / "again"
        assert extract(data, again, backbone=cache / "backbone.safetensors").made == 2
        for name, features in cached(cache).items():
            assert torch.equal(cached(again)[name], features)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--backbone", "small", "--onnx-white", "255"], "backbone: expected an ONNX file f"),
            (["--backbone", "b.safetensors", "--onnx-output", "y"], "b.safetensors: expected an O"),
            (["--backbone", "random", *OPTIONS], "backbone: expected an ONNX file for what the o"),
            (["--backbone", "none.onnx"], "none.onnx: cannot be read: No such file or directory"),
            (["--backbone", "b.onnx"], "b.onnx: expected an ONNX file, got something else"),
            (["--backbone", "b.onnx", "--onnx-mean", "a,b"], "onnx-mean: expected numbers such a"),
            (["--backbone", "b.onnx", "--onnx-std", "1,1"], "onnx-std: expected three numbers f"),
        ],
    )
    def test_what_is_refused(
        self, data: Path, tmp_path: Path, monkeypatch, capsys, options: list[str], message: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        save_backbone("b.safetensors", SmallBackbone())
        Path("b.onnx").write_bytes(b"none")
        assert main(["extract", str(data), "--out", "cache", *options]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"mimamo: error: {message}")
        assert error.count("\n") == 1

    def test_features_that_float16_cannot_hold(self, data: Path, tmp_path: Path) -> None:
        path = write(tmp_path / "net.onnx", weights=WEIGHTS * 1e6)
        with pytest.raises(InputError, match=r"backbone: features of .* are not finite in float16"):
            extract(data, tmp_path / "cache", backbone=path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, learnable: Path) -> Path:
    """A folder with a file, `net.onnx`, a `cache` of it and a `run`. It is shared."""
    root = tmp_path_factory.mktemp("onnx-run")
    onnx = write(root / "net.onnx", ("n", 3, "h", "w"))
    extract(learnable, root / "cache", backbone=onnx, onnx=USE, image_size=24)
    train(root / "cache", root / "run", config=replace(TINY, epochs=1), backbone=onnx)
    return root


class TestRuns:
    def test_a_run_remembers_it(self, made: Path, tmp_path: Path, film) -> None:
        run, onnx = made / "run", made / "net.onnx"
        assert check_folder(run) == []
        assert evaluate_runs([run], made / "cache").summary.faces.count == 168
        own = load_checkpoint(run).backbone
        assert isinstance(own, OnnxBackbone)
        assert own.settings.items() <= Cache(made / "cache").manifest.backbone.items()

        path = film(tmp_path / "film.mp4", "xx.x")
        (expected,) = predict_many([path], load_checkpoint(run), tmp_path / "predicted")
        assert expected.error is None
        assert expected.times.backbone == "net.onnx"
        (given,) = load_checkpoints([run], Foreign(onnx))
        (found,) = predict_many([path], given, tmp_path / "again")
        assert np.array_equal(found.predictions.values, expected.predictions.values)
        assert LivePredictor(load_checkpoint(run, onnx), CenterFace()).notes == []

    def test_it_refuses_others(self, made: Path, learnable: Path, tmp_path: Path) -> None:
        run, other = made / "run", write(tmp_path / "other.onnx")
        begins = r"expected net\.onnx \(SHA-256 \w{12}…\), got another file, SHA-256 \w{12}…$"
        with pytest.raises(InputError, match=rf"other\.onnx: {begins}"):
            load_checkpoint(run, other)
        save_backbone(tmp_path / "small.safetensors", SmallBackbone())
        with pytest.raises(InputError, match=r"best\.safetensors: these weights take features of"):
            load_checkpoints([run], Foreign(tmp_path / "small.safetensors"))
        assert load_checkpoint(run, made / "cache/backbone.safetensors").network is not None

        extract(learnable, tmp_path / "others", backbone=other, subsets=["Validation_Set"])
        message = r"best\.safetensors: these weights take features of net\.onnx .* but .*others was"
        with pytest.raises(InputError, match=message):
            evaluate_runs([run], tmp_path / "others")

    def test_training_checks_it_and_leaves_it(
        self, made: Path, tmp_path: Path, tiny_config
    ) -> None:
        other, cache = write(tmp_path / "other.onnx"), made / "cache"
        with pytest.raises(InputError, match=r"cache: made with other weights \(SHA-256 "):
            train(cache, tmp_path / "new", config=tiny_config, backbone=other)
        config = replace(tiny_config, spatial="finetune")
        with pytest.raises(InputError, match=r"holds features of net\.onnx .*, which cannot be t"):
            train(cache, tmp_path / "new", config=config)

    def test_weights_that_do_not_say_its_pictures(self, made: Path, tmp_path: Path) -> None:
        run = tmp_path / "best.safetensors"
        save_checkpoint(run, load_checkpoint(made / "run").network)
        with pytest.raises(InputError, match=r"net\.onnx: .*best\.safetensors does not say what p"):
            load_checkpoint(run, made / "net.onnx")

    def test_a_gpu_without_a_provider_is_a_warning(
        self, made: Path, tmp_path: Path, film, monkeypatch
    ) -> None:
        notes = property(lambda features: ["runs on the CPU"])
        monkeypatch.setattr(JointFeatures, "notes", notes)
        lines: list[str] = []
        path = film(tmp_path / "film.mp4", "x")
        predict_many(
            [path],
            load_checkpoint(made / "run"),
            tmp_path / "out",
            PredictSettings(),
            warn=lines.append,
        )
        assert "runs on the CPU" in lines


@pytest.mark.slow
@pytest.mark.parametrize("batch", ["any", 3])
def test_a_network_that_torch_exports(data: Path, tmp_path: Path, batch: object) -> None:
    """With its tensors in a file of their own, as is torch's default."""
    pytest.importorskip("onnxscript", reason="torch exports with onnxscript (extra: test)")
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 5, stride=3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(),
        torch.nn.Conv2d(8, 16, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
    ).eval()  # fmt: skip
    path = tmp_path / "net.onnx"
    shapes = ({0: torch.export.Dim("n")},) if batch == "any" else None
    torch.onnx.export(network, (torch.zeros(3, 3, 64, 64),), path, dynamic_shapes=shapes)
    assert (tmp_path / "net.onnx.data").exists()
    backbone = load_backbone(path)
    assert isinstance(backbone, OnnxBackbone)
    assert (backbone.image_size, backbone.feature_dim) == (64, 16)
    crops = np.random.default_rng().integers(0, 256, (7, 112, 112, 3), dtype=np.uint8)
    spatial = SpatialFeatures(backbone)
    with torch.inference_mode():
        expected = network.double()(spatial.backbone.preprocess(torch.from_numpy(crops)).double())
    error = (spatial(crops).double() - expected).norm() / expected.norm()
    assert error < 1e-6
    result = extract(data, tmp_path / "cache", backbone=path)
    assert result.made == 2
    assert {features.shape[1] for features in cached(tmp_path / "cache").values()} == {16}
