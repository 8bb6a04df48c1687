from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mimamo import InputError, ResNet50, load_checkpoint, save_checkpoint
from mimamo.model import load_backbone, load_weights, save_backbone
from mimamo.model.checkpoint import share_backbone, update_info
from mimamo.tensor_file import TensorFile, save_tensors


def assert_same(actual: torch.nn.Module, expected: torch.nn.Module) -> None:
    entries = actual.state_dict()
    for name, tensor in expected.state_dict().items():
        assert torch.equal(entries[name], tensor), name


@pytest.fixture(scope="module")
def backbone_file(backbones, tmp_path_factory):
    """FER+ weights under their own names, as a user would pass them."""
    layers = {"reduce": "1x1_reduce", "middle": "3x3", "expand": "1x1_increase"}
    layers["project"] = "1x1_proj"
    entries = {}
    for name, tensor in backbones["ferplus"].state_dict().items():
        *where, kind, leaf = name.split(".")
        if where == ["stem"]:
            theirs = "conv1_7x7_s2"
        else:
            _, stage, block, layer = where
            theirs = f"conv{int(stage) + 2}_{int(block) + 1}_{layers[layer]}"
        entries[f"{theirs}{'_bn' if kind == 'bn' else ''}.{leaf}"] = tensor
    path = tmp_path_factory.mktemp("backbone") / "resnet50_ferplus_dag.pth"
    torch.save(entries, path)
    return path


class TestRoundTrip:
    @pytest.mark.parametrize("variant", ["ferplus", "torchvision"])
    def test_everything_comes_back(self, tmp_path, tiny_network, backbones, variant):
        path = tmp_path / "c.safetensors"
        info = {"epochs": 3, "ccc": [0.25, 0.5], "video": "é"}
        save_checkpoint(path, tiny_network, backbones[variant], info)
        loaded = load_checkpoint(path)
        assert_same(loaded.network, tiny_network)
        assert_same(loaded.backbone, backbones[variant])
        assert loaded.network.config == tiny_network.config
        assert (loaded.backbone.variant, loaded.backbone.image_size) == (variant, 64)
        assert loaded.info == info
        assert not loaded.network.training
        assert not loaded.backbone.training

    def test_same_bytes(self, tmp_path, tiny_network, backbones):
        for name in ("a", "b"):
            path = tmp_path / f"{name}.safetensors"
            save_checkpoint(path, tiny_network, backbones["ferplus"], {"b": 1, "a": 2})
        assert (tmp_path / "a.safetensors").read_bytes() == path.read_bytes()

    @pytest.mark.slow
    def test_channels_last_backbone(self, tmp_path, tiny_network, backbones):
        backbone = ResNet50("ferplus", image_size=64)
        backbone.load_state_dict(backbones["ferplus"].state_dict())
        backbone.to(memory_format=torch.channels_last)
        save_checkpoint(tmp_path / "c.safetensors", tiny_network, backbone)
        assert_same(load_checkpoint(tmp_path / "c.safetensors").backbone, backbone)

    def test_names_and_metadata_in_the_file(self, tmp_path, tiny_network, backbones):
        path = tmp_path / "c.safetensors"
        save_checkpoint(path, tiny_network, backbones["ferplus"])
        with safe_open(path, "pt") as file:
            description = json.loads(file.metadata()["mimamo"])
            names = set(file.keys())
        assert isinstance(description.pop("crc32"), int)
        assert description == {
            "format": 1,
            "config": tiny_network.config.to_dict(),
            "backbone": {"variant": "ferplus", "image_size": 64},
            "info": {},
        }
        assert {"network.head.fc.weight", "backbone.stem.conv.weight"} < names


