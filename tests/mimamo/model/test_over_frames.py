"""What takes the GRU's place: its formula, what each frame sees, and its files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.damage import retold
from support.networks import TINY

from mimamo import InputError, MIMAMOConfig, MIMAMONet, load_checkpoint, save_checkpoint
from mimamo.model import SmallBackbone, over_frames
from mimamo.model.over_frames import REACH, DilatedBlock, LocalAttention, OverFrames
from mimamo.predict.clips import predict_sequence

OTHERS = ("tcn", "transformer")
SEEN = {"tcn": 15, "transformer": REACH}  # frames before and after, of one layer


def module(temporal: str, layers: int = 1) -> OverFrames:
    """In float64, with no parameter at its first value."""
    torch.manual_seed(0)
    config = MIMAMOConfig(hidden=10, rnn_hidden=12, rnn_layers=layers, temporal=temporal)
    made = OverFrames(config).double().eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made


def clips(count: int, frames: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, frames, 10, generator=generator, dtype=torch.float64)


class TestFormula:
    @torch.no_grad()
    def test_a_dilated_block(self) -> None:
        torch.manual_seed(1)
        block, x = DilatedBlock(3, 2, 0.3).double().eval(), clips(2, 9)[..., :3]
        y = (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
        y = y * block.norm.weight + block.norm.bias
        expected = torch.empty_like(x)
        for frame in range(9):
            seen = block.conv.bias.expand(2, 3)
            for tap, place in enumerate((frame - 2, frame, frame + 2)):
                if 0 <= place < 9:
                    seen = seen + y[:, place] @ block.conv.weight[..., tap].T
            expected[:, frame] = x[:, frame] + block.mix(seen.clamp(min=0))
        torch.testing.assert_close(block(x), expected, rtol=0, atol=1e-12)

    @torch.no_grad()
    @pytest.mark.parametrize(("width", "heads"), [(8, 4), (6, 2), (3, 1)])
    @pytest.mark.parametrize("queries", [256, 7])
    def test_attention(self, monkeypatch, width: int, heads: int, queries: int) -> None:
        """Some frames at a time, or all: the softmax over those that are near."""
        monkeypatch.setattr(over_frames, "_QUERIES", queries)
        torch.manual_seed(1)
        attention, frames = LocalAttention(width).double(), 2 * REACH + 5
        torch.nn.init.normal_(attention.position)
        x, size = torch.randn(2, frames, width, dtype=torch.float64), width // heads
        assert attention.heads == heads
        parts = attention.qkv(x).split(width, dim=-1)
        expected = torch.zeros(2, frames, width, dtype=torch.float64)
        for head in range(heads):
            query, key, value = (own[..., head * size : (head + 1) * size] for own in parts)
            for frame in range(frames):
                near = range(max(0, frame - REACH), min(frames, frame + REACH + 1))
                scores = (query[:, None, frame] * key[:, near]).sum(-1) / size**0.5
                scores += attention.position[head, [REACH + other - frame for other in near]]
                weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
                expected[:, frame, head * size : (head + 1) * size] = torch.einsum(
                    "bk,bkc->bc", weights, value[:, near]
                )
        torch.testing.assert_close(attention(x), attention.out(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("temporal", OTHERS)
class TestFrames:
    @pytest.mark.parametrize("frames", [1, 2, 17, 80])
    def test_clips_do_not_see_each_other(self, temporal: str, frames: int) -> None:
        own, x = module(temporal, 2), clips(3, frames)
        together = own(x)
        assert together.shape == (3, frames, 24)
        for clip, expected in zip(x, together, strict=True):
            torch.testing.assert_close(own(clip[None])[0], expected, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("layers", [1, 2])
    def test_a_frame_sees_so_many_before_and_after_it(self, temporal: str, layers: int) -> None:
        own, x, middle = module(temporal, layers), clips(1, 160), 80
        other = x.clone()
        other[:, middle] += 1
        changed = (own(other) != own(x)).any(-1)[0].nonzero()[:, 0]
        reach = SEEN[temporal] * layers
        assert (int(changed[0]), int(changed[-1])) == (middle - reach, middle + reach)

    def test_what_fills_up_a_clip_is_not_seen_from_further(self, temporal: str) -> None:
        """Frames behind the end of a video change what is near the end alone."""
        own, x = module(temporal), clips(2, 100)
        filled = torch.cat([x, x[:, -1:].expand(-1, 30, -1)], dim=1)
        same = (own(filled)[:, :100] - own(x)).abs().amax(dim=(0, 2)) < 1e-12
        assert same[: 100 - SEEN[temporal]].all()
        assert not same[-1]

    def test_a_long_pass_is_as_a_short_one(self, temporal: str) -> None:
        """But near the ends: so overlapping clips and a whole video say the same."""
        own, x = module(temporal), clips(1, 700)
        part = own(x[:, 200:600])[:, SEEN[temporal] : -SEEN[temporal]]
        whole = own(x)[:, 200 + SEEN[temporal] : 600 - SEEN[temporal]]
        torch.testing.assert_close(part, whole, rtol=0, atol=1e-11)


@pytest.mark.parametrize("temporal", OTHERS)
class TestTraining:
    def test_every_parameter_gets_a_gradient(self, temporal: str) -> None:
        own = module(temporal, 2).train()
        own(clips(2, 9)).square().sum().backward()
        assert [name for name, x in own.named_parameters() if x.grad is None] == []

    def test_dropout_acts_in_training_only(self, temporal: str) -> None:
        own, x = module(temporal), clips(2, 9)
        assert torch.equal(own(x), own(x))
        own.train()
        assert not torch.equal(own(x), own(x))

    def test_under_autocast_it_is_near(self, temporal: str) -> None:
        own, x = module(temporal).float(), clips(2, 40).float()
        with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
            low = own(x).float()
        assert (low - own(x)).norm() / own(x).norm() < 0.03


def network(temporal: str) -> MIMAMONet:
    torch.manual_seed(3)
    made = MIMAMONet(replace(TINY, feature_dim=128, phase_size=48, temporal=temporal)).eval()
    torch.nn.init.normal_(made.head.fc.weight)
    return made


@pytest.mark.parametrize("temporal", OTHERS)
class TestNetwork:
    def test_a_checkpoint_brings_it_back(self, temporal: str, tmp_path) -> None:
        own, path = network(temporal), tmp_path / "c.safetensors"
        save_checkpoint(path, own, SmallBackbone())
        found = load_checkpoint(path).network
        assert found.config.temporal == temporal
        assert all(torch.equal(x, own.state_dict()[n]) for n, x in found.state_dict().items())
        own.save_pretrained(tmp_path / "shared")
        told = json.loads((tmp_path / "shared/config.json").read_text())
        assert told["network"]["temporal"] == temporal
        assert MIMAMONet.from_pretrained(tmp_path / "shared").config == own.config

    @pytest.mark.parametrize("cut", [{"stride": 8}, {"stride": 4}, {"whole": True}])
    def test_it_predicts_in_clips_and_whole(self, temporal: str, cut: dict) -> None:
        own, frames = network(temporal), 21
        random = np.random.default_rng(0)
        features = random.random((frames, 128), dtype=np.float32)
        grey = random.integers(0, 256, (frames, 48, 48), dtype=np.uint8)
        found = predict_sequence(own, features, grey, 8, **cut)
        assert found.shape == (frames, 2)
        assert np.isfinite(found).all()
        assert np.abs(np.diff(found, axis=0)).min() > 0
        again = predict_sequence(own, features, grey, 8, batch_size=1, **cut)
        np.testing.assert_allclose(found, again, rtol=0, atol=1e-5)

    def test_the_grus_weights_are_not_its_own(self, temporal: str, tmp_path) -> None:
        path = tmp_path / "c.safetensors"
        save_checkpoint(path, network("gru"), SmallBackbone())
        retold(path, "mimamo", config=network(temporal).config.to_dict())
        with pytest.raises(InputError, match=r"c\.safetensors: does not fit MIMAMONet .* missing"):
            load_checkpoint(path)


def test_only_a_gru_runs_over_clips() -> None:
    with pytest.raises(InputError, match="recurrence: expected 'frames' with temporal 'tcn', got"):
        MIMAMOConfig(temporal="tcn", recurrence="clips")
    with pytest.raises(InputError, match="temporal: expected 'gru', 'tcn', 'transformer', got"):
        MIMAMOConfig(temporal="lstm")


def test_they_are_about_as_large_as_the_gru() -> None:
    sizes = []
    for temporal in ("gru", *OTHERS):
        made = MIMAMONet(MIMAMOConfig(temporal=temporal))
        part = made.gru if temporal == "gru" else made.over_frames
        sizes.append(sum(x.numel() for x in part.parameters()))
    assert max(sizes) < 1.2 * sizes[0]


def test_feature_dropout_leaves_a_feature_out_of_all_frames_of_a_clip() -> None:
    torch.manual_seed(0)
    made = MIMAMONet(replace(TINY, feature_dropout=0.4, spatial_dropout=0.0))
    seen: list[torch.Tensor] = []
    made.spatial.fc1.register_forward_pre_hook(
        lambda _, given: seen.append(given[0].view(3, 5, -1))
    )
    features = torch.rand(3, 5, 10) + 1
    made.train().spatial(features)
    left = seen[0] == 0
    assert (left == left[:, :1]).all()
    assert 0 < left[:, 0].float().mean() < 1
    assert not torch.equal(left[0], left[1])
    torch.testing.assert_close(seen[0][~left], (features / 0.6)[~left])
    made.eval().spatial(features)
    assert torch.equal(seen[1], features)
