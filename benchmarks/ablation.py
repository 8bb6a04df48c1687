"""`python -m benchmarks.ablation --out DIR`: what each stream learns on drawn faces.

The rows of the table in ``docs/explanation/stream-ablation.md``, by the commands that stand there,
for some seeds, written as JSON; a test compares the two. A row that is there already is kept, so it
goes on where it was stopped.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer

from benchmarks import documented
from benchmarks.drawn_faces import SUBSET, Out, Seeds, expect_same, prepare, stored_recipe
from benchmarks.machine import ROOT
from mimamo.errors import InputError
from mimamo.evaluate import evaluate_runs
from mimamo.files import output_folder
from mimamo.model.config import STREAMS
from mimamo.train import TrainingConfig, train

RESULT = ROOT / "docs/explanation/stream-ablation.json"
RECIPE = RESULT.with_suffix(".toml")
SYNTH = {"identities": 24, "takes": 4, "frames": 96, "seed": 0}
HEADINGS = ("the network sees", "seed", "valence", "arousal", "training, CPU time")


class Condition(NamedTuple):
    """A row of the table: how the network was trained, and with what it was evaluated."""

    title: str
    trained: str
    streams: str


ROWS = (
    Condition("both", "both", "both"),
    Condition("both, motion blinded (`evaluate --streams spatial`)", "both", "spatial"),
    Condition("both, stills blinded (`evaluate --streams temporal`)", "both", "temporal"),
    Condition("stills alone", "spatial", "both"),
    Condition("motion alone", "temporal", "both"),
)


def main(
    out: Out,
    result: Annotated[Path, typer.Option(help="JSON to write.", show_default=RESULT.name)] = RESULT,
    seed: Seeds = None,
    trained: Annotated[
        list[str] | None,
        typer.Option(show_default=False, help="Train networks of these streams only."),
    ] = None,
) -> None:
    """Make what is missing of the data, the runs and the JSON, and print the table."""
    with documented.kept(result):
        cache = prepare(output_folder(out), SYNTH)
        for number in seed or [0]:
            for streams in trained or STREAMS:
                measure(cache, out, result, number, streams)
        print(table(load(result)))


def measure(cache: Path, out: Path, result: Path, seed: int, streams: str) -> None:
    """Train a network of these streams and add its rows to `result`, unless they are there."""
    rows = [row for row in ROWS if row.trained == streams]
    if not rows:
        raise InputError(f"trained: expected both, spatial or temporal, got {streams!r}")
    content = load(result) if result.exists() else _content()
    expect_same(result, content, _content(), ("synth", "subset", "recipe"))
    known = {(entry["seed"], entry["row"]) for entry in content["rows"]}
    if all((seed, row.title) in known for row in rows):
        return
    recipe = TrainingConfig.load(RECIPE)
    config = replace(recipe, seed=seed, network=replace(recipe.network, streams=streams))
    began, used = time.monotonic(), time.process_time()
    run = train(cache, out / f"run-{streams}-{seed}", config=config, overwrite=True).out
    took = {"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - used}
    for row in rows:
        options = {"subset": SUBSET, "streams": row.streams, "stride": recipe.clip_length}
        summary = evaluate_runs([run], cache, **options).summary
        content["rows"].append(
            {
                "seed": seed,
                "row": row.title,
                "valence": summary.faces.valence,
                "arousal": summary.faces.arousal,
                "interval_95": asdict(summary.interval),
                "frames": summary.faces.count,
                "training": {name: round(value, 1) for name, value in took.items()},
                "threads": torch.get_num_threads(),
                **documented.here(),
            }
        )
    order = [row.title for row in ROWS]
    content["rows"].sort(key=lambda entry: (order.index(entry["row"]), entry["seed"]))
    documented.save(result, content)


def load(path: Path) -> dict[str, Any]:
    """Read what `measure` wrote. Raises InputError, naming the file, if it is something else."""
    return documented.load(path, _content(), lambda content: {"rows": table(content)})


def table(content: dict[str, Any]) -> str:
    """The table as Markdown, one line a row and seed; what has learnt something is bold."""
    lines, known = [], {row.title: row for row in ROWS}
    for entry in content["rows"]:
        cells = [_cell(entry[name], entry["interval_95"][name]) for name in ("valence", "arousal")]
        minutes, seconds = divmod(round(entry["training"]["cpu_seconds"]), 60)
        is_blinded = known[entry["row"]].streams != "both"  # a network that has both
        took = "" if is_blinded else f"{minutes} min {seconds} s"
        lines.append((entry["row"], str(entry["seed"]), *cells, took))
    return documented.markdown(HEADINGS, lines)


def _cell(value: float, ends: Sequence[float] | None) -> str:
    shown = f"**{value:.3f}**" if value >= 0.7 else f"{value:.3f}"
    return shown if ends is None else f"{shown} ({ends[0]:.3f} to {ends[1]:.3f})"


def _content() -> dict[str, Any]:
    return {"synth": SYNTH, "subset": SUBSET, "recipe": stored_recipe(RECIPE), "rows": []}


if __name__ == "__main__":
    typer.run(main)
