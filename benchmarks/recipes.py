"""`python -m benchmarks.recipes --out DIR`: the published recipe, the strong one, and its parts.

The tables in ``docs/explanation/recipes.md``: CCC on drawn people whom the networks have not seen,
of the published recipe in small, of the strong one, of the strong one with each of its parts as
published, and with other networks over the frames, for some seeds; and the memory of a pass over a
whole track. It is written as JSON, with sums by person from which the CCC and their intervals are
computed; a test compares the two. What is there already is kept.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer
from scipy.stats import t as student_t

from benchmarks import documented
from benchmarks.drawn_faces import SUBSET, Out, Seeds, expect_same, prepare, stored_recipe
from benchmarks.machine import ROOT
from benchmarks.suites.memory import in_a_process
from benchmarks.whole_video import whole_growth
from mimamo.data.cache import Cache
from mimamo.evaluate import Ensemble, Rules
from mimamo.evaluate.scores import ccc_of_sums, face_pairs, products
from mimamo.files import output_folder
from mimamo.model import MIMAMOConfig, MIMAMONet
from mimamo.model.config import TEMPORALS
from mimamo.train import TrainingConfig, train

RESULT = ROOT / "docs/explanation/recipes.json"
PUBLISHED = RESULT.with_name("recipes-published.toml")
STRONG = RESULT.with_name("recipes-strong.toml")
SYNTH = {"identities": 32, "takes": 4, "frames": 32, "seed": 0}
LONG = 20_000  # frames of a track that is passed over whole
RESAMPLES = 2000
#: The strong recipe's parts, and the settings that each of them is.
PARTS = {
    "AdamW, warm-up and cosine": (
        "optimizer", "learning_rate", "weight_decay", "clip_gradient", "schedule", "warmup",
        "milestones", "decay",
    ),
    "a pool": ("pool",),
    "the average of weights": ("ema",),
    "feature dropout": ("feature_dropout",),
    "mixed stride": ("mixed_stride",),
}  # fmt: skip
#: What was tried beside them, and is a setting alone.
BESIDE: dict[str, dict[str, Any]] = {"a pool of 4": {"pool": 4}, "clips twice as long": {}}


class Run(NamedTuple):
    """A network to train: a row of the table, and a seed."""

    row: str
    seed: int


def recipes() -> dict[str, TrainingConfig]:
    """Every row of the table, and how its networks are trained."""
    published, strong = TrainingConfig.load(PUBLISHED), TrainingConfig.load(STRONG)
    found = {"published": published, "strong": strong}
    for part, names in PARTS.items():
        own = {name: getattr(published, name) for name in names if hasattr(published, name)}
        network = strong.network
        if "feature_dropout" in names:
            network = replace(network, feature_dropout=published.network.feature_dropout)
        found[f"strong without {part}"] = replace(strong, network=network, **own)
    for what, settings in BESIDE.items():
        own = strong if settings else strong.with_clips(2 * strong.clip_length)
        found[f"strong with {what}"] = replace(own, **settings)
    for temporal in TEMPORALS[1:]:
        network = replace(strong.network, temporal=temporal)
        found[f"strong, `--temporal {temporal}`"] = replace(strong, network=network)
    return found


def main(
    out: Out,
    result: Annotated[Path, typer.Option(help="JSON to write.", show_default=RESULT.name)] = RESULT,
    seed: Seeds = None,
    jobs: Annotated[int, typer.Option(min=1, help="Networks trained at a time, a core each.")] = 1,
    memory: Annotated[
        bool, typer.Option("--memory", help="Measure the memory of whole passes, too.")
    ] = False,
) -> None:
    """Make what is missing of the data, the runs and the JSON, and print the tables."""
    with documented.kept(result):
        measure(output_folder(out), result, seed or [0], jobs, memory)
        print("\n\n".join(tables(load(result)).values()))


def measure(out: Path, result: Path, seeds: Sequence[int], jobs: int, memory: bool) -> None:
    """Train what is not trained, and put what is not there yet into `result`."""
    cache = prepare(out, SYNTH)
    content = load(result) if result.exists() else _content()
    expect_same(result, content, _content(), ("synth", "subset", "published", "strong"))
    known = {(entry["row"], entry["seed"]) for entry in content["rows"]}
    rows = list(recipes())
    due = [Run(row, seed) for seed in seeds for row in rows if (row, seed) not in known]
    for entry in _done(partial(on_the_set, out, cache), due, jobs):
        content["rows"].append(entry)
        content["rows"].sort(key=lambda own: (rows.index(own["row"]), own["seed"]))
        documented.save(result, content | documented.here())
    if memory:
        content["memory"] = memories()
        documented.save(result, content | documented.here())


def _done(work: partial[dict[str, Any]], due: Sequence[Run], jobs: int) -> Iterator[dict[str, Any]]:
    """What becomes of each run, as soon as it is there."""
    if jobs == 1:
        yield from map(work, due)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, torch.set_num_threads, (1,)) as pool:
        yield from pool.imap_unordered(work, due)


def on_the_set(out: Path, cache: Path, run: Run) -> dict[str, Any]:
    """Train a network and predict the people whom it has not seen."""
    configs, used = recipes(), time.process_time()
    config = replace(configs[run.row], seed=run.seed)
    # A run that is finished is not begun again.
    folder = out / f"run-{list(configs).index(run.row)}-{run.seed}"
    trained = train(cache, folder, config=config, resume=True)
    used = time.process_time() - used
    opened, rules = Cache(cache), Rules()
    videos = opened.subset(SUBSET)
    values = rules.values(videos, Ensemble([trained.out], opened).predict(videos))
    people: dict[str, np.ndarray] = {}
    for video in videos:
        sums = products(*face_pairs(video, values[video.name])).sum(axis=0)
        people[video.subject] = people.get(video.subject, np.zeros_like(sums)) + sums
    return {
        **run._asdict(),
        "validation": trained.best.score,
        "best_epoch": trained.best.number,
        "cpu_seconds": round(used, 1),
        "threads": torch.get_num_threads(),
        "people": {name: sums.tolist() for name, sums in sorted(people.items())},
    }


def memories() -> list[dict[str, Any]]:
    """Of each network over the frames its weights, and the memory of passing over a whole track."""
    return [
        {
            "temporal": temporal,
            "weights": sum(x.numel() for x in _over_frames(temporal)),
            "frames": LONG,
            "bytes": in_a_process(whole_growth, LONG, temporal),
        }
        for temporal in TEMPORALS
    ]


def _over_frames(temporal: str) -> list[torch.nn.Parameter]:
    network = MIMAMONet(MIMAMOConfig(temporal=temporal))
    part = network.gru if temporal == "gru" else network.over_frames
    return list(part.parameters())


class Resampled(NamedTuple):
    """A row's CCC: of valence, arousal and their mean, the seeds' means of both, and resamples."""

    valence: float
    arousal: float
    mean: float
    seeds: list[float]
    among: np.ndarray


def resampled(entries: Sequence[Mapping[str, Any]], people: Sequence[str]) -> Resampled:
    """The mean over a row's seeds, and what it might have been with other people and seeds.

    People are drawn with replacement, the same ones for every row, and so are seeds, for each row
    by itself: ``among`` has the mean CCC of `RESAMPLES` draws.
    """
    sums = np.array([[own["people"][name] for name in people] for own in entries])  # [S, P, 6, 2]
    random = np.random.default_rng(0)
    draws = random.multinomial(len(people), np.full(len(people), 1 / len(people)), RESAMPLES)
    scores = ccc_of_sums(np.einsum("rp,spmc->rsmc", draws.astype(np.float64), sums)).mean(axis=-1)
    own = np.random.default_rng([1, sum(map(ord, entries[0]["row"]))])
    turns = own.multinomial(len(entries), np.full(len(entries), 1 / len(entries)), RESAMPLES)
    ccc = ccc_of_sums(sums.sum(axis=1))  # [S, 2]
    valence, arousal = ccc.mean(axis=0).tolist()
    among = (scores * turns).sum(axis=1) / len(entries)
    return Resampled(valence, arousal, float(ccc.mean()), ccc.mean(axis=1).tolist(), among)


def interval(
    value: float, among: np.ndarray, people: int, *, of_a_ccc: bool = False
) -> tuple[float, float]:
    """95 %: as far from a value as Student's t of so many people says of its resamples' spread.

    That of a CCC is taken of Fisher's z, as `mimamo evaluate` does.
    """
    if of_a_ccc:
        low, high = np.tanh(interval(np.arctanh(value), np.arctanh(among), people))
        return float(low), float(high)
    reach = student_t.ppf(0.975, people - 1) * among.std()
    return float(value - reach), float(value + reach)


def load(path: Path) -> dict[str, Any]:
    """Read what `measure` wrote. Raises InputError, naming the file, if it is something else."""
    return documented.load(path, _content(), tables)


def tables(content: Mapping[str, Any]) -> dict[str, str]:
    """The tables as Markdown, by name: "set" and "memory", as far as they are there."""
    found = {}
    if content["rows"]:
        heads = (
            "recipe", "valence", "arousal", "mean (95 %)", "minus strong (95 %)", "by seed",
            "on validation", "CPU time",
        )  # fmt: skip
        found["set"] = documented.markdown(heads, _set_rows(content["rows"]))
    if content["memory"]:
        heads = ("`--temporal`", "weights", "`--whole`, a frame")
        found["memory"] = documented.markdown(heads, map(_memory_cells, content["memory"]))
    return found


def _set_rows(entries: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    people = sorted(entries[0]["people"])
    rows = list(recipes())
    by_row = {row: [own for own in entries if own["row"] == row] for row in rows}
    if sum(map(len, by_row.values())) < len(entries):
        raise ValueError("rows of something else")
    strong = resampled(by_row["strong"], people) if by_row["strong"] else None
    for row, own in by_row.items():
        if not own:
            continue
        found = resampled(own, people)
        cells = [row, f"{found.valence:.3f}", f"{found.arousal:.3f}"]
        ends = interval(found.mean, found.among, len(people), of_a_ccc=True)
        cells.append(_with_ends(found.mean, ends, ""))
        if strong is None or row == "strong":
            cells.append("")
        else:
            less = found.mean - strong.mean
            ends = interval(less, found.among - strong.among, len(people))
            cells.append(_with_ends(less, ends, "+"))
        cells.append(", ".join(f"{value:.3f}" for value in found.seeds))
        cells.append(f"{np.mean([x['validation'] for x in own]):.3f}")
        cells.append(f"{np.mean([x['cpu_seconds'] for x in own]):.0f} s")
        yield cells


def _with_ends(value: float, ends: tuple[float, float], sign: str) -> str:
    return f"{value:{sign}.3f} ({ends[0]:{sign}.3f} to {ends[1]:{sign}.3f})"


def _memory_cells(row: Mapping[str, Any]) -> list[str]:
    a_frame = row["bytes"] / row["frames"] / 1000
    return [row["temporal"], f"{row['weights']:,}", f"{a_frame:.1f} KB"]


def _content() -> dict[str, Any]:
    return {
        "synth": SYNTH, "subset": SUBSET, "published": stored_recipe(PUBLISHED),
        "strong": stored_recipe(STRONG), "rows": [], "memory": [],
    }  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
