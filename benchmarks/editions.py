"""`python -m benchmarks.editions --out DIR`: every edition's chain, from archive to submission.

The table in ``docs/howto/editions.md``: the page's own commands, one after the other, with sizes
made smaller; what `mimamo data` found, the exit status of each command, and whether a submission
has the rows of its sample, or without one of its films. It is written as JSON; a test compares the
two, and another runs it all again.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import documented
from benchmarks.machine import ROOT
from mimamo.cli import main as mimamo
from mimamo.data import AffWild2
from mimamo.data.dataset import TEST
from mimamo.data.lists import SAMPLE_HEADER, Sample
from mimamo.demo.synth.editions import SAMPLE
from mimamo.errors import InputError
from mimamo.files import output_folder
from mimamo.model import MIMAMOConfig
from mimamo.train import TrainingConfig
from mimamo.video import VideoReader

PAGE = ROOT / "docs/howto/editions.md"
RESULT = PAGE.with_suffix(".json")
#: What makes a command quick; the last option counts.
TINY_FILE = "tiny.toml"
SMALLER = {
    "train": ["--epochs", "1", "--config", TINY_FILE],
    "crossval": ["--folds", "3", "--epochs", "1", "--config", TINY_FILE],
    "synth": ["--identities", "4", "--takes", "2", "--frames", "20"],
}
TINY = TrainingConfig(
    clip_length=8,
    stride=8,
    batch_size=4,
    network=MIMAMOConfig(num_phase=4, channels=(4, 6, 8), hidden=16, rnn_hidden=8),
)
SETS = ("Train_Set", "Validation_Set", TEST, "in no list")
_SET = re.compile(r"(\S.*?)\s{2,}(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)")  # a row of `mimamo data`


def main(
    out: Annotated[Path, typer.Option(help="Folder for data, caches and runs, new or empty.")],
    result: Annotated[Path, typer.Option(help="JSON to write.", show_default=RESULT.name)] = RESULT,
) -> None:
    """Run the commands of the page, write the JSON, and print the table."""
    with documented.kept(result):
        if any(output_folder(out).iterdir()):
            raise InputError(f"{out}: expected a new or empty folder, got one with files in it")
        rows = [measure(out, chain) for chain in chains()]
        documented.save(result, {"added": SMALLER, "rows": rows, **documented.here()})
    print(table(load(result)))
    if not all(is_right(row) for row in rows):
        raise typer.Exit(1)


def chains() -> list[list[str]]:
    """The commands of the page, each edition's together, which begin with making its data."""
    found: list[list[str]] = []
    for command in documented.commands(PAGE):
        if command.startswith("mimamo synth "):
            found.append([])
        found[-1].append(command)
    return found


def measure(out: Path, commands: Sequence[str]) -> dict[str, Any]:
    """Run an edition's commands in a folder, until one fails, and look at what came of it."""
    row: dict[str, Any] = {"found": "nothing", "sets": {}, "steps": []}
    TINY.save(out / TINY_FILE)
    with _inside(out):
        for command in commands:
            _, name, *words = shlex.split(command)
            with redirect_stdout(StringIO()) as said:
                status = mimamo([name, *words, *SMALLER.get(name, [])])
            print(f"{command}: exit status {status}", flush=True)
            row["steps"].append({"command": command, "status": status})
            if name == "data":
                row["found"], row["sets"] = found_in(said.getvalue().splitlines())
            if status:
                return row
        data, submission = (Path(_option(commands[at], "--out")) for at in (0, -1))
        row["submission"] = compared(submission, data)
    return row


def found_in(lines: Sequence[str]) -> tuple[str, dict[str, list[int]]]:
    """What `mimamo data` says: whose data, and of each set videos, faces, films, annotations."""
    rows = filter(None, map(_SET.fullmatch, lines))
    sets = {row[1]: [int(row[column]) for column in range(2, 6)] for row in rows}
    return next(iter(lines), "nothing").rpartition(": ")[2], sets


def compared(submission: Path, data: Path) -> dict[str, Any]:
    """The rows of a submission, those that it should have, and how many of them are wrong."""
    expected, rows = wanted(data), list(written(submission))
    wrong = sum(
        own is None or own[0] != other or not _is_value(own[1])
        for own, other in zip_longest(rows, expected)
    )
    by = "sample" if (data / SAMPLE).exists() else "films"
    return {"rows": len(rows), "expected": len(expected), "by": by, "wrong": wrong}


def wanted(data: Path) -> list[str]:
    """The pictures that a submission has to have: the sample's, or all of the test set's films."""
    if (data / SAMPLE).exists():
        return Sample(data / SAMPLE).locations
    videos = [video for video in AffWild2(data).videos() if video.subset == TEST]
    films = {video.name: VideoReader(video.recording or video.source) for video in videos}
    return [_picture(name, n) for name in sorted(films) for n, _ in enumerate(films[name], start=1)]


def written(submission: Path) -> Iterator[tuple[str, str]]:
    """The picture and the values of every row of a submission."""
    for path in sorted(submission.glob("*.txt"), key=lambda path: path.stem):
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        for number, row in enumerate(rows, start=1):
            if header != SAMPLE_HEADER:  # a file of a video alone, with a line for each frame
                row = f"{_picture(path.stem, number)},{row}"
            location, _, values = row.partition(",")
            yield location, values


def load(path: Path) -> dict[str, Any]:
    """Read what the command wrote. Raises InputError, naming the file, if it is something else."""
    return documented.load(path, ("added", "rows"), lambda content: {"editions": table(content)})


def is_right(row: Mapping[str, Any]) -> bool:
    """Whether all commands of an edition ended well, in the rows that a submission must have."""
    return not any(step["status"] for step in row["steps"]) and not row["submission"]["wrong"]


def table(content: Mapping[str, Any]) -> str:
    """The table as Markdown."""
    names = [step["command"].split()[1] for step in content["rows"][0]["steps"]]
    heads = ("found", *SETS, ", ".join(names), "submission")
    return documented.markdown(heads, map(_cells, content["rows"]))


def _cells(row: Mapping[str, Any]) -> list[str]:
    counts = ["/".join(map(str, row["sets"].get(name, ()))) for name in SETS]
    statuses = ", ".join(str(step["status"]) for step in row["steps"])
    came = "none"
    if sent := row.get("submission"):
        those = f"{sent['wrong']} not those" if sent["wrong"] else "those"
        came = f"{sent['rows']} rows, {those} of the {sent['by']}"
    return [row["found"], *counts, statuses, came]


def _option(command: str, name: str) -> str:
    words = shlex.split(command)
    return words[words.index(name) + 1]


def _picture(video: str, number: int) -> str:
    return f"{video}/{number:05d}.jpg"


def _is_value(text: str) -> bool:
    """Whether it is a valence and an arousal, or says that there is none."""
    values = [float(part) for part in text.split(",")]
    return len(values) == 2 and (values == [-5, -5] or all(-1 <= value <= 1 for value in values))


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in a folder, where the commands' paths are."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


if __name__ == "__main__":
    typer.run(main)
