"""Weights as users give them: files that do not tell, several of them, folders of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mimamo import Foreign, InputError, load_checkpoint, load_checkpoints, save_checkpoint
from mimamo.model import SmallBackbone, load_backbone, save_backbone
from mimamo.predict.networks import averaged

REVERSED = ("arousal", "valence")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory) -> Path:
    """A small one, which is read quickly."""
    path = tmp_path_factory.mktemp("backbone") / "backbone.safetensors"
    save_backbone(path, SmallBackbone(32))
    return path


@pytest.fixture
def write(tmp_path, golden) -> Callable[..., Path]:
    """Writes the authors' weights with these of their outputs, in this order."""

    def written(name: str, *rows: int) -> Path:
        state = {
            entry: value[list(rows)] if entry.startswith("classifier.") and value.ndim else value
            for entry, value in golden.state_dict.items()
        }
        torch.save({"state_dict": state, "epoch": 1}, tmp_path / name)
        return tmp_path / name

    return written


@torch.inference_mode()
def outputs(checkpoints, golden) -> np.ndarray:
    """What networks give of the golden input together."""
    values = []
    for network in (checkpoint.network.double() for checkpoint in checkpoints):
        one = np.full((2, 6, 2), np.nan)
        columns = [("valence", "arousal").index(name) for name in network.config.outputs]
        one[..., columns] = network(golden.features, golden.phases)
        values.append(one)
    return averaged([checkpoint.network for checkpoint in checkpoints], values)


class TestPublishedGru:
    def test_it_is_the_published_output(self, write, backbone, golden):
        """In float64, and every other way of giving the weights as well."""
        ways = {
            "as they are": ([write("both.pth", 0, 1)], None),
            "arousal first": ([write("reversed.pth", 1, 0)], REVERSED),
            "a file each": ([write("v.pth", 0), write("a.pth", 1)], ("valence", "arousal")),
            "and reversed": ([write("a.pth", 1), write("v.pth", 0)], REVERSED),
            "twice": ([write("both.pth", 0, 1), write("again.pth", 0, 1)], None),
        }
        for way, (paths, order) in ways.items():
            loaded = load_checkpoints(paths, Foreign(backbone, order, published_gru=True))
            error = np.linalg.norm(outputs(loaded, golden) - golden.output)
            assert error / np.linalg.norm(golden.output) < 1e-10, way

    def test_it_is_kept_with_the_weights(self, write, backbone, tmp_path):
        found = load_checkpoint(write("w.pth", 0, 1), backbone, published_gru=True)
        save_checkpoint(tmp_path / "c.safetensors", found.network, found.backbone)
        again = load_checkpoint(tmp_path / "c.safetensors").network
        assert again.config.recurrence == "clips"


class TestOrder:
    def test_the_network_has_valence_first(self, write, backbone, golden):
        found = load_checkpoint(write("w.pth", 1, 0), backbone, outputs=REVERSED)
        assert torch.equal(found.network.head.fc.weight, golden.state_dict["classifier.1.weight"])
        assert found.network.config.outputs == ("valence", "arousal")

    def test_what_does_not_tell_is_a_warning(self, write, backbone):
        path, lines = write("w.pth", 0, 1), []
        load_checkpoints([path], Foreign(backbone), lines.append)
        assert len(lines) == 1
        assert lines[0].startswith(f"{path}: does not tell which output is valence; the first is")
        load_checkpoints([path], Foreign(backbone, REVERSED), lines.append)
        assert len(lines) == 1


class TestRefused:
    def refused(self, *arguments, **named) -> str:
        with pytest.raises(InputError) as caught:
            load_checkpoints(*arguments, **named)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_one_output_alone(self, write, backbone):
        path = write("v.pth", 0)
        assert self.refused([path], Foreign(backbone)).startswith(
            f"{path}: has one output and does not tell which; give the file of the other one too"
        )
        both = Foreign(backbone, ("valence", "arousal"))
        assert self.refused([path], both) == (
            f"{path}: has one output; expected such files in pairs, got 1"
        )
        with pytest.raises(InputError, match="does not tell which; --outputs says it"):
            load_checkpoint(path, backbone)
        with pytest.raises(InputError, match=r"expected 2 outputs \(valence, arousal\), got 1"):
            load_checkpoint(path, backbone, outputs=("valence", "arousal"))

    def test_one_output_that_tells(self, write, backbone, tmp_path):
        found = load_checkpoint(write("v.pth", 0), backbone, outputs=["valence"])
        path = tmp_path / "c.safetensors"
        save_checkpoint(path, found.network, found.backbone)
        message = f"{path}: gives no arousal; expected weights that do beside it"
        assert self.refused([path]) == message
        assert self.refused([path, path]) == message

    def test_what_the_weights_tell(self, tiny_network, tmp_path):
        path = tmp_path / "c.safetensors"
        save_checkpoint(path, tiny_network, SmallBackbone())
        for foreign in (Foreign(outputs=REVERSED), Foreign(published_gru=True)):
            assert self.refused([path], foreign).startswith(f"{path}: tells what its outputs are")

    @pytest.mark.parametrize("order", [("valence",), ("valence", "valence"), ("x", "y"), ()])
    def test_other_outputs(self, order):
        with pytest.raises(InputError, match=r"^outputs: expected valence,arousal or arousal,val"):
            Foreign(outputs=order)

    def test_none(self):
        assert self.refused([]) == "expected at least one checkpoint, got none"

    def test_a_backbone_where_there_is_none(self, write):
        assert re.search(
            r"holds no backbone; .* \(--backbone\)$", self.refused([write("w.pth", 0, 1)])
        )


class TestBackbones:
    def test_alike_are_one(self, tiny_network, tmp_path):
        one, other = SmallBackbone(), SmallBackbone()
        for name, backbone in (("a", one), ("b", other), ("c", one)):
            save_checkpoint(tmp_path / f"{name}.safetensors", tiny_network, backbone)
        first, second, third = load_checkpoints(sorted(tmp_path.glob("*.safetensors")))
        assert first.backbone is third.backbone
        assert first.backbone is not second.backbone

    def test_one_that_is_given_is_for_those_without(self, tiny_network, tmp_path, backbone):
        larger = SmallBackbone(64)
        larger.load_state_dict(load_backbone(backbone).state_dict())
        save_checkpoint(tmp_path / "with.safetensors", tiny_network, larger)
        save_checkpoint(tmp_path / "without.safetensors", tiny_network)
        names = ("with", "without")
        found = load_checkpoints([tmp_path / f"{x}.safetensors" for x in names], Foreign(backbone))
        assert [own.backbone.image_size for own in found] == [64, 32]
        (alone,) = load_checkpoints([tmp_path / "with.safetensors"], Foreign(backbone))
        assert alone.backbone.image_size == 32


def test_a_folder_of_folds_is_all_of_them(tiny_network, tmp_path):
    for fold in (1, 2):
        (tmp_path / f"fold-{fold}").mkdir()
        info = {"training": {"fold": f"{fold}/3"}}
        path = tmp_path / f"fold-{fold}" / "best.safetensors"
        save_checkpoint(path, tiny_network, SmallBackbone(), info)
        path.with_name("config.toml").touch()
    lines: list[str] = []
    found = load_checkpoints([tmp_path], warn=lines.append)
    assert [own.path.parent.name for own in found] == ["fold-1", "fold-2"]
    assert lines == [f"{tmp_path}: of 3 folds fold 3 is not there"]
