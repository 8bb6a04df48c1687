"""The folder of a run as others see it: names of its files, its folds, whether it is finished."""

from __future__ import annotations

import re
from pathlib import Path

from mimamo.tensor_file import load_note

BEST, CONFIG, STATE = "best.safetensors", "config.toml", "state.safetensors"
STATE_KEY = "mimamo_training"  # of the state's metadata


def folds_in(folder: Path) -> list[int]:
    """The numbers of the folds that a cross-validation has in `folder`.

    What else is called fold-..., such as a copy, is none.
    """
    found = (re.fullmatch(r"fold-([1-9][0-9]{0,3})", path.name) for path in folder.glob("fold-*/"))
    return sorted(int(match[1]) for match in found if match)


def is_unfinished(state: Path) -> bool:
    """Whether a state is there, and says that its training is to go on."""
    return not load_note(state, STATE_KEY).get("finished", True)
