"""Small networks for the tests, no two weights of which can be mixed up unnoticed."""

from __future__ import annotations

import torch

from mimamo.model import MIMAMOConfig, MIMAMONet

# Small enough to compare in milliseconds; the widths differ, so that none can be mixed up.
TINY = MIMAMOConfig(
    feature_dim=10,
    num_phase=4,
    phase_size=16,
    channels=(3, 5, 7),
    hidden=8,
    rnn_hidden=6,
)


def tiny_network() -> MIMAMONet:
    """A small network in evaluation mode, no BatchNorm entry of which is the initial one.

    Its weights are scaled up, because as initialised its output hardly depends on its input.
    """
    torch.manual_seed(3)
    network = scramble(MIMAMONet(TINY), seed=3).eval()
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.data.mul_(3)
    return network


def scramble(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Make every BatchNorm entry its own, so that exchanged ones are noticed."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var") or (".bn" in name and name.endswith("weight")):
            tensor.mul_(0.9 + 0.2 * torch.rand(tensor.shape, generator=generator))
        elif name.endswith(("running_mean", ".bias")):
            tensor.copy_(0.05 * torch.randn(tensor.shape, generator=generator))
    return model
