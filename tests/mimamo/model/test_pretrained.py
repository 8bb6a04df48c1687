"""Networks that are shared: in folders, and on a stand-in for the Hugging Face Hub."""

from __future__ import annotations

import builtins
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from support.hub import Hub, hub_on_loopback

from mimamo import InputError, MIMAMONet, load_checkpoint, load_checkpoints, save_checkpoint
from mimamo.cli import main
from mimamo.model import MIMAMOConfig, SmallBackbone

INFO = {"training": {"clip_length": 16}, "trained_on": ["a"]}


def assert_same(actual: torch.nn.Module, expected: torch.nn.Module) -> None:
    entries = actual.state_dict()
    assert all(torch.equal(entries[name], x) for name, x in expected.state_dict().items())


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    constants = pytest.importorskip(  # read from the environment when they are imported
        "huggingface_hub.constants", reason="huggingface_hub is not installed (extra: hub)"
    )
    with hub_on_loopback() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        template = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "copies"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield hub


class TestFolder:
    @pytest.mark.parametrize(
        ("target", "reason"),
        [("none.json", "No such file"), ("config.json", "Too many levels of symbolic links")],
    )
    def test_a_link_that_leads_nowhere_is_not_absent(
        self, tiny_network: MIMAMONet, tmp_path: Path, target: str, reason: str
    ) -> None:
        tiny_network.save_pretrained(tmp_path / "shared", SmallBackbone())
        config = tmp_path / "shared/config.json"
        config.unlink()
        assert load_checkpoint(tmp_path / "shared").network.config == tiny_network.config
        config.symlink_to(target)
        for load in (load_checkpoint, MIMAMONet.from_pretrained):
            with pytest.raises(InputError, match=rf"config\.json: cannot be read: {reason}"):
                load(tmp_path / "shared")

    def test_it_comes_back(self, tiny_network: MIMAMONet, tmp_path: Path) -> None:
        backbone = SmallBackbone()
        tiny_network.save_pretrained(tmp_path / "shared", backbone, INFO)
        again = MIMAMONet.from_pretrained(tmp_path / "shared")
        assert_same(again, tiny_network)
        assert again.config == tiny_network.config
        assert not again.training
        checkpoint = load_checkpoint(tmp_path / "shared")
        assert_same(checkpoint.backbone, backbone)
        assert checkpoint.info == INFO
        assert checkpoint.clip_length == 16
        names = sorted(path.name for path in (tmp_path / "shared").iterdir())
        assert names == ["config.json", "model.safetensors"]
        settings = json.loads((tmp_path / "shared/config.json").read_text())
        assert settings == INFO | {"network": tiny_network.config.to_dict()}

    def test_without_a_backbone(self, tiny_network: MIMAMONet, tmp_path: Path) -> None:
        tiny_network.save_pretrained(tmp_path)
        assert_same(MIMAMONet.from_pretrained(tmp_path), tiny_network)
        with pytest.raises(InputError, match="holds no backbone"):
            load_checkpoint(tmp_path)

    def test_the_settings_describe_bare_weights(
        self, tiny_network: MIMAMONet, tmp_path: Path
    ) -> None:
        """Such as somebody has written without this package."""
        from safetensors.torch import save_file

        save_file(tiny_network.state_dict(), tmp_path / "model.safetensors")
        config = {"network": tiny_network.config.to_dict()}
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert_same(MIMAMONet.from_pretrained(tmp_path), tiny_network)

    def test_nothing_is_replaced_unasked(self, tiny_network: MIMAMONet, tmp_path: Path) -> None:
        for name in ("config.json", "model.safetensors"):
            (tmp_path / name).write_text("mine")
            with pytest.raises(InputError, match=f"{name}: exists; give another folder, or overw"):
                tiny_network.save_pretrained(tmp_path)
            assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
            (tmp_path / name).unlink()
        for _ in range(2):
            tiny_network.save_pretrained(tmp_path, overwrite=True)
        (tmp_path / "config.json").unlink()
        (tmp_path / "config.json").mkdir()
        (tmp_path / "model.safetensors").write_text("mine")
        with pytest.raises(InputError, match=r"config\.json: expected a file to replace"):
            tiny_network.save_pretrained(tmp_path, overwrite=True)
        assert (tmp_path / "model.safetensors").read_text() == "mine"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("[1]", r"config\.json: expected settings by name, got \[1\]"),
            ("{", r"config\.json: expected JSON"),
            ('{"network": {"hidden": 0}}', r"config\.json: config: hidden: expected"),
            ('{"network": 3}', r"config\.json: config: expected a mapping"),
        ],
    )
    def test_bad_settings(
        self, tiny_network: MIMAMONet, tmp_path: Path, content: str, message: str
    ) -> None:
        tiny_network.save_pretrained(tmp_path)
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(InputError, match=message):
            MIMAMONet.from_pretrained(tmp_path)

    def test_what_is_neither_here_nor_a_name(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"no/such/folder: no such weights file"):
            MIMAMONet.from_pretrained("no/such/folder")


