"""A video's predictions beside the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mimamo.evaluate.scores import Score
from mimamo.predict.render.plot import AROUSAL_COLOUR, VALENCE_COLOUR, save_figure
from mimamo.predict.table import Predictions


def save_comparison(path: Path, predictions: Predictions, truth: np.ndarray, ccc: Score) -> None:
    """Write a PNG of predicted and true trajectories, the latter ``[T, 2]``.

    Without a face nothing is predicted. Raises InputError if the file cannot be written.
    """
    figure = Figure(figsize=(12, 5.4), dpi=120, facecolor="white", layout="constrained")
    panels = figure.subplots(2, 1, sharex=True)
    shown = np.where(predictions.found[:, None], predictions.values, np.nan)
    names = (("valence", VALENCE_COLOUR), ("arousal", AROUSAL_COLOUR))
    for column, (axes, (name, colour)) in enumerate(zip(panels, names, strict=True)):
        axes.plot(predictions.times, truth[:, column], "--", color="#555555", label="truth")
        axes.plot(predictions.times, shown[:, column], color=colour, label="predicted")
        axes.set(ylim=(-1.2, 1.2), ylabel=name, title=f"CCC {getattr(ccc, name):.2f}")
        axes.grid(axis="y", color="#e8e8e8")
    panels[0].legend(loc="lower left", ncols=2)
    panels[1].set_xlabel("seconds")
    save_figure(path, figure)
