"""`python -m benchmarks.gpu.store DIR`: what a check measured, as stored results of its suites."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import plot
from benchmarks.gpu.table import of_kind
from benchmarks.results import RESULTS, Result
from benchmarks.rows import Row
from mimamo.errors import InputError
from mimamo.files import output_folder

SUITES = ("cuda", "epoch")


def read(folder: Path) -> list[dict[str, Any]]:
    """The records; InputError if there are none."""
    path = folder / "records.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected the records of gpu-check, got {error}") from error


def results(records: list[dict[str, Any]]) -> Iterator[Result]:
    """One result for each suite that has rows."""
    contexts = of_kind(records, "context")
    rows = [
        Row.from_dict({name: value for name, value in record.items() if name != "record"})
        for record in of_kind(records, "row")
    ]
    inputs: dict[str, Any] = {
        name: of_kind(records, name) for name in ("machine", "bandwidth", "step", "kernel")
    }
    for suite in SUITES:
        its = tuple(row for row in rows if row.id.startswith(f"{suite}/"))
        if its and contexts:
            first, last = contexts[0], contexts[-1]
            given = ("device", "threads", "quick", "date", "machine", "versions", "commit")
            yield Result(
                suite=suite, rows=its, load={"before": first["load"], "after": last["load"]},
                inputs={name: value for name, value in inputs.items() if suite == "cuda"},
                **{name: first[name] for name in given},
            )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.store", description=__doc__)
    parser.add_argument("folder", type=Path, help="what gpu_check was given as --out")
    parser.add_argument("--out", type=Path, default=RESULTS, help="benchmarks/results otherwise")
    options = parser.parse_args()
    try:
        found = list(results(read(options.folder)))
        for result in found:
            path = options.out / result.path
            output_folder(path.parent)
            result.save(path)
            plot.draw(
                result.rows, f"{result.suite}: {result.machine_name}", path.with_suffix(".png")
            )
            print(path)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