class TestHub:
    def test_there_and_back(self, hub: Hub, tiny_network: MIMAMONet) -> None:
        backbone = SmallBackbone()
        where = tiny_network.push_to_hub("me/net", backbone, INFO, private=True)
        assert where == f"{hub.endpoint}/me/net"
        assert sorted(hub.repositories["me/net"]) == ["config.json", "model.safetensors"]
        assert hub.private == {"me/net"}
        for name in ("me/net", "hf:me/net", f"me/net@{hub.commit('me/net')}"):
            assert_same(MIMAMONet.from_pretrained(name), tiny_network)
        checkpoint = load_checkpoint("hf:me/net")
        assert_same(checkpoint.backbone, backbone)
        assert checkpoint.info == INFO

    def test_a_copy_is_used_again(self, hub: Hub, tiny_network: MIMAMONet) -> None:
        tiny_network.push_to_hub("me/net")
        MIMAMONet.from_pretrained("me/net")
        hub.asked.clear()
        MIMAMONet.from_pretrained("me/net")
        assert not [asked for asked in hub.asked if "resolve" in asked]

    def test_folders_of_folds_and_runs(
        self, hub: Hub, tiny_network: MIMAMONet, tmp_path: Path
    ) -> None:
        """As they are, put there by hand; what training resumes from is not fetched."""
        path = tmp_path / "best.safetensors"
        save_checkpoint(path, tiny_network, SmallBackbone(), {"training": {"fold": "1/2"}})
        files = {
            "best.safetensors": path.read_bytes(),
            "config.toml": b"\n",
            "last.safetensors": b"\n",
        }
        for fold in ("fold-1", "fold-2"):
            own = {f"{fold}/{name}": content for name, content in files.items()}
            hub.repositories.setdefault("me/folds", {"evil.pkl": b"x"}).update(own)
        assert len(load_checkpoints(["hf:me/folds"])) == 2
        fetched = {asked.rpartition("/")[2] for asked in hub.asked if asked.startswith("GET /me")}
        assert fetched == {"best.safetensors", "config.toml"}

    def test_wherever_weights_are_taken(self, hub: Hub, tmp_path: Path, film) -> None:
        network = MIMAMONet(MIMAMOConfig(feature_dim=SmallBackbone.feature_dim, channels=(2, 2)))
        backbone = SmallBackbone()
        network.push_to_hub("me/net", backbone)
        network.save_pretrained(tmp_path / "shared", backbone)
        video = film(tmp_path / "face.mp4", "xxx")
        tables = []
        for number, weights in enumerate(("hf:me/net", tmp_path / "shared")):
            out = tmp_path / str(number)
            given = ["--weights", str(weights), "--out", str(out), "--no-plot"]
            assert main(["predict", str(video), *given]) == 0
            tables.append(np.loadtxt(out / "face.csv", delimiter=",", skiprows=1))
        np.testing.assert_array_equal(tables[0], tables[1])

    @pytest.mark.parametrize("name", ["hf:me/none", "hf:me/none@x"])
    def test_what_is_not_there(self, hub: Hub, name: str) -> None:
        with pytest.raises(InputError) as caught:
            load_checkpoint(name)
        start = f"hf:me/none: cannot be fetched from {hub.endpoint}: 404 Client Error. Repository"
        assert str(caught.value).startswith(start)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("name", ["hf:none", "hf:", "hf:a/b/c", "hf:a/", "hf:../b c"])
    def test_what_is_no_name(self, hub: Hub, name: str) -> None:
        with pytest.raises(InputError, match=f"^{name}: expected owner/name, with"):
            load_checkpoint(name)
        assert not hub.asked

    def test_nobody_answers(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(InputError, match=r"^hf:me/net: cannot be fetched from http://127\."):
            load_checkpoint("hf:me/net")


def test_without_the_client(monkeypatch: pytest.MonkeyPatch, tiny_network: MIMAMONet) -> None:
    original = builtins.__import__

    def imported(name: str, *more):
        if name == "huggingface_hub":
            raise ImportError(name)
        return original(name, *more)

    monkeypatch.setattr(builtins, "__import__", imported)
    message = re.escape(
        "hf:me/net: needs the package huggingface_hub; install it by `pip install huggingface_hub`"
    )
    for use in (lambda: load_checkpoint("hf:me/net"), lambda: tiny_network.push_to_hub("me/net")):
        with pytest.raises(InputError, match=f"^{message}"):
            use()
