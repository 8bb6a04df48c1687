"""`python -m benchmarks.checksums`: what checksums take of extraction and of training.

Faces are rendered, extracted with a ResNet50 of random weights and trained on for one and three
epochs, as by the commands. The time within `mimamo.tensor_file.checksum`, reading included, is
compared with the whole, in one run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from unittest import mock

import typer

from mimamo import tensor_file
from mimamo.data import cached_video
from mimamo.demo.synth.ablation_set import write_ablation_set
from mimamo.extract import extract
from mimamo.train import TrainingConfig, train

app = typer.Typer(add_completion=False)


@dataclass
class Spent:
    """Seconds in all, and in checksums."""

    whole: float = 0.0
    checksums: float = 0.0

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.whole - other.whole, self.checksums - other.checksums)

    def __str__(self) -> str:
        share = self.checksums / self.whole
        return f"{self.checksums * 1e3:.1f} ms of {self.whole:.1f} s: {share:.3%}"


@contextmanager
def watched() -> Iterator[Spent]:
    """Times what runs within, and the checksums in it."""
    spent, compute = Spent(), tensor_file.checksum

    def timed(*args: Any) -> int:
        start = time.perf_counter()
        try:
            return compute(*args)
        finally:
            spent.checksums += time.perf_counter() - start

    start = time.perf_counter()
    with (
        mock.patch.object(tensor_file, "checksum", timed),
        mock.patch.object(cached_video, "checksum", timed),
    ):
        yield spent
    spent.whole = time.perf_counter() - start


@app.command()
def main(
    takes: Annotated[int, typer.Option(min=1, help="Videos of each of three people.")] = 1,
    frames: Annotated[int, typer.Option(min=64, help="Of each video.")] = 96,
) -> None:
    """Print what checksums take of extraction, of a run's first epoch and of those after it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_ablation_set(folder / "data", identities=3, takes=takes, frames=frames)
        tell("extraction", lambda: extract(folder / "data", folder / "cache", backbone="random"))
        first, three = (
            tell(
                f"{epochs} epochs, caches and weights read and written",
                partial(
                    train,
                    folder / "cache",
                    folder / f"run-{epochs}",
                    config=TrainingConfig(epochs=epochs),
                ),
            )
            for epochs in (1, 3)
        )
        print(f"of them what is repeated, two epochs: {three - first}")


def tell(what: str, work: Callable[[], object]) -> Spent:
    with watched() as spent:
        work()
    print(f"{what}: {spent}", flush=True)
    return spent


if __name__ == "__main__":
    app()