class TestBackboneFromElsewhere:
    def test_network_alone_needs_one(self, tmp_path, tiny_network, backbones, backbone_file):
        path = tmp_path / "c.safetensors"
        save_checkpoint(path, tiny_network, info={"epochs": 1})
        with pytest.raises(InputError, match=r"c\.safetensors: holds no backbone; give"):
            load_checkpoint(path)
        loaded = load_checkpoint(path, backbone_file)
        assert_same(loaded.network, tiny_network)
        assert_same(loaded.backbone, backbones["ferplus"])
        assert loaded.info == {"epochs": 1}

    def test_published_network(self, tmp_path, golden, backbones, backbone_file):
        path = tmp_path / "model_weights.pth.tar"
        torch.save({"state_dict": golden.state_dict, "epoch": 1}, path)
        with pytest.raises(InputError, match=r"model_weights\.pth\.tar: holds no backbone; give"):
            load_checkpoint(path)
        loaded = load_checkpoint(path, backbone_file)
        assert torch.equal(loaded.network.fusion.fc.bias, golden.state_dict["transform.0.bias"])
        assert_same(loaded.backbone, backbones["ferplus"])
        assert loaded.backbone.image_size == 224

    def test_given_one_is_used_instead(self, tmp_path, tiny_network, backbones, backbone_file):
        path = tmp_path / "c.safetensors"
        save_checkpoint(path, tiny_network, backbones["torchvision"])
        assert load_checkpoint(path, backbone_file).backbone.variant == "ferplus"

    def test_from_another_checkpoint(self, tmp_path, tiny_network, backbones):
        path = tmp_path / "c.safetensors"
        save_checkpoint(path, tiny_network, backbones["torchvision"])
        backbone = load_backbone(path, image_size=224)
        assert (backbone.variant, backbone.image_size) == ("torchvision", 64)
        assert_same(backbone, backbones["torchvision"])

    def test_variant_must_be_told(self, tmp_path, backbones):
        torch.save(backbones["ferplus"].state_dict(), tmp_path / "w.pth")
        with pytest.raises(InputError, match=r"w\.pth: expected ResNet50 weights of FER\+"):
            load_backbone(tmp_path / "w.pth")


class TestSharedBackbone:
    @pytest.fixture
    def path(self, tmp_path, tiny_network, backbones):
        """Of a checkpoint that names the file of its backbone."""
        shared = share_backbone(tmp_path / "shared.safetensors", backbones["ferplus"])
        save_checkpoint(tmp_path / "c.safetensors", tiny_network, shared, {"epochs": 1})
        return tmp_path / "c.safetensors"

    @pytest.mark.slow
    def test_it_is_found_beside_the_checkpoint(self, path, backbones, tiny_network):
        assert not any(name.startswith("backbone") for name in load_file(path))
        loaded = load_checkpoint(path)
        assert_same(loaded.backbone, backbones["ferplus"])
        assert_same(loaded.network, tiny_network)
        assert_same(load_backbone(path), backbones["ferplus"])
        fresh = ResNet50(image_size=backbones["ferplus"].image_size, seed=8)
        assert_same(load_weights(fresh, path), backbones["ferplus"])

    def test_it_is_written_once(self, path, backbones):
        shared = path.with_name("shared.safetensors")
        before, whole = shared.stat().st_mtime_ns, shared.read_bytes()
        share_backbone(shared, backbones["ferplus"])
        assert shared.stat().st_mtime_ns == before
        shared.write_bytes(whole[:-1])
        share_backbone(shared, backbones["ferplus"])
        assert shared.read_bytes() == whole

    def test_without_it_another_one_may_be_given(self, path, backbone_file):
        path.with_name("shared.safetensors").unlink()
        match = r"^.+shared\.safetensors: no such file; c\.safetensors needs the backbone in it.*$"
        for load in (load_checkpoint, load_backbone):
            with pytest.raises(InputError, match=match):
                load(path)
        assert load_checkpoint(path, backbone_file).backbone.variant == "ferplus"

    def test_another_one_in_its_place_is_refused(self, path, backbones):
        save_backbone(path.with_name("shared.safetensors"), backbones["torchvision"])
        match = r"^.+shared\.safetensors: expected the backbone that c\.safetensors goes with, SHA"
        with pytest.raises(InputError, match=match):
            load_checkpoint(path)

    def test_notes_change_and_nothing_else(self, path, tiny_network):
        update_info(path, {"epochs": 2, "more": [1, 2]})
        loaded = load_checkpoint(path)
        assert loaded.info == {"epochs": 2, "more": [1, 2]}
        assert_same(loaded.network, tiny_network)
        before = path.stat().st_mtime_ns
        update_info(path, {"more": (1, 2)})
        assert path.stat().st_mtime_ns == before

    def test_notes_of_other_files(self, backbone_file):
        with pytest.raises(InputError, match="expected a checkpoint of this package, got other"):
            update_info(backbone_file, {})


