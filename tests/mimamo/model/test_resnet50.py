"""ResNet50 against a plain evaluation written from each weight file's own names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from mimamo import InputError, ResNet50, load_weights

Entries = dict[str, torch.Tensor]
DEPTHS = (3, 4, 6, 3)


def add_conv_bn(entries: Entries, conv: str, bn: str, shape: tuple[int, ...], rng) -> None:
    fan_in = shape[1] * shape[2] * shape[3]
    entries[f"{conv}.weight"] = torch.randn(shape, generator=rng) * (1.5 / fan_in) ** 0.5
    entries[f"{bn}.weight"] = 0.5 + 0.5 * torch.rand(shape[0], generator=rng)
    entries[f"{bn}.bias"] = 0.2 * torch.randn(shape[0], generator=rng)
    entries[f"{bn}.running_mean"] = 0.2 * torch.randn(shape[0], generator=rng)
    entries[f"{bn}.running_var"] = 0.5 + torch.rand(shape[0], generator=rng)
    entries[f"{bn}.num_batches_tracked"] = torch.tensor(0)


def conv_bn(entries: Entries, conv: str, bn: str, x: torch.Tensor, stride=1, padding=0):
    x = F.conv2d(x, entries[f"{conv}.weight"], stride=stride, padding=padding)
    statistics = (entries[f"{bn}.{name}"] for name in ("running_mean", "running_var"))
    return F.batch_norm(x, *statistics, entries[f"{bn}.weight"], entries[f"{bn}.bias"], eps=1e-5)


class FerPlus:
    """`resnet50_ferplus_dag.pth`: 0-255 minus the mean, Caffe's strides and pooling."""

    variant = "ferplus"

    def entries(self, rng) -> Entries:
        made: Entries = {}
        add_conv_bn(made, "conv1_7x7_s2", "conv1_7x7_s2_bn", (64, 3, 7, 7), rng)
        channels = 64
        for stage, depth in enumerate(DEPTHS, start=2):
            width = 64 * 2 ** (stage - 2)
            for block in range(1, depth + 1):
                layers = {
                    "1x1_reduce": (width, channels, 1, 1),
                    "3x3": (width, width, 3, 3),
                    "1x1_increase": (4 * width, width, 1, 1),
                }
                if block == 1:
                    layers["1x1_proj"] = (4 * width, channels, 1, 1)
                for layer, shape in layers.items():
                    name = f"conv{stage}_{block}_{layer}"
                    add_conv_bn(made, name, f"{name}_bn", shape, rng)
                channels = 4 * width
        made["classifier.weight"] = torch.zeros(8, 2048, 1, 1)
        made["classifier.bias"] = torch.zeros(8)
        return made

    def features(self, entries: Entries, images: torch.Tensor) -> torch.Tensor:
        def layer(name: str, x: torch.Tensor, **how) -> torch.Tensor:
            return conv_bn(entries, name, f"{name}_bn", x, **how)

        x = F.relu(layer("conv1_7x7_s2", images, stride=2, padding=3))
        x = F.max_pool2d(x, 3, stride=2, padding=0, ceil_mode=True)
        for stage, depth in enumerate(DEPTHS, start=2):
            for block in range(1, depth + 1):
                name = f"conv{stage}_{block}"
                stride = 2 if block == 1 and stage > 2 else 1
                shortcut = layer(f"{name}_1x1_proj", x, stride=stride) if block == 1 else x
                x = F.relu(layer(f"{name}_1x1_reduce", x, stride=stride))
                x = F.relu(layer(f"{name}_3x3", x, padding=1))
                x = F.relu(shortcut + layer(f"{name}_1x1_increase", x))
        return F.relu(F.adaptive_avg_pool2d(x, 1)[:, :, 0, 0])


