"""`python -m benchmarks.gpu_check --out DIR`: everything that needs a GPU, within a given time.

Builds the CUDA operators for the GPU that is here with the running Python's own torch, or takes
libraries built elsewhere; then measures, tests and sanitizes, in the order that gives most if it
is cut off. Every number is in DIR/records.jsonl the moment it is there. Nothing is installed or
fetched. Where there is no GPU it says so and does nothing; `--rehearse` does all of it there, in
small, with the operators as the tests emulate them.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import monotonic

from benchmarks.gpu.output import Output
from benchmarks.gpu.plan import Step, steps
from benchmarks.gpu.runner import run

SECONDS = 480.0
RESERVE = 5.0  # seconds for the last table and archive


def check(todo: Sequence[Step], out: Path, seconds: float) -> bool:
    """Run the steps within `seconds`; whether all of them passed, and were written down."""
    end = monotonic() + seconds - RESERVE
    output, good = Output(out), True
    output.add({"record": "check", "seconds": seconds, "steps": [step.name for step in todo]})
    for step in todo:
        print(f"gpu-check: {step.name}, {max(end - monotonic(), 0):.0f} s left", flush=True)
        log = output.log(step.name)
        outcome = run(step, end - monotonic(), log, output.add)
        output.add({"record": "step", **asdict(outcome)})
        text = output.update()
        if step is todo[0]:  # the facts of the machine
            print(text, flush=True)
        if not outcome.good:
            good = False
            lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
            print(*lines[-15:], sep="\n", flush=True)
    print(output.update())
    return good and not output.failed


def _no_gpu() -> str | None:
    """Why nothing can be checked here."""
    try:
        import torch
    except ImportError:
        return f"{sys.executable} has no torch"
    if torch.version.cuda is None:
        return f"torch {torch.__version__} has no CUDA"
    return None if torch.cuda.is_available() else "torch finds no GPU here"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_check", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a folder that is empty or new")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for everything (480)")
    parser.add_argument(
        "--rehearse", action="store_true", help="on the CPU, in small, the operators emulated"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="STEP", help="some of the steps")
    options = parser.parse_args(arguments)
    todo = steps(options.rehearse)
    names = [step.name for step in todo]
    if unknown := [name for name in options.only if name not in names]:
        parser.error(f"--only: expected some of {', '.join(names)}, got {unknown[0]}")
    if not options.seconds > RESERVE:
        parser.error(f"--seconds: expected more than {RESERVE:g}, got {options.seconds:g}")
    out = options.out.resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        parser.error(f"--out: expected an empty or new folder, got {options.out}")
    if not options.rehearse and (reason := _no_gpu()):
        print(f"gpu-check: {reason}, nothing to check")
        return 0
    out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a step's processes end
    todo = [step for step in todo if not options.only or step.name in options.only]
    return 0 if check(todo, out, options.seconds) else 1


if __name__ == "__main__":
    sys.exit(main())
