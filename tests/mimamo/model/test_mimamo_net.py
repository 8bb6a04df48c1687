from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from mimamo import MIMAMOConfig, MIMAMONet, load_weights

DROPOUTS = [field.name for field in fields(MIMAMOConfig) if field.name.endswith("_dropout")]


def make_input(config: MIMAMOConfig, clips: int, frames: int):
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(clips, frames, config.feature_dim, generator=generator)
    phases = tuple(
        torch.randn(
            clips,
            frames,
            config.phase_channels,
            config.phase_size // 2 ** (level - 1),
            config.phase_size // 2 ** (level - 1),
            generator=generator,
        )
        for level in config.levels
    )
    return features, phases


@pytest.fixture(scope="module")
def network(golden, tmp_path_factory):
    """Ours, in float64, with the published network's weights read from a file of theirs."""
    path = tmp_path_factory.mktemp("published") / "model_weights.pth.tar"
    torch.save({"state_dict": golden.state_dict, "epoch": 7}, path)
    return load_weights(MIMAMONet().double(), path).eval()


class TestPublishedNetwork:
    """The authors' implementation, run on weights and inputs made by formula, in float64."""

    def test_parameters(self, network):
        unused = 256 + 1 + 2  # the published checkpoint's phasenet.classifier
        assert sum(p.numel() for p in network.parameters()) == 2636425 - unused

    @torch.inference_mode()
    def test_spatial(self, network, golden):
        spatial = network.spatial(golden.features).numpy()
        np.testing.assert_allclose(spatial, golden.spatial, rtol=0, atol=1e-10)

    @torch.inference_mode()
    def test_temporal(self, network, golden):
        temporal = network.temporal(golden.phases).flatten(0, 1).numpy()
        np.testing.assert_allclose(temporal, golden.temporal, rtol=0, atol=1e-10)

    @torch.inference_mode()
    def test_output(self, network, golden):
        # The published GRU runs over the clips: exchanging both axes makes it run over frames.
        transposed = network(
            golden.features.transpose(0, 1), tuple(x.transpose(0, 1) for x in golden.phases)
        )
        output = transposed.transpose(0, 1).numpy()
        np.testing.assert_allclose(output, golden.output, rtol=0, atol=1e-10)

    @torch.inference_mode()
    def test_recurrence_runs_over_frames(self, network, golden):
        ours = network(golden.features, golden.phases).numpy()
        assert np.abs(ours - golden.output).max() > 1e-4


class TestClips:
    @torch.inference_mode()
    def test_do_not_see_each_other(self, tiny_network):
        features, phases = make_input(tiny_network.config, clips=3, frames=5)
        together = tiny_network(features, phases)
        for i in range(3):
            alone = tiny_network(features[i : i + 1], tuple(x[i : i + 1] for x in phases))
            torch.testing.assert_close(alone[0], together[i])

    @torch.inference_mode()
    @pytest.mark.parametrize("changed", [0, 4])
    def test_frames_see_each_other_both_ways(self, tiny_network, changed):
        features, phases = make_input(tiny_network.config, clips=1, frames=5)
        before = tiny_network(features, phases)
        features[:, changed] += 1
        difference = (tiny_network(features, phases) - before).abs().amax(-1)
        assert (difference > 0).all()

    @torch.inference_mode()
    def test_one_frame(self, tiny_network):
        output = tiny_network(*make_input(tiny_network.config, clips=2, frames=1))
        assert output.shape == (2, 1, 2)
        assert output.isfinite().all()


class TestConfiguration:
    @torch.inference_mode()
    @pytest.mark.parametrize(
        "config",
        [
            MIMAMOConfig(feature_dim=6, phase_size=8, hidden=4, rnn_hidden=3, levels=(1,)),
            MIMAMOConfig(
                feature_dim=6,
                phase_size=32,
                num_phase=3,
                nbands=4,
                height=6,
                levels=(1, 2, 3),
                channels=(2, 3, 4, 5),
                hidden=4,
                rnn_hidden=3,
                rnn_layers=1,
            ),
        ],
        ids=["one level", "three levels, four blocks, one GRU layer"],
    )
    def test_other_sizes(self, config, recwarn):
        output = MIMAMONet(config).eval()(*make_input(config, clips=2, frames=3))
        assert output.shape == (2, 3, 2)
        assert not recwarn.list

    def test_every_level_matters(self, tiny_network):
        features, phases = make_input(tiny_network.config, clips=1, frames=2)
        for level in phases:
            level.requires_grad_()
        tiny_network(features, phases).square().sum().backward()
        assert all(level.grad.abs().max() > 0 for level in phases)


class TestTraining:
    def test_every_parameter_gets_a_gradient(self, tiny_config):
        torch.manual_seed(0)
        network = MIMAMONet(tiny_config).train()
        network(*make_input(tiny_config, clips=3, frames=4)).square().sum().backward()
        without = [n for n, p in network.named_parameters() if p.grad is None]
        assert without == []

    def test_dropout_acts_in_training_only(self, tiny_network):
        inputs = make_input(tiny_network.config, clips=2, frames=3)
        assert torch.equal(tiny_network(*inputs), tiny_network(*inputs))
        tiny_network.train()
        assert not torch.equal(tiny_network(*inputs), tiny_network(*inputs))

    @pytest.mark.parametrize("dropout", [None, *DROPOUTS])
    def test_each_dropout_acts_by_itself(self, tiny_config, dropout):
        config = replace(
            tiny_config, rnn_layers=2, **{name: 0.5 * (name == dropout) for name in DROPOUTS}
        )
        network, inputs = MIMAMONet(config).train(), make_input(config, clips=2, frames=8)
        passes = [network(*inputs) for _ in range(2)]
        assert torch.equal(*passes) == (dropout is None)


class TestShapes:
    """A wrong shape is named, with what was expected and what came."""

    @pytest.mark.parametrize("shape", [(2, 3, 11), (3, 10), (2, 3, 10, 1)])
    def test_features(self, tiny_network, shape):
        _, phases = make_input(tiny_network.config, clips=2, frames=3)
        with pytest.raises(ValueError, match=r"features: expected shape \[B, T, 10\], got \["):
            tiny_network(torch.zeros(shape), phases)

    def test_number_of_levels(self, tiny_network):
        features, phases = make_input(tiny_network.config, clips=2, frames=3)
        with pytest.raises(ValueError, match="phases: expected 2 levels, got 1"):
            tiny_network(features, phases[:1])

    def test_level(self, tiny_network):
        features, phases = make_input(tiny_network.config, clips=2, frames=3)
        expected = r"phases, level 2: expected shape \[2, 3, 8, 8, 8\], got \[2, 3, 8, 8, 7\]"
        with pytest.raises(ValueError, match=expected):
            tiny_network(features, (phases[0], phases[1][..., :7]))
