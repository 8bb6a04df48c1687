"""What weight files are read, and what is said of those that are not."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mimamo import InputError, MIMAMOConfig, MIMAMONet, ResNet50, load_weights, save_checkpoint
from mimamo.model import weights
from mimamo.tensor_file import TensorFile


def assert_same_entries(model: torch.nn.Module, expected: dict[str, torch.Tensor]) -> None:
    actual = model.state_dict()
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(actual[name], tensor, rtol=0, atol=0, msg=name)


@pytest.fixture
def source(tiny_network) -> dict[str, torch.Tensor]:
    return tiny_network.state_dict()


@pytest.fixture
def target(tiny_config) -> MIMAMONet:
    return MIMAMONet(tiny_config)


class TestFormats:
    @pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.pth.tar"])
    def test_torch_state_dict(self, tmp_path, source, target, name):
        torch.save(source, tmp_path / name)
        assert load_weights(target, tmp_path / name) is target
        assert_same_entries(target, source)

    def test_torch_legacy_format(self, tmp_path, source, target):
        torch.save(source, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
        assert_same_entries(load_weights(target, tmp_path / "w.pth"), source)

    def test_training_checkpoint(self, tmp_path, source, target):
        torch.save({"epoch": 3, "state_dict": source}, tmp_path / "w.pth.tar")
        assert_same_entries(load_weights(target, str(tmp_path / "w.pth.tar")), source)

    def test_safetensors_state_dict(self, tmp_path, source, target):
        save_file(source, tmp_path / "w.safetensors")
        assert_same_entries(load_weights(target, tmp_path / "w.safetensors"), source)

    def test_checkpoint_of_this_package(self, tmp_path, tiny_network, backbones, target, source):
        backbone = backbones["ferplus"]
        save_checkpoint(tmp_path / "w.safetensors", tiny_network, backbone)
        assert_same_entries(load_weights(target, tmp_path / "w.safetensors"), source)
        loaded = load_weights(ResNet50("ferplus"), tmp_path / "w.safetensors")
        assert_same_entries(loaded, backbone.state_dict())
        with pytest.raises(InputError, match="got those of variant 'ferplus'"):
            load_weights(ResNet50("torchvision"), tmp_path / "w.safetensors")


class TestNames:
    def test_data_parallel_prefix(self, tmp_path, source, target):
        torch.save({f"module.{name}": x for name, x in source.items()}, tmp_path / "w.pth")
        assert_same_entries(load_weights(target, tmp_path / "w.pth"), source)

    def test_published_names(self, tmp_path, golden):
        torch.save({"state_dict": golden.state_dict, "epoch": 0}, tmp_path / "w.pth.tar")
        model = load_weights(MIMAMONet(), tmp_path / "w.pth.tar")
        for ours, theirs in {
            "spatial.fc2.weight": "mlp.mlp.5.weight",
            "temporal.blocks.2.bn1.running_mean": "phasenet.conv_net.2.1.running_mean",
            "fusion.fc.bias": "transform.0.bias",
            "gru.weight_hh_l1_reverse": "rnns.weight_hh_l1_reverse",
            "head.bn.bias": "classifier.2.bias",
        }.items():
            assert torch.equal(model.state_dict()[ours], golden.state_dict[theirs])

    def test_published_names_of_data_parallel(self, tmp_path, golden):
        state_dict = {f"module.{name}": x for name, x in golden.state_dict.items()}
        torch.save({"state_dict": state_dict, "epoch": 0}, tmp_path / "w.pth.tar")
        model = load_weights(MIMAMONet(), tmp_path / "w.pth.tar")
        assert torch.equal(model.fusion.fc.bias, golden.state_dict["transform.0.bias"])

    def test_counters_may_be_missing(self, tmp_path, source, target):
        target.spatial.bn1.num_batches_tracked.fill_(9)
        old = {k: v for k, v in source.items() if not k.endswith("num_batches_tracked")}
        torch.save(old, tmp_path / "w.pth")
        load_weights(target, tmp_path / "w.pth")
        assert target.spatial.bn1.num_batches_tracked == 0
        assert torch.equal(target.spatial.bn1.running_mean, source["spatial.bn1.running_mean"])


class TestConversion:
    def test_values_take_the_models_dtype(self, tmp_path, source, target):
        half = {k: v.half() if v.is_floating_point() else v for k, v in source.items()}
        torch.save(half, tmp_path / "w.pth")
        load_weights(target.double(), tmp_path / "w.pth")
        assert target.head.fc.weight.dtype == torch.float64
        assert torch.equal(target.head.fc.weight, half["head.fc.weight"].double())


class TestUnfitEntries:
    """A file that does not fit says which entries, and leaves the model as it was."""

    def refuse(self, tmp_path: Path, target: MIMAMONet, entries: dict, match: str) -> str:
        before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
        torch.save(entries, tmp_path / "w.pth")
        with pytest.raises(InputError, match=match) as caught:
            load_weights(target, tmp_path / "w.pth")
        assert_same_entries(target, before)
        message = str(caught.value)
        assert message.startswith(f"{tmp_path / 'w.pth'}: ")
        assert "\n" not in message
        return message

    def test_missing(self, tmp_path, source, target):
        del source["head.fc.bias"]
        expected = r"does not fit MIMAMONet \(read as .*\): 1 missing \(head\.fc\.bias\)$"
        self.refuse(tmp_path, target, source, expected)

    def test_unexpected(self, tmp_path, source, target):
        source["head.fc2.bias"] = torch.zeros(2)
        self.refuse(tmp_path, target, source, r"\): 1 unexpected \(head\.fc2\.bias\)$")

    def test_misshapen(self, tmp_path, source, target):
        source["head.fc.bias"] = torch.zeros(3)
        expected = r"1 misshapen \(head\.fc\.bias: expected \[2\], got \[3\]\)$"
        self.refuse(tmp_path, target, source, expected)

    def test_all_at_once_with_counts(self, tmp_path, source, target):
        for name in [name for name in source if name.startswith("gru.")]:
            source[f"r{name}"] = source.pop(name)
        source["head.fc.bias"] = torch.zeros(3)
        message = self.refuse(
            tmp_path,
            target,
            source,
            r"16 missing \(gru\.weight_ih_l0, gru\.weight_hh_l0, gru\.bias_ih_l0, …\); "
            r"16 unexpected \(rgru\.weight_ih_l0, .*, …\); 1 misshapen",
        )
        assert len(message) < 600

    @pytest.mark.parametrize(
        ("value", "match"),
        [
            (torch.tensor([0.0, float("nan")]), "expected finite values, got NaN or infinity"),
            (torch.tensor([0.0, 1e300], dtype=torch.float64), "expected finite values"),
            (torch.tensor([0, 1]), "expected torch.float32, got torch.int64"),
        ],
        ids=["nan", "overflow", "integers"],
    )
    def test_values(self, tmp_path, source, target, value, match):
        source["head.fc.bias"] = value
        self.refuse(tmp_path, target, source, rf"1 misshapen \(head\.fc\.bias: {match}")

    def test_other_configuration(self, tmp_path, source):
        other = MIMAMONet(MIMAMOConfig(feature_dim=10, phase_size=16, hidden=8))
        self.refuse(tmp_path, other, source, "misshapen")

    def test_other_model(self, tmp_path, source, target, backbones):
        expected = r"does not fit MIMAMONet .*: \d+ missing .*; \d+ unexpected \(stem\.conv\.weight"
        self.refuse(tmp_path, target, backbones["ferplus"].state_dict(), expected)
        torch.save(source, tmp_path / "w.pth")
        with pytest.raises(InputError, match="does not fit ResNet50"):
            load_weights(ResNet50(), tmp_path / "w.pth")

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    def test_its_numbers_are_not_read(self, tmp_path, source, target, suffix, monkeypatch):
        """Of a file of gigabytes they filled the memory before its names were looked at."""
        source["head.fc2.bias"] = torch.zeros(2)
        path = tmp_path / f"w{suffix}"
        (save_file if suffix == ".safetensors" else torch.save)(source, path)

        def refuse(*_: object) -> None:
            raise AssertionError("read")

        monkeypatch.setattr(TensorFile, "read", refuse)
        monkeypatch.setattr(weights, "read_torch", refuse)
        with pytest.raises(InputError, match=r"1 unexpected \(head\.fc2\.bias\)$"):
            load_weights(target, path)
        del source["head.fc2.bias"]
        (save_file if suffix == ".safetensors" else torch.save)(source, path)
        with pytest.raises(AssertionError, match="read"):
            load_weights(target, path)

    def test_checkpoint_without_a_backbone(self, tmp_path, tiny_network):
        save_checkpoint(tmp_path / "w.safetensors", tiny_network)
        with pytest.raises(InputError, match=r"does not fit ResNet50 .*: \d+ missing"):
            load_weights(ResNet50(), tmp_path / "w.safetensors")

    def test_no_entries(self, tmp_path, target):
        self.refuse(tmp_path, target, {}, "missing")


class Code:
    """A pickle that runs a command when it is loaded as code."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


