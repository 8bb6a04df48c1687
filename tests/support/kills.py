"""Stops every command that writes, at any moment, and runs it again: nothing may tell.

    python -m support.kills FOLDER [--rounds 20] [--seed 7]

On rendered data, made in FOLDER, each command runs once undisturbed. Then, `rounds` times, it is
stopped: by SIGKILL or by SIGTERM, which it has to answer with status 143, at a random moment of the
time that it took; or by a disk on which no file can grow beyond some size, which it has to say in a
line. It is run again: that has to end well and to leave the very files, byte for byte, that the
undisturbed run left, and no others.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mimamo.__main__ import main as run_mimamo
from support.digests import digests
from support.recipes import TINY

FULL = "a full disk"
UNTOLD = "events.out.tfevents"  # TensorBoard's files hold times


@dataclass(frozen=True)
class Command:
    """Words of a command whose results lie in the folder `out`."""

    out: str
    words: tuple[str, ...]


def commands(folder: Path) -> list[Command]:
    """Each works on what those before it have left."""
    config = folder / "tiny.toml"
    replace(TINY, epochs=3, spatial="small", learning_rate=0.01).save(config)
    at = {name: str(folder / name) for name in ("data", "cache", "run")}
    recipe = ("--config", str(config), "--device", "cpu")
    scored = (at["run"], "--cache", at["cache"], "--device", "cpu", "--overwrite")
    faces = str(folder / "data/cropped_aligned")
    return [
        Command("data", ("synth", "--identities", "3", "--takes", "2", "--frames", "40")),
        Command("cache", ("extract", at["data"], "--backbone", "small", "--device", "cpu")),
        Command("run", ("train", at["cache"], "--resume", *recipe)),
        Command("folds", ("crossval", at["cache"], "--folds", "2", *recipe)),
        Command("evaluation", ("evaluate", *scored)),
        Command("sent", ("submit", *scored, "--subset", "Validation_Set")),
        Command("predictions", ("predict", faces, "--weights", at["run"], "--render")),
    ]


def started(command: Command, folder: Path, largest: int = resource.RLIM_INFINITY) -> int:
    """The process that runs it and writes no `largest` file; what it prints goes to a file."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
        sys.argv = ["mimamo", *command.words, "--out", str(folder / command.out)]
        status = run_mimamo()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        os._exit(status)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def contents(folder: Path) -> dict[str, str]:
    """Digests of all files by their names."""
    return {name: of for name, of in digests(folder).items() if UNTOLD not in name}


def differences(found: dict[str, str], expected: dict[str, str]) -> str:
    names = found.keys() | expected.keys()
    return ", ".join(sorted(name for name in names if found.get(name) != expected.get(name)))


def stopped(command: Command, folder: Path, moment: float, how: str) -> tuple[int, str]:
    """Run it and stop it; its status, and what was wrong about its end."""
    largest = random.Random(moment).choice([20_000, 50_000, 100_000, 300_000])
    child = started(command, folder, largest if how == FULL else resource.RLIM_INFINITY)
    if how != FULL:
        time.sleep(moment)
        os.kill(child, signal.Signals[how])
    status = ended(child)
    log = (folder / "log.txt").read_text(errors="replace")
    # A process that has only just begun does not answer yet.
    begun = log or status != -signal.SIGTERM
    if how == "SIGTERM" and status not in (0, 143) and begun:
        return status, f"status {status}: {log[-500:]}"
    if how == FULL and not (status == 0 or (status in (1, 2) and "File too large" in log)):
        return status, f"status {status} with files of {largest} bytes: {log[-500:]}"
    return status, f"a traceback: {log[-500:]}" if "Traceback" in log else ""


def one_round(
    command: Command, folder: Path, expected: dict[str, str], moment: float, how: str
) -> str:
    """What went wrong, if something did."""
    shutil.rmtree(folder / command.out, ignore_errors=True)
    status, wrong = stopped(command, folder, moment, how)
    if wrong:
        return wrong
    # One that was done before is not begun again: some refuse what is whole.
    if status != 0 and (status := ended(started(command, folder))):
        log = (folder / "log.txt").read_text(errors="replace")
        return f"status {status} of the next run: {log[-500:]}"
    left = [*folder.glob(".*")]
    return differences(contents(folder / command.out), expected) or ", ".join(map(str, left))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    given = parser.parse_args(arguments)
    folder, rng = given.folder, random.Random(given.seed)
    failures, stops = 0, Counter[str]()
    for command in commands(folder):
        start = time.monotonic()
        if status := ended(started(command, folder)):
            print((folder / "log.txt").read_text())
            raise SystemExit(f"{command.words[0]}: status {status} undisturbed")
        took = time.monotonic() - start
        expected = contents(folder / command.out)
        kept = (folder / command.out).rename(folder / "kept")
        for _ in range(given.rounds):
            moment = rng.uniform(0.02, took)
            how = rng.choice(["SIGKILL", "SIGKILL", "SIGTERM", FULL])
            stops[how] += 1
            if wrong := one_round(command, folder, expected, moment, how):
                failures += 1
                print(f"{command.words[0]}: {how} after {moment:.2f} of {took:.2f} s: {wrong}")
        shutil.rmtree(folder / command.out, ignore_errors=True)
        kept.rename(folder / command.out)  # what the next commands work on
        print(f"{command.words[0]}: {given.rounds} times, {took:.1f} s undisturbed", flush=True)
    counts = ", ".join(f"{count} by {how}" for how, count in sorted(stops.items()))
    print(f"stopped {stops.total()} times, {counts}: {failures} failed, seed {given.seed}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
