"""What the suites of an operator share: the operator beside its peers, on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.paired_timing import Budget, Parity, Side, compared, paired_timing, rotated
from benchmarks.rows import Row
from benchmarks.suites import Settings

Check = Callable[[Sequence[Tensor]], Parity]  # of what a side returns
Make = Callable[[], dict[str, Side]]  # makes the sides "ours" and "peer"


@dataclass(frozen=True)
class Task:
    """A row to come.

    Attributes:
        row: what `compared` is told of it.
        sides: makes its sides.
        group: with what it is measured on a GPU: "own", "peers" or "slow-peers".
        slow: whether a call takes seconds.
        flushed: as in `paired_timing`.
    """

    row: dict[str, Any]
    sides: Make
    group: str = "own"
    slow: bool = False
    flushed: bool = False


def measure(task: Task, settings: Settings, budget: Budget | None = None) -> Row:
    """Time the sides of a row, in the budget of the settings if none is given."""
    settings.tell(task.row["id"])
    usual = settings.slow_budget if task.slow else settings.budget
    with torch.inference_mode():
        found = paired_timing(
            task.sides(), settings.threads, budget or usual, settings.device, task.flushed
        )
        return compared(found["ours"], found["peer"], **task.row)


class Comparison:
    """The rows of one setting of an operator.

    Args:
        settings: how to measure.
        inputs: on the CPU; each call takes them, or on a GPU the next of their copies.
        prefix: of the rows' ids.
        work, size: of the rows that tell no other.
    """

    def __init__(
        self, settings: Settings, inputs: Tensor, prefix: str, work: str, size: str
    ) -> None:
        self.settings, self.inputs, self.prefix = settings, inputs, prefix
        self.work, self.size = work, size

    def ours(self, inputs: Iterator[Tensor], threads: int | None = None) -> Side:
        """The operator."""
        raise NotImplementedError

    def on_device(self) -> Tensor:
        return self.inputs.to(self.settings.device)

    def beside(
        self, peer: Callable[[Iterator[Tensor]], Side], inputs: Tensor | None = None
    ) -> Make:
        """The operator and a peer, on other inputs if some are given."""

        def sides() -> dict[str, Side]:
            given = self.inputs if inputs is None else inputs
            copies = rotated(given, self.settings.device)
            return {"ours": self.ours(copies), "peer": peer(copies)}

        return sides

    def in_graph(self, call: Callable[[], Any], check: Check | None = None) -> Side:
        """A side that replays `call` from a CUDA graph; elsewhere than on a GPU, the call itself.

        With a `check` it is the operator's, which has to be there.
        """
        if check and self.settings.operator_gap:
            return Side(gap=self.settings.operator_gap)
        return Side(_graphed(call) if self.settings.device == "cuda" else call, check)

    def beside_one_thread(self, side: Callable[[int], Side] | None = None) -> Make:
        """The operator, or another side, on two threads and on one."""
        gap = None if self.settings.threads > 1 else "needs two threads"
        gap = "a GPU has no threads" if self.settings.device == "cuda" else gap

        def sides() -> dict[str, Side]:
            if gap:
                return {"ours": Side(gap=gap, threads=2), "peer": Side(gap=gap)}
            copies = rotated(self.inputs, self.settings.device)
            make = side or (lambda threads: self.ours(copies, threads))
            return {"ours": make(2), "peer": make(1)}

        return sides

    def task(
        self, name: str, against: str, sides: Make, group: str = "own", *,
        slow: bool = False, flushed: bool = False, **row: Any,
    ) -> Task:  # fmt: skip
        """A row to come; `row` is what `compared` is told besides."""
        known = {"id": f"{self.prefix}/{name}", "work": self.work, "size": self.size}
        return Task({**known, "against": against, **row}, sides, group, slow, flushed)


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