class TestUnreadableFiles:
    def refuse(self, target: MIMAMONet, path: Path, match: str) -> None:
        with pytest.raises(InputError, match=match) as caught:
            load_weights(target, path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_missing(self, tmp_path, target):
        self.refuse(target, tmp_path / "w.pth", "no such weights file")

    def test_name_too_long(self, tmp_path, target):
        self.refuse(target, tmp_path / ("w" * 300 + ".pth"), "no such|cannot be read")

    def test_folder(self, tmp_path, target):
        self.refuse(target, tmp_path, "expected a weights file, got a folder")

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    def test_empty(self, tmp_path, target, suffix):
        path = tmp_path / f"w{suffix}"
        path.touch()
        self.refuse(target, path, "got an empty one")

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    def test_larger_than_any(self, tmp_path, target, suffix):
        path = tmp_path / f"w{suffix}"
        with path.open("wb") as file:
            file.truncate((1 << 30) + 1)
        self.refuse(target, path, "expected a weights file of at most 1,073,741,824 bytes")

    def test_unknown_suffix(self, tmp_path, target):
        path = tmp_path / "w.onnx"
        path.write_bytes(b"onnx")
        self.refuse(target, path, r"expected \.safetensors, .* got '\.onnx'")

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    @pytest.mark.parametrize(
        "content", [b"not weights at all\n" * 20, b"PK\x03\x04broken", b"\x80\x02}q\x00.", b"\x00"]
    )
    def test_other_content(self, tmp_path, target, suffix, content):
        path = tmp_path / f"w{suffix}"
        path.write_bytes(content)
        self.refuse(target, path, "expected|missing")

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    @pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
    def test_truncated(self, tmp_path, target, source, suffix, kept):
        path = tmp_path / f"w{suffix}"
        (save_file if suffix == ".safetensors" else torch.save)(source, path)
        content = path.read_bytes()
        path.write_bytes(content[: int(kept * len(content))])
        self.refuse(target, path, "expected")

    @pytest.mark.parametrize("write", [torch.save, lambda x, p: p.write_bytes(pickle.dumps(x))])
    def test_code_is_not_run(self, tmp_path, target, source, write):
        trace = tmp_path / "ran"
        write({"state_dict": source, "epoch": Code(trace)}, tmp_path / "w.pth.tar")
        self.refuse(target, tmp_path / "w.pth.tar", "not loaded because that can run code")
        assert not trace.exists()

    @pytest.mark.parametrize(
        ("content", "match"),
        [
            ([1, 2], "expected a state dict, got list"),
            (torch.zeros(3), "expected a state dict, got Tensor"),
            ({"epoch": 3}, "expected a state dict of tensors, got int as 'epoch'"),
            ({3: torch.zeros(1)}, "expected a state dict of tensors, got Tensor as 3"),
        ],
    )
    def test_no_state_dict(self, tmp_path, target, content, match):
        torch.save(content, tmp_path / "w.pth")
        self.refuse(target, tmp_path / "w.pth", match)

    def test_other_models_are_a_programming_error(self, tmp_path, source):
        torch.save(source, tmp_path / "w.pth")
        with pytest.raises(TypeError, match="expected a MIMAMONet or a ResNet50, got Linear"):
            load_weights(torch.nn.Linear(2, 2), tmp_path / "w.pth")