class TorchVision:
    """`resnet50-*.pth` of torchvision: stride in the 3x3, padded pooling."""

    variant = "torchvision"

    def entries(self, rng) -> Entries:
        made: Entries = {}
        add_conv_bn(made, "conv1", "bn1", (64, 3, 7, 7), rng)
        channels = 64
        for stage, depth in enumerate(DEPTHS, start=1):
            width = 64 * 2 ** (stage - 1)
            for block in range(depth):
                name = f"layer{stage}.{block}"
                layers = {
                    (f"{name}.conv1", f"{name}.bn1"): (width, channels, 1, 1),
                    (f"{name}.conv2", f"{name}.bn2"): (width, width, 3, 3),
                    (f"{name}.conv3", f"{name}.bn3"): (4 * width, width, 1, 1),
                }
                if block == 0:
                    projection = (f"{name}.downsample.0", f"{name}.downsample.1")
                    layers[projection] = (4 * width, channels, 1, 1)
                for names, shape in layers.items():
                    add_conv_bn(made, *names, shape, rng)
                channels = 4 * width
        made["fc.weight"] = torch.zeros(1000, 2048)
        made["fc.bias"] = torch.zeros(1000)
        return made

    def features(self, entries: Entries, images: torch.Tensor) -> torch.Tensor:
        x = F.relu(conv_bn(entries, "conv1", "bn1", images, stride=2, padding=3))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        for stage, depth in enumerate(DEPTHS, start=1):
            for block in range(depth):
                n = f"layer{stage}.{block}"
                stride = 2 if block == 0 and stage > 1 else 1
                shortcut = x
                if block == 0:
                    projection = (f"{n}.downsample.0", f"{n}.downsample.1")
                    shortcut = conv_bn(entries, *projection, x, stride=stride)
                x = F.relu(conv_bn(entries, f"{n}.conv1", f"{n}.bn1", x))
                x = F.relu(conv_bn(entries, f"{n}.conv2", f"{n}.bn2", x, stride=stride, padding=1))
                x = F.relu(shortcut + conv_bn(entries, f"{n}.conv3", f"{n}.bn3", x))
        return F.relu(F.adaptive_avg_pool2d(x, 1)[:, :, 0, 0])


@pytest.fixture(scope="module", params=[FerPlus(), TorchVision()], ids=lambda p: p.variant)
def published(request, tmp_path_factory):
    """A published kind of file: how it is evaluated, its entries, and its path."""
    entries = request.param.entries(torch.Generator().manual_seed(5))
    path = tmp_path_factory.mktemp("resnet50") / f"{request.param.variant}.pth"
    torch.save(entries, path)
    return request.param, entries, path


class TestPublishedFiles:
    @torch.inference_mode()
    @pytest.mark.parametrize("size", [64, 75])  # odd sizes tell the poolings and strides apart
    def test_features(self, published, size):
        kind, entries, path = published
        model = load_weights(ResNet50(kind.variant), path).eval()
        images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
        expected = kind.features(entries, images)
        torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-4)
        assert expected.shape == (2, 2048)
        assert expected.std() > 0.01

    def test_the_other_variant_is_refused(self, published):
        kind, _, path = published
        other = {"ferplus": "torchvision", "torchvision": "ferplus"}[kind.variant]
        model = ResNet50(other)
        before = model.stem.conv.weight.clone()
        expected = rf"variant='{other}'\), got those of variant '{kind.variant}'"
        with pytest.raises(InputError, match=expected):
            load_weights(model, path)
        assert torch.equal(model.stem.conv.weight, before)


