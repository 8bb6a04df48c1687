"""`python -m benchmarks`: measure, show, draw, store, compare."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks import compare, machine, plot, show, suites
from benchmarks.results import RESULTS, Result, describe
from benchmarks.settings import Settings
from mimamo.device import choose_device
from mimamo.errors import InputError
from mimamo.files import output_folder

Suite = Enum("Suite", {name: name for name in (*suites.SUITES, "all")}, type=str)


def main(
    suite: Annotated[Suite, typer.Option(help="What to measure.")] = Suite.all,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="Threads; the targets are for 2.")] = min(
        2, machine.cores()
    ),
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes, few repeats; stored only with --out.")
    ] = False,
    video: Annotated[
        Path | None, typer.Option(help="Video of the predict suite; without it, one is rendered.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A .json file for one suite, or a folder; benchmarks/results otherwise."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--compare", help="An earlier result to compare with.")
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="With --compare: exit 1 if a row is worse by more.")
    ] = compare.THRESHOLD,
) -> None:
    """Measure phasenet and mimamo beside their peers.

    Exits with 1 if a result is wrong or, with --compare, worse.
    """
    try:
        if not threshold > 0:
            raise InputError(f"threshold: expected more than 0, got {threshold:g}")
        names = list(suites.SUITES) if suite is Suite.all else [suite.value]
        failed = _run(names, _settings(device, threads, quick, video), out, against, threshold)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    if failed:
        raise typer.Exit(1)


def _settings(device: str, threads: int, quick: bool, video: Path | None) -> Settings:
    if device not in ("cpu", "cuda"):
        raise InputError(f"device: expected cpu or cuda, got {device!r}")
    choose_device(device)
    if threads > machine.cores():
        raise InputError(f"threads: expected at most {machine.cores()}, the cores, got {threads}")
    if video is not None and not video.is_file():
        raise InputError(f"{video}: expected a video, found none")
    torch.set_num_threads(threads)

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    return Settings(device, threads, quick, video, tell)


def _run(
    names: list[str], settings: Settings, out: Path | None, against: Path | None, threshold: float
) -> bool:
    """Run the suites; return whether a row is wrong or worse than the result compared with."""
    old = Result.load_from(against) if against else None
    if old and old.suite not in names:
        raise InputError(f"{against}: a result of suite {old.suite}, which was not asked for")
    if out and out.suffix == ".json" and len(names) > 1:
        raise InputError(f"{out}: expected a folder for several suites, got a file")
    if out or not settings.quick:  # before hours are spent
        output_folder((out.parent if out.suffix == ".json" else out) if out else RESULTS)
    screen = show.console()
    failed = False
    before = machine.load_average()  # of the others: later it is our own
    for name in names:
        measured = suites.run(name, settings)
        load = {"before": before, "after": machine.load_average()}
        result = describe(name, settings, measured, load)
        screen.print(show.table(result))
        for row in result.rows:
            if row.wrong:
                print(
                    f"wrong: {row.id}: error {row.ours.error:.1e} above {row.error_bar:.0e}",
                    file=sys.stderr,
                )
                failed = True
        if out or not settings.quick:
            _store(result, out)
        if old and old.suite == name:
            found = compare.changes(old, result)
            screen.print(compare.table(found, compare.same_conditions(old, result), threshold))
            failed |= any(compare.exceeds(change, threshold) for change in found)
    return failed


def _store(result: Result, out: Path | None) -> None:
    path = out if out and out.suffix == ".json" else (out or RESULTS) / result.path
    output_folder(path.parent)
    result.save(path)
    title = f"{result.suite}: {result.machine_name}, {result.device}, {result.threads} threads"
    plot.draw(result.rows, title, path.with_suffix(".png"))
    print(f"written: {path} and .png", file=sys.stderr)


if __name__ == "__main__":
    typer.run(main)
