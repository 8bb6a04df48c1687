"""The folder of a run: its files, and whether a run in it may be begun or gone on with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mimamo.errors import InputError
from mimamo.files import output_folder, remove_left_over
from mimamo.model.description import METADATA_KEY
from mimamo.model.run_files import BEST, CONFIG, STATE
from mimamo.settings import shown
from mimamo.tensor_file import load_note
from mimamo.train.recipe import TrainingConfig

LAST, HISTORY, LOGS = "last.safetensors", "history.csv", "tensorboard"
FROZEN = "frozen_backbone.safetensors"  # of a run that trains none; its checkpoints share it
RESULTS = (BEST, LAST, STATE, HISTORY)  # what training has cost time for
FILES = (*RESULTS, CONFIG)


def run_folder(path: str | os.PathLike[str], overwrite: bool, resume: bool) -> Path:
    """Return the folder of a run, made if need be; what is in it is not touched yet.

    A run that failed before it wrote anything but its settings is none that is lost.
    """
    folder = output_folder(path)
    held = results_in(folder)
    if held and not overwrite and not resume:
        raise InputError(
            f"{folder}: holds a run ({held[0]}); give another folder, resume it or overwrite it"
        )
    return folder


def results_in(folder: Path) -> list[str]:
    """The files with results that a run has left in `folder`."""
    return [name for name in RESULTS if (folder / name).exists()]


def saved_config(folder: str | os.PathLike[str]) -> TrainingConfig | None:
    """The settings of the run in `folder`; None if there is none."""
    path = Path(folder) / CONFIG
    return TrainingConfig.load(path) if path.exists() else None


def settings_of(folder: Path, given: TrainingConfig | None, resume: bool) -> TrainingConfig:
    """The settings of a run that is begun or, with `resume`, gone on with where it has results.

    Raises InputError if a run is to go on with other settings than its own, except for more
    epochs, which extend it.
    """
    saved = saved_config(folder) if resume else None
    if saved is not None:
        _expect_unchanged(folder, flat(saved.to_dict()))
    if saved is None or given is None:
        return given or saved or TrainingConfig()
    if not results_in(folder):
        return given
    # What the cache decides is filled in when a run begins.
    decided = {name: getattr(saved.network, name) for name in ("feature_dim", "phase_size")}
    given = replace(given, network=replace(given.network, **decided))
    old, new = flat(saved.to_dict()), flat(given.to_dict())
    if saved.schedule == "cosine" and given.epochs > saved.epochs:
        raise InputError(
            f"{folder}: its learning rate falls to 0 at epoch {saved.epochs} (schedule 'cosine'), "
            "so it cannot be extended; train in another folder, with --init to begin with its "
            "weights"
        )
    for name in sorted(old):
        if old[name] != new[name] and not (name == "epochs" and new[name] > old[name]):
            more = "; only more of them can be asked for" if name == "epochs" else ""
            raise InputError(
                f"{folder}: a run is resumed with its own settings, but {name} is {old[name]!r} "
                f"in its {CONFIG} and {new[name]!r} is asked for{more}"
            )
    return given


def _expect_unchanged(folder: Path, saved: Mapping[str, Any]) -> None:
    """InputError if `config.toml` is not what the run has been trained with so far."""
    info = load_note(folder / LAST, METADATA_KEY).get("info")
    trained = info.get("training") if isinstance(info, dict) else None
    if not isinstance(trained, dict):
        return  # not begun; what is damaged is told where it is read
    told = flat(trained)
    for name in sorted(saved.keys() & told.keys() - {"epochs"}):
        was, now = (list(x) if isinstance(x, tuple) else x for x in (told[name], saved[name]))
        if was != now:
            raise InputError(
                f"{folder / CONFIG}: {name} is {shown(now)}, but the run was trained with "
                f"{shown(was)}; put it back, or begin another run"
            )


def clear(folder: Path, *, everything: bool) -> None:
    """Delete what a killed run was writing, and with `everything` all of an earlier run."""
    for name in (*FILES, FROZEN):
        remove_left_over(folder / name)
        if everything:
            (folder / name).unlink(missing_ok=True)
    if everything and (folder / LOGS).is_dir():
        for path in (folder / LOGS).glob("events.out.tfevents.*"):
            path.unlink()


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they are saved, with those of the network under names of their own."""
    rest = dict(settings)
    network = rest.pop("network", None)
    if not isinstance(network, Mapping):
        return dict(settings)
    return rest | {f"network.{name}": value for name, value in network.items()}
