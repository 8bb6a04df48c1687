"""Stops every command, at any moment, and runs it again: nothing may tell.

    python -m support.kills FOLDER [--rounds 20] [--seed 7] [--only demo live]

On rendered data, made in FOLDER, each command runs once undisturbed. Then, `rounds` times, it is
stopped, by each of `KINDS` in turn: by SIGKILL, or by SIGINT, SIGTERM or SIGHUP, which it has to
answer with status 130, 143 or 129 and a line, at a random moment of the time that it took; or by a
disk on which no file can grow beyond some size, which it has to say in a line with the place. It is
run again: that has to end well and to leave the very files, byte for byte, that the undisturbed run
left, and no others. What only reads has to leave them so at once.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mimamo.__main__ import main as run_mimamo
from mimamo.demo import run as demo
from support.digests import digests
from support.recipes import TINY

FULL = "a full disk"
KINDS = ("SIGKILL", "SIGTERM", FULL, "SIGINT", "SIGHUP")
# Of a demo a summary holds times, and cached videos when their pictures, made anew, were written.
DEMO = r"^summary\.json$|^cache/videos/"
UNTOLD = r"events\.out\.tfevents"  # TensorBoard's files hold times
LIVE = "live.csv"


@dataclass(frozen=True)
class Command:
    """Words of a command whose results, or else what it reads, lie in the folder `out`.

    Files whose names match `untold` hold times. What it finds in the folder stays if it is `kept`.
    """

    out: str
    words: tuple[str, ...]
    untold: str = UNTOLD
    kept: bool = False

    @property
    def reads(self) -> bool:
        return "--out" not in self.words

    @property
    def name(self) -> str:
        return " ".join(word for word in self.words if "/" not in word)


def commands(folder: Path) -> list[Command]:
    """Each works on what those before it have left."""
    config = folder / "tiny.toml"
    replace(TINY, epochs=3, spatial="small", learning_rate=0.01).save(config)
    data, cache, run, folds, demo = (
        str(folder / name) for name in ("data", "cache", "run", "folds", "demo")
    )
    device = ("--device", "cpu")
    folded = ("crossval", cache, "--folds", "2", "--config", str(config), *device)
    scored = (run, "--cache", cache, *device)
    faces, film = f"{data}/cropped_aligned", f"{demo}/video/astronaut.mp4"

    def written(out: str, *words: str, file: str = "", **how: Any) -> Command:
        return Command(out, (*words, "--out", str(folder / out / file)), **how)

    return [
        written("data", "synth", "--identities", "3", "--takes", "2", "--frames", "40"),
        written("cache", "extract", data, "--backbone", "small", *device),
        written("run", "train", cache, "--resume", "--config", str(config), *device),
        written("folds", *folded),
        written("folds", *folded, "--join", kept=True),
        written("evaluation", "evaluate", *scored, "--page", "--overwrite"),
        written("sent", "submit", *scored, "--subset", "Validation_Set", "--overwrite"),
        written("demo", "demo", *device, untold=rf"{UNTOLD}|{DEMO}"),
        written("predictions", "predict", faces, film, "--weights", run, "--render", "--page",
                "--overwrite"),
        written("live", "live", film, "--weights", run, "--headless", "--overwrite", file=LIVE,
                untold=LIVE),
        written("magnified", "magnify", film, "--factor", "5", "--band", "1", "4", "--slice",
                "x=60", "--orientations", "4", "--overwrite", file="film.mp4"),
        Command("run", ("evaluate", *scored), kept=True),
        Command("data", ("data", data), kept=True),
        Command("cache", ("check", cache), kept=True),
        Command("folds", ("check", folds), kept=True),
    ]  # fmt: skip


@dataclass(frozen=True)
class Started:
    """A process that runs a command, and the pipe that it prints into."""

    child: int
    printed: int

    def end(self) -> tuple[int, str]:
        """Its status, and what it printed."""
        with os.fdopen(self.printed, errors="replace") as pipe:
            printed = pipe.read()
        return os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1]), printed


def start(command: Command, folder: Path, largest: int = resource.RLIM_INFINITY) -> Started:
    """Run it in a process that writes no file larger than `largest`."""
    (folder / command.out).mkdir(exist_ok=True)  # a table's has to be there
    printed, prints = os.pipe()
    child = os.fork()
    if child:
        os.close(prints)
        return Started(child, printed)
    status = 1
    try:
        os.dup2(prints, 1)
        os.dup2(prints, 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
        if command.words[0] == "demo":
            demo.FULL = demo.QUICK
        sys.argv = ["mimamo", *command.words]
        status = run_mimamo()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def contents(command: Command, folder: Path) -> dict[str, str]:
    """Digests of all files by their names, and the rows of a live table, without latencies."""
    found = digests(folder / command.out)
    rows = {f"row {number}": row for number, row in enumerate(live_rows(folder / command.out))}
    return {name: of for name, of in found.items() if not re.search(command.untold, name)} | rows


def live_rows(out: Path) -> list[str]:
    path = out / LIVE
    return [line.rpartition(",")[0] for line in path.open()] if path.exists() else []


def differences(found: dict[str, str], expected: dict[str, str]) -> str:
    names = found.keys() | expected.keys()
    return ", ".join(sorted(name for name in names if found.get(name) != expected.get(name)))


def stopped(
    command: Command, folder: Path, how: str, moment: float, largest: int
) -> tuple[int, str]:
    """Run it and stop it; its status, and what was wrong about its end."""
    if how == FULL:
        status, printed = start(command, folder, largest).end()
        place = rf"^mimamo: error: .*{re.escape(str(folder))}\S*: .*File too large$"
        said = status in (1, 2) and re.search(place, printed, re.MULTILINE)
        if not (said or status == 0):
            return status, f"status {status} with files of {largest} bytes: {printed[-2000:]}"
    else:
        process, number = start(command, folder), signal.Signals[how]
        time.sleep(moment)
        os.kill(process.child, number)
        status, printed = process.end()
        said = status == 128 + number and "mimamo: ended" in printed
        # A process that has only just begun does not answer yet, and none answers to SIGKILL.
        killed = status == -number and (how == "SIGKILL" or not printed)
        if not (said or killed or status == 0):
            return status, f"status {status}: {printed[-2000:]}"
    return status, f"a traceback: {printed[-2000:]}" if "Traceback" in printed else ""


def wrong_table(out: Path, expected: dict[str, str], how: str, status: int) -> str:
    """What is wrong with a live table that a stop left: it ends with a whole row, or is not there.

    Its last predictions lack the frames that they would have waited for.
    """
    rows = live_rows(out)
    whole = [
        expected[f"row {number}"] for number in range(len(rows)) if f"row {number}" in expected
    ]
    first = [[row.split(",")[:3] for row in table] for table in (rows, whole)]
    if first[0] != first[1] or any(len(row.split(",")) != len(whole[0].split(",")) for row in rows):
        return "rows that are torn or of other frames"
    if (
        rows
        and status
        and how in ("SIGKILL", FULL)
        and len(rows) != sum(name.startswith("row ") for name in expected)
    ):
        return f"a table of {len(rows)} rows"
    return ""


def one_round(
    command: Command, folder: Path, expected: dict[str, str], how: str, moment: float, largest: int
) -> str:
    """What went wrong, if something did."""
    if not command.kept:
        shutil.rmtree(folder / command.out, ignore_errors=True)
    status, wrong = stopped(command, folder, how, moment, largest)
    if not wrong and command.untold == LIVE:
        wrong = wrong_table(folder / command.out, expected, how, status)
    if not wrong and command.reads:
        wrong = differences(contents(command, folder), expected)
    if wrong:
        return wrong
    # One that was done before is not begun again: some refuse what is whole. SIGINT ends `live`
    # well, but not at the end of its source.
    if status != 0 or command.untold == LIVE:
        status, printed = start(command, folder).end()
        if status:
            return f"status {status} of the next run: {printed[-500:]}"
    left = [*folder.glob(".*")]
    return differences(contents(command, folder), expected) or ", ".join(map(str, left))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--only", nargs="*", help="stop these commands alone")
    given = parser.parse_args(arguments)
    folder, rng = given.folder.resolve(), random.Random(given.seed)
    folder.mkdir(exist_ok=True)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # also of a child that has only just begun
    failures, stops = 0, Counter[str]()
    for place, command in enumerate(commands(folder)):
        begin = time.monotonic()
        status, printed = start(command, folder).end()
        if status:
            raise SystemExit(f"{command.name}: status {status} undisturbed: {printed}")
        took = time.monotonic() - begin
        if given.only and command.words[0] not in given.only:
            continue
        expected, out = contents(command, folder), folder / command.out
        sizes = [path.stat().st_size for path in sorted(out.rglob("*")) if path.is_file()]
        kept = shutil.copytree(out, folder / "kept")
        for number in range(given.rounds):
            how, moment = KINDS[(place + number) % len(KINDS)], rng.uniform(0.02, took)
            largest = int(rng.choice(sizes) * rng.random())
            stops[how] += 1
            if wrong := one_round(command, folder, expected, how, moment, largest):
                failures += 1
                text = f"{how} after {moment:.2f} of {took:.2f} s, {largest} bytes: {wrong}"
                print(f"{command.name}: {text}", flush=True)
                shutil.rmtree(out)
                shutil.copytree(kept, out)
        shutil.rmtree(out, ignore_errors=True)
        kept.rename(out)  # what the next commands work on
        print(f"{command.name}: {given.rounds} times, {took:.1f} s undisturbed", flush=True)
    counts = ", ".join(f"{count} by {how}" for how, count in sorted(stops.items()))
    print(f"stopped {stops.total()} times, {counts}: {failures} failed, seed {given.seed}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
