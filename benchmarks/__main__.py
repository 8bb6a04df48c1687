"""`python -m benchmarks`: measure, show, store, compare."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks import compare, machine, report, suites
from benchmarks.results import RESULTS, Result, circumstances
from mimamo.device import choose_device
from mimamo.errors import InputError
from mimamo.files import output_folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure phasenet and mimamo beside their peers.

    Returns 1 if a result is wrong or, with --compare, worse; 2 for what cannot be asked for.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--suite", choices=(*suites.SUITES, "all"), default="all", help="what to measure")
    add("--device", choices=("cpu", "cuda"), default="cpu")
    cores = range(1, machine.cores() + 1)
    add("--threads", type=int, default=min(2, machine.cores()), choices=cores, metavar="N",
        help="the targets are for 2")  # fmt: skip
    add("--quick", action="store_true", help="small, few repeats; stored only with --out")
    add("--video", type=Path, help="of the predict suite; without it, one is rendered")
    add("--out", type=Path, help="a .json file for one suite, or a folder; benchmarks/results")
    add("--compare", type=Path, help="an earlier result to compare with")
    add("--threshold", type=float, default=compare.THRESHOLD, help="1 if a row is worse by more")
    asked = parser.parse_args(arguments)
    before = torch.get_num_threads()
    try:
        return 1 if _run(asked, _settings(asked)) else 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        torch.set_num_threads(before)


def _settings(asked: argparse.Namespace) -> suites.Settings:
    choose_device(asked.device)
    if not asked.threshold > 0:
        raise InputError(f"threshold: expected more than 0, got {asked.threshold:g}")
    if asked.video is not None and not asked.video.is_file():
        raise InputError(f"{asked.video}: expected a video, found none")
    torch.set_num_threads(asked.threads)
    return suites.Settings(asked.device, asked.threads, asked.quick, asked.video)


def _run(asked: argparse.Namespace, settings: suites.Settings) -> bool:
    """Run the suites; return whether a row is wrong or worse than the result compared with."""
    names = list(suites.SUITES) if asked.suite == "all" else [asked.suite]
    old = Result.load_from(asked.compare) if asked.compare else None
    if old and old.suite not in names:
        raise InputError(f"{asked.compare}: a result of suite {old.suite}, which was not asked for")
    out: Path | None = asked.out or (None if asked.quick else RESULTS)
    to_file = out is not None and out.suffix == ".json"
    if to_file and len(names) > 1:
        raise InputError(f"{out}: expected a folder for several suites, got a file")
    if out:  # before hours are spent
        output_folder(out.parent if to_file else out)
    complaints: list[str] = []
    before = machine.load_average()  # of the others: later it is our own
    for name in names:
        rows, inputs = suites.run(name, settings)
        load = {"before": before, "after": machine.load_average()}
        known = circumstances(settings)
        result = Result(suite=name, rows=tuple(rows), inputs=inputs, load=load, **known)
        print(report.terminal(result), flush=True)
        complaints += [f"wrong: {row.id}" for row in rows if row.wrong]
        if out:
            path = out if to_file else out / result.path
            result.save(path)
            print(f"written: {path}", file=sys.stderr)
        if old and old.suite == name:
            complaints += compare.worse(old, result, asked.threshold)
    print(*complaints, sep="\n", file=sys.stderr)
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
