"""Pictures of the generated face: what it can express, and what was made of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mimamo.demo.synth.motion import expressive
from mimamo.demo.synth.render import Camera, render
from mimamo.metrics import concordance_cc
from mimamo.predict.render.plot import AROUSAL_COLOUR, VALENCE_COLOUR, save_figure
from mimamo.predict.table import runs

_GRID_VALENCE = (-1.0, -0.5, 0.0, 0.5, 1.0)
_GRID_AROUSAL = (1.0, 0.0, -1.0)
_DPI = 120
_TRUTH_COLOUR = "#555555"


@dataclass(frozen=True, eq=False)
class Comparison:
    """Predictions of one video beside the truth.

    found: bool [T], whether a face was found. predicted, truth: [T, 2], valence and arousal.
    counts: bool [T], the frames that enter the CCC.
    """

    name: str
    found: np.ndarray
    predicted: np.ndarray
    truth: np.ndarray
    counts: np.ndarray


def pooled_ccc(comparisons: Sequence[Comparison]) -> tuple[float, float]:
    """CCC of valence and of arousal over all counting frames of some videos."""
    predicted = np.concatenate([c.predicted[c.counts] for c in comparisons])
    truth = np.concatenate([c.truth[c.counts] for c in comparisons])
    valence, arousal = concordance_cc(predicted.astype(np.float64), truth, dim=0)
    return float(valence), float(arousal)


def save_face_grid(path: str | os.PathLike[str]) -> None:
    """Write a PNG of the face over the valence-arousal plane. InputError if it cannot be."""
    camera = Camera(center=(224, 108), zoom=1.5, size=(234, 270))
    figure = Figure(figsize=(10, 7.05), dpi=_DPI, facecolor="white")
    axes = figure.subplots(
        len(_GRID_AROUSAL), len(_GRID_VALENCE),
        gridspec_kw={"wspace": 0.02, "hspace": 0.02, "left": 0.07, "right": 0.995,
                     "bottom": 0.075, "top": 0.995},
    )  # fmt: skip
    for row, arousal in zip(axes, _GRID_AROUSAL, strict=True):
        for panel, valence in zip(row, _GRID_VALENCE, strict=True):
            panel.imshow(render(expressive(valence, arousal), camera).image)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
            if valence == _GRID_VALENCE[0]:
                panel.set_ylabel(_signed("arousal", arousal), color=AROUSAL_COLOUR, fontsize=11)
            if arousal == _GRID_AROUSAL[-1]:
                panel.set_xlabel(_signed("valence", valence), color=VALENCE_COLOUR, fontsize=11)
    figure.text(
        0.53, 0.012, "At rest. Arousal shows mostly in motion.", ha="center", color="#8a8a8a"
    )
    save_figure(path, figure)


def save_comparison(
    path: str | os.PathLike[str], comparisons: Sequence[Comparison], title: str
) -> None:
    """Write a PNG of predicted and true trajectories, the videos one after the other.

    Frames without a face are shaded. Raises InputError if the file cannot be written.
    """
    figure = Figure(figsize=(12, 5.4), dpi=_DPI, facecolor="white", layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, column, label, colour in (
        (upper, 0, "Valence", VALENCE_COLOUR),
        (lower, 1, "Arousal", AROUSAL_COLOUR),
    ):
        _draw_trajectories(axes, comparisons, column, colour)
        axes.set_ylabel(label, color=colour, fontsize=12, fontweight="bold")
        ccc = pooled_ccc(comparisons)[column]
        axes.set_title(f"CCC {ccc:.2f}", loc="right", fontsize=11, color=colour)
    upper.set_title(title, loc="left", fontsize=12)
    upper.legend(loc="lower left", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=10)
    lower.set_xlabel("Frame", fontsize=12)
    save_figure(path, figure)


def _draw_trajectories(
    axes: Axes, comparisons: Sequence[Comparison], column: int, colour: str
) -> None:
    start = 0
    for number, comparison in enumerate(comparisons):
        frames = np.arange(start, start + len(comparison.found))
        predicted = np.where(comparison.found, comparison.predicted[:, column], np.nan)
        first = number == 0
        axes.plot(
            frames, comparison.truth[:, column], color=_TRUTH_COLOUR, linewidth=1.2,
            linestyle=(0, (4, 2)), label="truth" if first else None,
        )  # fmt: skip
        axes.plot(
            frames, predicted, color=colour, linewidth=1.8, label="predicted" if first else None
        )
        for begin, end in runs(~comparison.found):
            axes.axvspan(start + begin - 0.5, start + end - 0.5, color="#e4e4e4", linewidth=0)
        if len(comparisons) > 1:
            axes.text(start + 2, -1.18, comparison.name, fontsize=8, color="#8a8a8a", va="bottom")
        if not first:
            axes.axvline(start - 0.5, color="#8a8a8a", linewidth=0.8)
        start += len(comparison.found)
    axes.set(xlim=(-0.5, start - 0.5), ylim=(-1.2, 1.2), yticks=(-1, -0.5, 0, 0.5, 1))
    axes.grid(axis="y", color="#e8e8e8", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def _signed(name: str, value: float) -> str:
    return f"{name} {value:+g}" if value else f"{name} 0"
