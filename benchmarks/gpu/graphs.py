"""CUDA graphs: what is measured without the time of its launches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.paired_timing import Parity, Side
from benchmarks.suites import Settings


def in_graph(
    settings: Settings, call: Callable[[], Any], check: Callable[[Any], Parity] | None = None
) -> Side:
    """A side that replays `call` from a CUDA graph; elsewhere than on a GPU, the call itself."""
    if check and settings.operator_gap:
        return Side(check=check, gap=settings.operator_gap)
    return Side(_graphed(call) if settings.device == "cuda" else call, check)


def _graphed(call: Callable[[], Any]) -> Callable[[], Any]:
    """`call` recorded once in a CUDA graph; what is returned replays it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):  # plans and workspaces are made before
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = call()  # the graph writes here

    def replay() -> Any:
        graph.replay()
        return kept

    return replay