class TestRandomWeights:
    @pytest.mark.parametrize("variant", ["ferplus", "torchvision"])
    def test_features_are_of_the_order_of_one(self, variant, faces):
        model = ResNet50(variant, image_size=64, seed=0).eval()
        with torch.inference_mode():
            features = model(model.preprocess(faces))
        assert features.isfinite().all()
        assert (features >= 0).all()
        assert 0.05 < features.square().mean().sqrt() < 20
        # Different faces differ, by more than noise, in a good part of the features.
        assert (features.std(0) > 0.02 * features.std()).float().mean() > 0.5

    def test_a_seed_is_a_set_of_weights(self):
        torch.manual_seed(1)
        first = ResNet50(seed=3).state_dict()
        torch.manual_seed(2)
        second = ResNet50(seed=3).state_dict()
        other = ResNet50(seed=4).state_dict()
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert not torch.equal(first["stem.conv.weight"], other["stem.conv.weight"])

    def test_calibration_sets_the_statistics_of_the_data(self, faces):
        model = ResNet50(image_size=64, seed=0).eval()
        weights = model.stem.conv.weight.clone()
        model.calibrate(faces, batch_size=len(faces))
        with torch.inference_mode():
            raw = model.stem.conv(model.preprocess(faces))
            normalised = model.stem(model.preprocess(faces))
        torch.testing.assert_close(model.stem.bn.running_mean, raw.mean((0, 2, 3)))
        torch.testing.assert_close(model.stem.bn.running_var, raw.var((0, 2, 3)))
        assert normalised.mean().abs() < 1e-3
        assert normalised.std().sub(1).abs() < 1e-2
        assert torch.equal(model.stem.conv.weight, weights)
        assert not model.training
        assert model.stem.bn.momentum == 0.1

    def test_calibration_counts_batches_alike(self, faces):
        model = ResNet50(image_size=64, seed=0)
        model.calibrate(faces, batch_size=4)
        with torch.inference_mode():
            raw = model.stem.conv(model.preprocess(faces))
        torch.testing.assert_close(model.stem.bn.running_mean, raw.mean((0, 2, 3)))
        assert model.training

    def test_calibration_needs_data(self):
        with pytest.raises(ValueError, match="crops: expected at least one image"):
            ResNet50(seed=0).calibrate(torch.zeros(0, 112, 112, 3, dtype=torch.uint8))


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    """Smooth random images with texture, uint8 [8, 112, 112, 3]."""
    generator = torch.Generator().manual_seed(0)
    smooth = F.interpolate(torch.randn(8, 3, 7, 7, generator=generator), size=112, mode="bicubic")
    textured = 120 + 50 * smooth + 10 * torch.randn(8, 3, 112, 112, generator=generator)
    return textured.clamp(0, 255).round().byte().permute(0, 2, 3, 1)


class TestPreprocess:
    @pytest.mark.parametrize("shape", [(112, 112), (60, 90), (300, 260)])
    def test_geometry_is_pillows(self, shape, faces):
        height, width = shape
        crop = np.asarray(Image.fromarray(faces[0].numpy()).resize((width, height)))
        shorter = min(shape)
        resized = Image.fromarray(crop).resize(
            (256 * width // shorter, 256 * height // shorter), Image.Resampling.BILINEAR
        )
        top, left = (resized.height - 224) // 2, (resized.width - 224) // 2
        expected = np.asarray(resized, np.float32)[top : top + 224, left : left + 224]
        expected = expected - np.float32([131.0912, 103.8827, 91.4953])
        images = ResNet50("ferplus").preprocess(torch.from_numpy(crop.copy())[None])
        assert images.shape == (1, 3, 224, 224)
        # Pillow rounds to whole grey levels after each axis.
        assert np.abs(images[0].permute(1, 2, 0).numpy() - expected).max() <= 1.01

    def test_torchvision_values(self):
        grey = torch.full((1, 112, 112, 3), 255, dtype=torch.uint8)
        images = ResNet50("torchvision", image_size=96).preprocess(grey)
        expected = torch.tensor([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225])
        torch.testing.assert_close(images, expected.view(1, 3, 1, 1).expand(1, 3, 96, 96))

    def test_size_scales_with_the_image(self, faces):
        images = ResNet50(image_size=64).preprocess(faces)
        assert images.shape == (8, 3, 64, 64)

    def test_follows_the_weights_dtype(self, faces):
        assert ResNet50(image_size=32).double().preprocess(faces).dtype == torch.float64

    @pytest.mark.parametrize(
        "crops",
        [torch.zeros(1, 112, 112, 3), torch.zeros(1, 3, 112, 112, dtype=torch.uint8)],
        ids=["float", "channels first"],
    )
    def test_other_input_is_refused(self, crops):
        with pytest.raises(ValueError, match=r"crops: expected uint8 \[N, H, W, 3\], got torch"):
            ResNet50().preprocess(crops)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variant": "caffe"}, "variant: expected 'ferplus' or 'torchvision', got 'caffe'"),
        ({"image_size": 31}, "image_size: expected a whole number from 32 to 2048, got 31"),
        ({"image_size": 112.0}, "image_size: expected a whole number"),
    ],
)
def test_unknown_settings_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        ResNet50(**settings)
