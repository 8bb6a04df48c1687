"""`python -m benchmarks.magnification`: how near magnified motion is to motion that is so large.

The tables in ``docs/explanation/magnification.md``: pictures are rendered where they are, a part of
a pixel further, and as far as the factor says; what `phasenet.magnify_motion` makes of the first
two is compared with the third. Beside it stands what is left of motion outside the band, and of
motion that is taken away, and the memory that a film takes. It is written as JSON; a test compares
the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from benchmarks import documented
from benchmarks.machine import ROOT
from benchmarks.moved_pictures import KINDS, MovingPicture, psnr
from benchmarks.suites.memory import FRESH, growth, in_a_process
from phasenet import SteerablePyramid, magnify_motion, turn_phase
from phasenet.checks import max_height

RESULT = ROOT / "docs/explanation/magnification.json"
SIZE, SEEDS, FPS = (160, 200), tuple(range(3)), 30.0
# Pixels of motion and factors: together up to 3 pixels, a quarter of the finest detail's length.
CASES = (
    (0.05, 5), (0.05, 20), (0.05, 30), (0.1, 5), (0.1, 10), (0.1, 20), (0.1, 30), (0.2, 5),
    (0.2, 15), (0.3, 5), (0.3, 10),
)  # fmt: skip
FILM_SIZE, FINEST = (64, 80), 6.0
LARGE_SIZE, LENGTH = (360, 640), 300  # of the film whose memory is measured


def by_function(frames: Tensor, factor: float, **options: int) -> Tensor:
    """The second of two frames, its motion since the first magnified."""
    return magnify_motion(frames, factor, fps=FPS, low=0, high=FPS / 2, **options)[1]


def by_hand(frames: Tensor, factor: float, nbands: int) -> Tensor:
    """The same by the pyramid alone, whose residuals stay, as it is usually written."""
    pyramid = SteerablePyramid(max_height(frames.shape[-2:]), nbands)
    first, second = (pyramid(frame) for frame in frames)
    turns = [(y * x.conj()).angle() for x, y in zip(first.bands, second.bands, strict=True)]
    turned = [turn_phase(y, (factor - 1) * t) for y, t in zip(second.bands, turns, strict=True)]
    return pyramid.inverse(second._replace(bands=tuple(turned)))


WAYS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "ours": by_function,
    "octaves by hand, 8 orientations": partial(by_hand, nbands=8),
    "octaves by hand, 4": partial(by_hand, nbands=4),
    "itself with octaves, 8": partial(by_function, bands_per_octave=1),
    "itself with octaves, 4": partial(by_function, bands_per_octave=1, nbands=4),
}
OURS, *PEERS = WAYS
BAND = {"low": 2.0, "high": 6.0}


def main(
    result: Annotated[Path, typer.Option(help="JSON to write.", show_default=RESULT.name)] = RESULT,
) -> None:
    """Render, magnify and compare; write the JSON and print the tables."""
    content = {
        "pictures": list(pictures()), "films": list(films()), "memory": list(memory()),
        **documented.here(),
    }  # fmt: skip
    documented.save(result, content)
    print("\n\n".join(tables(content).values()))


def finest_of(pixels: float, factor: float) -> float:
    """The wavelength of the finest detail: four times as long as it is moved."""
    return max(4.0, 4 * pixels * factor)


def pictures(
    seeds: Sequence[int] = SEEDS, size: tuple[int, int] = SIZE
) -> Iterator[dict[str, Any]]:
    """Of each kind, case and seed: the factor that came out, and PSNR in dB, in every way."""
    for kind in KINDS:
        for pixels, factor in CASES:
            for seed in seeds:
                picture = MovingPicture(kind, size, seed, finest_of(pixels, factor))
                frames, truth = (
                    picture.film(torch.tensor([0.0, pixels])),
                    picture.at(pixels * factor),
                )
                row = {"kind": kind, "pixels": pixels, "factor": factor, "seed": seed}
                ways = {}
                for name, magnified in WAYS.items():
                    moved = magnified(frames.float(), factor)
                    came = picture.place(moved, pixels * factor) / pixels
                    ways[name] = {"factor": came, "psnr": psnr(moved, truth)}
                yield {**row, "psnr": psnr(frames[1], truth), "ways": ways}


def films() -> Iterator[dict[str, Any]]:
    """Of each kind, filter and seed: what becomes of motion in the band and beside it."""
    middle = math.sqrt(BAND["low"] * BAND["high"])
    for kind in KINDS:
        for temporal in ("fir", "iir"):
            for seed in SEEDS:
                picture = MovingPicture(kind, FILM_SIZE, seed, FINEST)

                def share(
                    hertz: float,
                    times: slice,
                    factor: float,
                    start: float = 1.0,
                    attenuate: bool = False,
                    picture: MovingPicture = picture,
                    temporal: str = temporal,
                ) -> float:
                    """The motion of the frame that moves most, as a part of what it was."""
                    swing = 0.1 * torch.sin(2 * math.pi * hertz * torch.arange(times.stop) / FPS)
                    moved = magnify_motion(
                        picture.film(swing), factor, fps=FPS, temporal=temporal,
                        attenuate=attenuate, **BAND,
                    )  # fmt: skip
                    at = times.start + int(swing[times].argmax())
                    return picture.place(moved[at], start * float(swing[at])) / float(swing[at])

                yield {
                    "kind": kind,
                    "temporal": temporal,
                    "seed": seed,
                    "inside": share(middle, slice(45, 75), 10, 10),
                    "outside": share(0.3, slice(100, 140), 10),
                    "taken": share(middle, slice(45, 75), 0, 0),
                    "attenuated": share(0.3, slice(0, 60), 1, 0, True),
                }


def memory() -> Iterator[dict[str, Any]]:
    """Of each filter, on grey and on coloured frames: the most that a process grows by, bytes."""
    for temporal in ("fir", "iir"):
        for color in (False, True):
            taken = in_a_process(grown, temporal, color, **FRESH)
            yield {"temporal": temporal, "color": color, "bytes": taken}


def grown(
    temporal: str, color: bool, size: tuple[int, int] = LARGE_SIZE, length: int = LENGTH
) -> int:
    """By how much the memory of this process grows at most while a film is magnified (Linux)."""
    frames = torch.empty(length, *([3] if color else []), *size, dtype=torch.uint8).random_()
    options: dict[str, Any] = {"fps": FPS, "temporal": temporal, "color": color, **BAND}
    magnify_motion(frames[:3], 10, **options)  # tables and threads
    return growth(lambda: magnify_motion(frames, 10, **options))[0]


def load(path: Path) -> dict[str, Any]:
    """Read what the command wrote. Raises InputError, naming the file, if it is something else."""
    return documented.load(path, ("pictures", "films", "memory"), tables)


def tables(content: Mapping[str, Any]) -> dict[str, str]:
    """The tables as Markdown, by name."""
    return {
        "pictures": documented.markdown(
            ("picture", "motion in px", "factor", "came out, mean", "furthest", "PSNR in dB",
             "not magnified", *(f"more than {name}: mean (least)" for name in PEERS)),
            map(_picture_cells, _groups(content["pictures"], "kind", "pixels", "factor")),
        ),
        "films": documented.markdown(
            ("picture", "filter", "10 times, furthest", "beside the band, furthest from 1",
             "factor 0 leaves at most", "`attenuate` leaves at most"),
            map(_film_cells, _groups(content["films"], "kind", "temporal")),
        ),
        "memory": documented.markdown(
            ("300 frames of 640 x 360, uint8", "filter", "MB"),
            ((("grey", "colour")[row["color"]], row["temporal"], f"{row['bytes'] / 1e6:.0f}")
             for row in content["memory"]),
        ),
    }  # fmt: skip


def _groups(rows: Sequence[Mapping[str, Any]], *keys: str) -> list[list[Mapping[str, Any]]]:
    found: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return list(found.values())


def _furthest(values: Sequence[float], of: float) -> float:
    return max(values, key=lambda x: abs(x - of))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _picture_cells(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    first = rows[0]
    ours = [row["ways"][OURS] for row in rows]
    factors = [x["factor"] for x in ours]
    more = [
        [row["ways"][OURS]["psnr"] - row["ways"][name]["psnr"] for row in rows] for name in PEERS
    ]
    return [
        first["kind"], f"{first['pixels']:g}", f"{first['factor']:g}", f"{_mean(factors):.2f}",
        f"{_furthest(factors, first['factor']):.2f}", f"{_mean([x['psnr'] for x in ours]):.1f}",
        f"{_mean([row['psnr'] for row in rows]):.1f}",
        *(f"{_mean(x):.1f} ({min(x):.1f})" for x in more),
    ]  # fmt: skip


def _film_cells(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    furthest = [_furthest([row[name] for row in rows], of) for name, of in
                (("inside", 10), ("outside", 1), ("taken", 0), ("attenuated", 0))]  # fmt: skip
    return [
        rows[0]["kind"], rows[0]["temporal"], f"{furthest[0]:.2f}", f"{furthest[1]:.3f}",
        *(f"{abs(x):.1%}" for x in furthest[2:]),
    ]  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
