"""MIMAMO Net and the phases it is given, compiled as one graph."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from support.graphs import Graphs
from torch import Tensor, nn

from mimamo.model import MIMAMOConfig, MIMAMONet
from mimamo.model.features import phase_windows


class Whole(nn.Module):
    """From spatial features [B, T, D] and grey frames with context [B, T + P, S, S]."""

    def __init__(self) -> None:
        super().__init__()
        self.network = MIMAMONet(
            MIMAMOConfig(num_phase=4, channels=(4, 6, 8), hidden=16, rnn_hidden=8)
        )

    def forward(self, features: Tensor, frames: Tensor) -> Tensor:
        phases = phase_windows(frames, self.network.config, context=True)
        return self.network(features, phases)


@pytest.fixture(autouse=True)
def compiler() -> Iterator[None]:
    """PyTorch 2.13 compiles a GRU only where it is told that it may."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    with torch._dynamo.config.patch(allow_rnn=True):
        yield
    torch._dynamo.reset()


def test_one_graph_with_the_operator_inside():
    whole = Whole().eval()
    graphs = Graphs()
    compiled = torch.compile(whole, fullgraph=True, backend=graphs)
    frames = torch.randint(0, 256, (2, 9, 48, 48), dtype=torch.uint8)
    features = torch.rand(2, 5, 2048)
    with torch.no_grad():
        torch.testing.assert_close(compiled(features, frames), whole(features, frames))
    called = [str(node.target) for node in graphs[0].graph.nodes]
    assert any("phasenet.phase_difference_windows" in name for name in called)
    assert len(graphs) == 1


@pytest.mark.slow
def test_it_trains_compiled():
    whole = Whole().eval()  # no dropout, so that gradients can be compared
    frames = torch.randint(0, 256, (2, 9, 48, 48), dtype=torch.uint8)
    features = torch.rand(2, 5, 2048)
    grads = []
    for model in (whole, torch.compile(whole, fullgraph=True, backend="aot_eager")):
        loss = model(features, frames).square().sum()
        grads.append(torch.autograd.grad(loss, list(whole.parameters())))
    for eager, compiled in zip(*grads, strict=True):
        torch.testing.assert_close(compiled, eager, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_no_graph_break():
    whole = Whole().eval()
    frames = torch.randint(0, 256, (2, 9, 48, 48), dtype=torch.uint8)
    with torch.no_grad():
        explained = torch._dynamo.explain(whole)(torch.rand(2, 5, 2048), frames)
    assert explained.graph_count == 1
    assert explained.graph_break_count == 0


@pytest.mark.parametrize(("dynamic", "most"), [(True, 1), (None, 3)])
def test_phase_windows_compile_once(dynamic, most):
    """Without `dynamic`, PyTorch compiles once more when it learns that a size changes."""
    config = MIMAMOConfig(num_phase=4)
    graphs = Graphs()

    def windows(frames: Tensor) -> tuple[Tensor, ...]:
        return phase_windows(frames, config, context=True)

    compiled = torch.compile(windows, fullgraph=True, dynamic=dynamic, backend=graphs)
    for batch, length in ((2, 7), (2, 8), (2, 9), (3, 9), (4, 11), (4, 24), (7, 31)):
        frames = torch.randint(0, 256, (batch, length, 48, 48), dtype=torch.uint8)
        for got, want in zip(compiled(frames), windows(frames), strict=True):
            torch.testing.assert_close(got, want)
    assert len(graphs) <= most
