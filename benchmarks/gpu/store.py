"""`python -m benchmarks.gpu.store DIR`: what a check measured, as stored results of its suites."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.gpu.summary import measured_rows, of_kind
from benchmarks.results import RESULTS, Result
from mimamo.errors import InputError

SUITES = ("cuda", "epoch")


def read(folder: Path) -> list[dict[str, Any]]:
    """The records; InputError if there are none."""
    path = folder / "records.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines[:-1]]  # behind the last is nothing, or half one
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected the records of gpu-check, got {error}") from error


def results(records: list[dict[str, Any]]) -> Iterator[Result]:
    """One result for each suite that has rows."""
    contexts = of_kind(records, "context")
    kinds = ("machine", "bandwidth", "step", "kernel")
    inputs: dict[str, Any] = {name: of_kind(records, name) for name in kinds}
    for suite in SUITES:
        rows = tuple(row for row in measured_rows(records) if row.id.startswith(f"{suite}/"))
        if rows and contexts:
            load = {"before": contexts[0]["load"], "after": contexts[-1]["load"]}
            known = {**contexts[0], "load": load, "inputs": inputs if suite == "cuda" else {}}
            yield Result(suite=suite, rows=rows, **known)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.store", description=__doc__)
    parser.add_argument("folder", type=Path, help="what gpu_check was given as --out")
    parser.add_argument("--out", type=Path, default=RESULTS, help="benchmarks/results otherwise")
    options = parser.parse_args()
    try:
        found = list(results(read(options.folder)))
        for result in found:
            path = options.out / result.path
            result.save(path)
            print(path)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
