"""`python -m benchmarks.whole_video --out DIR`: what clips, overlap and smoothing do.

The tables in ``docs/explanation/whole-video.md``: networks trained on clips of 64 and of 300 frames
predict the test set of drawn faces, and a film if one is given, with every way to cut and smooth;
what is measured is CCC and the steps between frames. Beside it, the memory of a training step. It
is written as JSON; a test compares the two. What is there already is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer

from benchmarks import documented
from benchmarks.drawn_faces import SUBSET, Out, Seeds, expect_same, prepare, stored_recipe
from benchmarks.machine import ROOT
from benchmarks.suites.memory import growth, in_a_process, resident
from benchmarks.suites.train import TrainingStep
from mimamo.data.cache import Cache
from mimamo.data.clips import clip_starts
from mimamo.errors import InputError
from mimamo.evaluate import Ensemble, Rules
from mimamo.evaluate.summary import summary_of
from mimamo.faces import CenterFace, Detection
from mimamo.faces.detection import Detector
from mimamo.files import output_folder
from mimamo.model import MIMAMOConfig, MIMAMONet, load_checkpoint
from mimamo.predict import PredictSettings, predict_video
from mimamo.predict.clips import ClipInput, Cut, EmbeddedClips, read_out_clips
from mimamo.predict.smoothing import reach_of
from mimamo.train import TrainingConfig, train

RESULT = ROOT / "docs/explanation/whole-video.json"
RECIPE = RESULT.with_suffix(".toml")
SYNTH = {"identities": 24, "takes": 1, "frames": 320, "seed": 0}
LENGTHS = (64, 300)  # of the clips that are trained on
LONG = 50_000  # frames of a track that the GRU passes over whole


class Way(NamedTuple):
    """A way to predict: how frames are cut, and how far predictions are smoothed."""

    title: str
    stride: int | None = None  # 0: the clips' length
    whole: bool = False
    smooth: int | str = 0

    def cut(self, clip_length: int) -> Cut:
        """How a network of such clips cuts."""
        return Cut(clip_length if self.stride == 0 else self.stride, self.whole)


WAYS = (
    Way("disjoint clips, as published", 0),
    Way("half a clip apart (default)"),
    Way("8 frames apart (`--stride 8`)", 8),
    Way("`--whole`", whole=True),
    Way("disjoint, `--smooth auto`", 0, smooth="auto"),
    Way("default, `--smooth auto`", smooth="auto"),
    Way("`--whole --smooth auto`", whole=True, smooth="auto"),
)


def main(
    out: Out,
    result: Annotated[Path, typer.Option(help="JSON to write.", show_default=RESULT.name)] = RESULT,
    seed: Seeds = None,
    film: Annotated[
        Path | None, typer.Option(show_default=False, help="A film to predict with seed 0's runs.")
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Measure the memory of training steps, too.")
    ] = False,
) -> None:
    """Make what is missing of the data, the runs and the JSON, and print the tables."""
    with documented.kept(result):
        measure(output_folder(out), result, seed or [0], film, memory)
        print("\n\n".join(tables(load(result)).values()))


def measure(out: Path, result: Path, seeds: Sequence[int], film: Path | None, memory: bool) -> None:
    """Train what is not trained, and put what is not there yet into `result`."""
    cache = prepare(out, SYNTH)
    content = load(result) if result.exists() else _content()
    expect_same(result, content, _content(), ("synth", "recipe", "subset"))
    for seed in seeds:
        for length in LENGTHS:
            if not any(x["seed"] == seed and x["clip_length"] == length for x in content["rows"]):
                run = _run(out, seed, length)
                content["rows"] += on_the_set(run, cache, seed, length)
                documented.save(result, content | documented.here())
    if film is not None:
        find, content["film"] = remembering(CenterFace()), []
        for length in LENGTHS:
            content["film"] += on_a_film(_run(out, 0, length), film, out, find)
    if memory:
        content["memory"] = memories()
    documented.save(result, content | documented.here())


def _run(out: Path, seed: int, length: int) -> Path:
    config = TrainingConfig.from_dict(_content()["recipe"] | {"seed": seed}).with_clips(length)
    # A run that is finished is not begun again.
    return train(out / "cache", out / f"run-{length}-{seed}", config=config, resume=True).out


def on_the_set(run: Path, cache: Path, seed: int, length: int) -> list[dict[str, Any]]:
    """CCC and steps of a run on the test set, in every way."""
    opened, rows = Cache(cache), []
    videos = opened.subset(SUBSET)
    for way in WAYS:
        ensemble = Ensemble([run], opened, cut=way.cut(length))
        rules = Rules.of(smooth=reach_of(way.smooth, ensemble.notes))
        values = rules.values(videos, ensemble.predict(videos))
        summary = summary_of(videos, values, rules)
        rows.append(
            {
                "seed": seed,
                "clip_length": length,
                "way": way.title,
                "smooth": rules.smooth,
                "valence": summary.faces.valence,
                "arousal": summary.faces.arousal,
                "frames": summary.faces.count,
                **steps([(values[video.name], video.numbers.numpy()) for video in videos], length),
            }
        )
    return rows


def on_a_film(run: Path, film: Path, out: Path, find: Detector) -> list[dict[str, Any]]:
    """Steps of a run's predictions of a film's only face, in every way."""
    checkpoint, rows = load_checkpoint(run), []
    for way in WAYS:
        cut, length = way.cut(checkpoint.clip_length), checkpoint.clip_length
        settings = PredictSettings(
            find, stride=cut.stride, whole=cut.whole, smooth=way.smooth, overwrite=True
        )
        folder = out / f"film-{length}-{WAYS.index(way)}"
        found = predict_video(film, checkpoint, folder, settings).predictions
        if found is None or len(found.numbers) != 1 or not found.found.all():
            raise InputError(f"{film}: expected the same face in every frame")
        rows.append(
            {
                "clip_length": length,
                "way": way.title,
                **steps([(found.values, found.frames)], length),
            }
        )
    return rows


def remembering(detector: Detector) -> Detector:
    """The detector, which looks at each picture once."""
    known: dict[bytes, list[Detection]] = {}

    def find(image: np.ndarray) -> list[Detection]:
        key = hashlib.sha256(image.tobytes()).digest()
        if key not in known:
            known[key] = detector(image)
        return known[key]

    return find


def steps(videos: Sequence[tuple[np.ndarray, np.ndarray]], length: int) -> dict[str, Any]:
    """What predictions ``[T, 2]`` of frames with such numbers ``[T]`` do from one to the next.

    Borders are where disjoint clips begin and end. A step is the mean over valence and arousal of
    the change's size; there is none where frames without a face lie between.
    """
    inside, at_borders, largest = [], [], (0.0, 0)
    for values, numbers in videos:
        change = np.abs(np.diff(values.astype(np.float64), axis=0)).mean(axis=1)
        change[np.diff(numbers) > 1] = np.nan
        starts = clip_starts(len(values), length, length)
        ends = {x for start in starts for x in (start, start + length) if 0 < x < len(values)}
        places = sorted(place - 1 for place in ends)
        at_borders += change[places].tolist()
        inside += np.delete(change, places).tolist()
        largest = max(largest, (float(np.nanmax(change)), int(np.nanargmax(change)) + 1))
    return {
        "step": float(np.nanmean(inside)),
        "border_step": float(np.nanmean(at_borders)) if at_borders else None,
        "largest_step": largest[0],
        "largest_at": largest[1],
    }


def memories() -> list[dict[str, Any]]:
    """Peak resident memory of training steps, and of a long pass of the GRU, each in a process."""
    rows = [("`--whole`", 1, LONG, whole_growth)]
    for config in (TrainingConfig().with_clips(length) for length in reversed(LENGTHS)):
        rows.insert(0, ("training step", config.batch_size, config.clip_length, _step_peak))
    return [
        {"work": work, "clips": clips, "clip_length": n, "bytes": in_a_process(measured, n)}
        for work, clips, n, measured in rows
    ]


def _step_peak(length: int) -> int:
    """Bytes that a process held at most that did two training steps on clips of that length."""
    with TemporaryDirectory() as folder:
        step = TrainingStep(TrainingConfig().with_clips(length), "cpu", Path(folder))
        step()
        step()
    return resident("VmHWM")


def whole_growth(frames: int, temporal: str = "gru") -> int:
    """Bytes by which the peak grows while so many embedded frames are passed over whole."""
    network = MIMAMONet(MIMAMOConfig(temporal=temporal)).eval()
    clips, hidden = EmbeddedClips(*Cut(whole=True).of(64)), network.config.hidden
    read_out_clips(network, [next(EmbeddedClips(64, 64).push(_clip(0), torch.rand(64, hidden)))])

    def read_whole() -> np.ndarray:
        for start in range(0, frames, 64):
            last = start + 64 >= frames
            parts = list(clips.push(_clip(start, last), torch.rand(64, hidden)))
        return read_out_clips(network, parts)

    return growth(read_whole)[0]


def _clip(start: int, is_last: bool = False) -> ClipInput:
    return ClipInput(start, torch.empty(0), torch.empty(0), is_last)


def load(path: Path) -> dict[str, Any]:
    """Read what `measure` wrote. Raises InputError, naming the file, if it is something else."""
    return documented.load(path, _content(), tables)


def tables(content: Mapping[str, Any]) -> dict[str, str]:
    """The tables as Markdown, by name: "set", "film" and "memory", as far as they are there."""
    heads = ("the GRU sees", "valence", "arousal", "step", "at borders", "largest")
    found = {}
    if content["rows"]:
        found["set"] = documented.markdown(
            ("trained on", "seed", *heads), map(_set_cells, content["rows"])
        )
    if content["film"]:
        film_heads = ("trained on", heads[0], *heads[3:], "at frame")
        found["film"] = documented.markdown(film_heads, map(_film_cells, content["film"]))
    if content["memory"]:
        found["memory"] = documented.markdown(
            ("work", "frames", "bytes"), map(_memory_cells, content["memory"])
        )
    return found


def _set_cells(row: Mapping[str, Any]) -> list[str]:
    way = row["way"].replace("auto`", f"auto` ({row['smooth']})")
    scores = [f"{row[name]:.3f}" for name in ("valence", "arousal")]
    return [f"clips of {row['clip_length']}", str(row["seed"]), way, *scores, *_step_cells(row)]


def _film_cells(row: Mapping[str, Any]) -> list[str]:
    at = str(row["largest_at"])
    return [f"clips of {row['clip_length']}", row["way"], *_step_cells(row), at]


def _step_cells(row: Mapping[str, Any]) -> list[str]:
    border = row["border_step"]
    times = "" if border is None or not row["step"] else f"{border / row['step']:.1f} x"
    return [f"{row['step']:.4f}", times, f"{row['largest_step']:.3f}"]


def _memory_cells(row: Mapping[str, Any]) -> list[str]:
    frames = row["clips"] * row["clip_length"]
    if row["clips"] == 1:
        held = f"{row['bytes'] / frames / 1000:.1f} KB a frame"
        return [row["work"], str(frames), held]
    what = f"{row['work']} on {row['clips']} clips of {row['clip_length']}"
    return [what, str(frames), f"{row['bytes'] / 1e9:.2f} GB in all"]


def _content() -> dict[str, Any]:
    return {
        "synth": SYNTH, "subset": SUBSET, "recipe": stored_recipe(RECIPE), "rows": [], "film": [],
        "memory": [],
    }  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
