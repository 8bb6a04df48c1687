"""`make gpu-check OUT=dir`: everything that needs a GPU, in one go, with logs and results in dir.

Builds the CUDA operators for the GPU that is here with the running Python's own torch, runs the
tests marked `cuda`, NVIDIA's compute-sanitizer on a small case, and the benchmark suites. Nothing
is installed and nothing is fetched. Where there is no GPU it says so and does nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic

ROOT = Path(__file__).resolve().parent.parent
BUDGET = 480.0  # seconds for everything
SANITIZERS = ("memcheck", "racecheck", "initcheck")
ALWAYS = "build"  # without it nothing else makes sense


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        limit: seconds it may take at most.
        environment: what it has beyond ours.
        missing: why it cannot run here, if it cannot.
    """

    name: str
    command: Sequence[str]
    limit: float
    environment: dict[str, str] = field(default_factory=dict)
    missing: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a step: "passed", "failed", "timed out" or "skipped" with the reason."""

    name: str
    status: str
    seconds: float = 0.0
    reason: str | None = None

    @property
    def good(self) -> bool:
        return self.status in ("passed", "skipped")


def steps(out: Path, device: str, architecture: str | None) -> list[Step]:
    """What is run, in this order; the epoch last, as it has what time is left."""
    python = [sys.executable, "-W", "ignore"]
    quick = [] if device == "cuda" else ["--quick"]
    build = {"PHASENET_CUDA": "1", "TORCH_CUDA_ARCH_LIST": architecture} if architecture else {}
    sanitizer = _sanitizer()
    needed = None if sanitizer else "compute-sanitizer is not in PATH nor in CUDA's folder"
    if device != "cuda":
        needed = "it needs a GPU"
    checks = [
        Step(
            tool,
            [
                sanitizer or "compute-sanitizer", "--tool", tool, "--error-exitcode", "9",
                "--print-limit", "20", *_filter(tool), *python, "-m", "tests.gpu.small_case",
            ],
            60,
            {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"},  # so that each tensor has bounds of its own
            needed,
        )
        for tool in SANITIZERS
    ]  # fmt: skip
    benchmarks = [*python, "-m", "benchmarks", "--device", device, *quick, "--out", str(out)]
    return [
        Step("build", [*python, "setup.py", "build_ext", "--inplace"], 240, build),
        Step("tests", [*python, "-m", "pytest", "-m", "cuda", "tests/gpu", "tests/phasenet"], 120),
        *checks,
        Step("cuda", [*benchmarks, "--suite", "cuda"], 180),
        Step("epoch", [*benchmarks, "--suite", "epoch"], 180),
    ]


def _sanitizer() -> str | None:
    homes = [os.environ.get("CUDA_HOME", ""), "/usr/local/cuda"]
    places = ["compute-sanitizer", *(f"{home}/bin/compute-sanitizer" for home in homes if home)]
    return next((found for place in places if (found := shutil.which(place))), None)


def _filter(tool: str) -> list[str]:
    """Races are looked for in our kernels alone; initcheck has to see who wrote the memory."""
    return ["--kernel-regex", "kns=phasenet"] if tool == "racecheck" else []


def run(step: Step, out: Path, left: float) -> Outcome:
    """Run a step; its output goes to `<name>.log`."""
    if step.missing:
        return Outcome(step.name, "skipped", reason=step.missing)
    limit = min(step.limit, left)
    if limit < 1:
        return Outcome(step.name, "timed out", reason="no time was left for it")
    start = monotonic()
    with (out / f"{step.name}.log").open("w", encoding="utf-8") as log:
        try:
            done = subprocess.run(
                list(step.command), cwd=ROOT, env={**os.environ, **step.environment}, stdout=log,
                stderr=subprocess.STDOUT, timeout=limit, check=False,
            )  # fmt: skip
            status, reason = "passed", None
            if done.returncode != 0:
                status, reason = "failed", f"status {done.returncode}"
        except subprocess.TimeoutExpired:
            status, reason = "timed out", f"after {limit:.0f} s"
        except OSError as error:
            status, reason = "failed", f"{step.command[0]}: {error.strerror}"
    return Outcome(step.name, status, round(monotonic() - start, 1), reason)


def check(out: Path, device: str, only: Sequence[str], architecture: str | None) -> bool:
    """Run the steps asked for, tell and store what became of them; whether all is well."""
    out.mkdir(parents=True, exist_ok=True)
    end = monotonic() + BUDGET
    outcomes: list[Outcome] = []
    for step in steps(out, device, architecture):
        if only and step.name not in only:
            continue
        print(f"gpu-check: {step.name}", flush=True)
        outcomes.append(run(step, out, end - monotonic()))
        if not outcomes[-1].good:
            print(_tail(out / f"{step.name}.log"), flush=True)
            if step.name == ALWAYS:
                break
    summary = {"device": device, "steps": [asdict(outcome) for outcome in outcomes]}
    (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    for outcome in outcomes:
        reason = f" ({outcome.reason})" if outcome.reason else ""
        print(f"gpu-check: {outcome.name}: {outcome.status}{reason}, {outcome.seconds} s")
    return all(outcome.good for outcome in outcomes)


def _tail(log: Path, lines: int = 15) -> str:
    if not log.exists():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


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
    parser.add_argument("--out", type=Path, required=True, help="folder of logs and results")
    parser.add_argument(
        "--device",
        choices=("cuda", "cpu"),
        default="cuda",
        help="cpu runs in small what can run there, to see that it works",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="STEP",
        help="build, tests, memcheck, racecheck, initcheck, cuda, epoch",
    )
    options = parser.parse_args(arguments)
    names = [step.name for step in steps(options.out, options.device, None)]
    if unknown := [name for name in options.only if name not in names]:
        parser.error(f"--only: expected some of {', '.join(names)}, got {unknown[0]}")
    out = options.out.resolve()
    if options.device == "cpu":
        return 0 if check(out, "cpu", options.only, None) else 1
    if reason := _no_gpu():
        print(f"gpu-check: {reason}, nothing to check")
        return 0
    import torch

    major, minor = torch.cuda.get_device_capability()
    print(
        f"gpu-check: {torch.cuda.get_device_name()}, sm_{major}{minor}, torch {torch.__version__}"
    )
    return 0 if check(out, "cuda", options.only, f"{major}.{minor}") else 1


if __name__ == "__main__":
    sys.exit(main())
