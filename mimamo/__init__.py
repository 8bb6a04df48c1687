"""Valence and arousal of a face, frame by frame, from video: MIMAMO Net on top of `phasenet`."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mimamo.errors import InputError

if TYPE_CHECKING:
    from mimamo.metrics import concordance_cc
    from mimamo.model import (
        MIMAMOConfig,
        MIMAMONet,
        ResNet50,
        load_checkpoint,
        load_weights,
        save_checkpoint,
    )
    from mimamo.predict.given_weights import Foreign, load_checkpoints
    from phasenet import __version__

__all__ = [
    "Foreign",
    "InputError",
    "MIMAMOConfig",
    "MIMAMONet",
    "ResNet50",
    "__version__",
    "concordance_cc",
    "load_checkpoint",
    "load_checkpoints",
    "load_weights",
    "save_checkpoint",
]

_HOMES = {
    "__version__": "phasenet",
    "Foreign": "mimamo.predict.given_weights",
    "concordance_cc": "mimamo.metrics",
    "load_checkpoints": "mimamo.predict.given_weights",
}  # of what is not the model's


def check_phasenet() -> None:
    """Refuse another package of that name: PyPI has one, which picks the phases of earthquakes.

    Raises InputError.
    """
    found = find_spec("phasenet")
    if found is None or found.origin is None:
        raise InputError("phasenet: expected the package that mimamo comes with, found none")
    if not Path(found.origin).with_name("_extension.py").is_file():
        raise InputError(
            f"phasenet: expected the package that mimamo comes with, found another of that name in "
            f"{Path(found.origin).parent}; uninstall it and install this one again"
        )


def __getattr__(name: str) -> Any:
    # Imported when asked for, so that `mimamo --help` need not wait for torch.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    check_phasenet()
    return getattr(import_module(_HOMES.get(name, "mimamo.model")), name)
