"""What the measurements on drawn faces share: options, their cache, and what results are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mimamo.demo.synth.ablation_set import write_ablation_set
from mimamo.errors import InputError
from mimamo.extract import extract
from mimamo.train import TrainingConfig

Out = Annotated[Path, typer.Option(help="Folder for data, cache and runs.")]
Seeds = Annotated[
    list[int] | None,
    typer.Option(show_default=False, help="Of training, 0 if none is given; may be repeated."),
]
SUBSET = "Test_Set"
RECIPES = ("recipe", "published", "strong")  # what they are called in results


def prepare(out: Path, synth: Mapping[str, int]) -> Path:
    """The cache of a drawn data set in `out`, made if need be."""
    if not (out / "data").exists():
        write_ablation_set(out / "data", **synth)
    extract(out / "data", out / "cache", backbone="small")
    return out / "cache"


def stored_recipe(path: Path) -> dict[str, Any]:
    """A recipe's settings as JSON gives them back."""
    return TrainingConfig.load(path).to_dict()


def expect_same(
    result: Path, found: Mapping[str, Any], now: Mapping[str, Any], names: Sequence[str]
) -> None:
    """InputError if stored results are of another data set or recipe than are to be added.

    Settings that there were not when they were stored have their defaults.
    """
    for name in names:
        own = found[name]
        if name in RECIPES and isinstance(own, Mapping):
            own = TrainingConfig.from_dict(own).to_dict()
        if own != now[name]:
            raise InputError(
                f"{result}: expected results of the same {name} as now, got those of another; "
                "give another file"
            )