class TestBadFiles:
    def rewrite(self, path, tensors=lambda t: t, description=lambda d: d):
        """Save the checkpoint again with its tensors or its description changed."""
        file = TensorFile.open(path)
        kept, note = tensors(file.tensors()), description(file.note("mimamo"))
        if isinstance(note, dict):
            save_tensors(path, kept, "mimamo", note)
        else:
            save_file(kept, path, {"mimamo": note})

    @pytest.fixture
    def path(self, tmp_path, tiny_network):
        save_checkpoint(tmp_path / "c.safetensors", tiny_network)
        return tmp_path / "c.safetensors"

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            (lambda d: "{", "damaged metadata"),
            (lambda d: "[1]", "damaged metadata"),
            (lambda d: json.dumps(list(d.items())), "damaged metadata"),
            (lambda d: json.dumps({k: d[k] for k in d if k != "crc32"}), "not have its checksum"),
            (lambda d: {k: d[k] for k in d if k != "format"}, "format 1 or 2, got None; it may"),
            (lambda d: d | {"format": "x" * 5000}, "or 2, got 'x{78}…;"),
            (lambda d: d | {"config": 3}, r"damaged metadata \(config\)"),
            (lambda d: d | {"more": 3}, "unknown entry 'more'"),
            (lambda d: d | {"format": 3}, "expected checkpoint format 1 or 2, got 3"),
            (lambda d: d | {"backbone_file": 3}, "damaged metadata"),
            (lambda d: d | {"backbone_file": {"file": 3, "sha256": ""}}, "as backbone_file, got 3"),
            (lambda d: d | {"backbone_file": {"file": "../b", "sha256": ""}}, "got '../b' and ''"),
            (
                lambda d: d | {"backbone_file": {"file": "\ud800", "sha256": ""}},
                r"got '\\ud800' and ''",
            ),
            (
                lambda d: d | {"backbone_file": {"file": "x" * 5000, "sha256": ""}},
                "got 'x{78}… and ''",
            ),
            (lambda d: d | {"config": d["config"] | {"depth": 1}}, "config: unknown depth"),
            (lambda d: d | {"config": d["config"] | {"hidden": 0}}, "config: hidden: expected"),
            (lambda d: d | {"config": d["config"] | {"hidden": 9}}, "misshapen"),
            (lambda d: d | {"backbone": {"variant": "vgg"}}, "backbone: variant: expected"),
            (lambda d: d | {"backbone": {"depth": 50}}, "backbone: .*depth"),
            (lambda d: d | {"backbone": {"variant": "ferplus"}}, "does not fit ResNet50"),
        ],
    )
    def test_description(self, path, change, match):
        self.rewrite(path, description=change)
        with pytest.raises(InputError, match=match) as caught:
            load_checkpoint(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)

    def test_missing_entry(self, path):
        self.rewrite(path, tensors=lambda t: {k: t[k] for k in t if k != "network.head.fc.bias"})
        with pytest.raises(InputError, match=r"1 missing \(head\.fc\.bias\)"):
            load_checkpoint(path)

    def test_other_model(self, backbone_file):
        with pytest.raises(InputError, match="does not fit MIMAMONet"):
            load_checkpoint(backbone_file, backbone_file)


class TestSaving:
    def test_other_suffix_is_refused(self, tmp_path, tiny_network):
        with pytest.raises(InputError, match=r"c\.pth: expected a name that ends in \.safetensors"):
            save_checkpoint(tmp_path / "c.pth", tiny_network)

    def test_missing_folder_is_named(self, tmp_path, tiny_network):
        path = tmp_path / "no" / "c.safetensors"
        with pytest.raises(InputError, match=r"c\.safetensors: cannot be written"):
            save_checkpoint(path, tiny_network)

    def test_failing_leaves_the_old_file(self, tmp_path, tiny_network):
        path = tmp_path / "c.safetensors"
        save_checkpoint(path, tiny_network)
        before = path.read_bytes()
        with pytest.raises(TypeError):
            save_checkpoint(path, tiny_network, info={"file": path})
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]
