"""Predicting valence and arousal: of videos, of a camera, and of features already computed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mimamo.predict.api import Cut, PredictSettings, VideoResult, predict_many, predict_video

__all__ = ["Cut", "PredictSettings", "VideoResult", "predict_many", "predict_video"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: `api` also draws, and training needs `clips` alone.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("mimamo.predict.api"), name)
