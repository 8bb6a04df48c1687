"""Other packages' pyramids, or why they cannot take part."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType
from typing import Any, NamedTuple

PLENOPTIC = "plenoptic SteerablePyramidFreq, complex"


class Shape(NamedTuple):
    """So many square images, and the pyramid built on them."""

    images: int
    side: int
    height: int
    nbands: int


def plenoptic_pyramid(shape: Shape, device: str) -> Any:
    """plenoptic's pyramid of this shape, or why there is none."""
    plenoptic = import_peer("plenoptic")
    if isinstance(plenoptic, str):
        return plenoptic
    _, side, height, nbands = shape
    try:
        return plenoptic.process.SteerablePyramidFreq(
            (side, side), height=height - 2, order=nbands - 1, is_complex=True,
            downsample=True, tight_frame=False,
        ).to(device)  # fmt: skip
    except Exception as error:  # another version's interface
        return f"plenoptic's pyramid cannot be made: {type(error).__name__}"


def import_peer(name: str) -> ModuleType | str:
    """The package, or why it cannot take part."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except Exception:  # not there, or broken: packages it needs may raise anything
        return f"{name} is not installed or cannot be imported (pip install {name})"
