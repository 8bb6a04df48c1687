"""The picture of scores: what is drawn, and that its words can be read."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mimamo.evaluate.scores import Interval, Score, VideoScore
from mimamo.evaluate.summary import save_scores

VIDEOS = [VideoScore("a", "Train_Set", Score(9, 0.2, 0.3)), VideoScore("b", "", Score(9, 0.5, 0.1))]


def bar(valence: float, arousal: float, subjects: int = 5) -> tuple[Score, Interval]:
    if subjects == 1:
        return Score(100, valence, arousal), Interval(None, None, 1)
    ends = ((valence - 0.1, valence + 0.04), (arousal - 0.2, min(1, arousal + 0.1)))
    return Score(100, valence, arousal), Interval(*ends, subjects)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Draws bars by title, the last one being that of all, and returns the figure."""
    figures: list[Figure] = []
    save = Figure.savefig

    def noted(figure: Figure, *arguments, **options) -> None:
        figures.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", noted)

    def draw(*bars: tuple[Score, Interval]) -> Figure:
        folds = {f"fold {number}": one for number, one in enumerate(bars[:-1], start=1)}
        save_scores(tmp_path / "scores.png", {**folds, "all": bars[-1]}, VIDEOS)
        return figures[-1]

    return draw


def intervals(figure: Figure) -> list[tuple[float, float]]:
    """The upright lines among the bars."""
    lines = [line.get_xydata() for line in figure.axes[0].lines]
    return sorted((line[0, 1], line[1, 1]) for line in lines if line[0, 0] == line[1, 0])


def test_every_fold_has_its_interval(drawn) -> None:
    bars = [bar(0.4, 0.5), bar(0.1, 0.2), bar(0.3, 0.35)]
    expected = [ends for _, interval in bars for ends in (interval.valence, interval.arousal)]
    assert intervals(drawn(*bars)) == sorted(expected)


def test_a_fold_of_one_subject_has_none(drawn) -> None:
    bars = [bar(0.4, 0.5, subjects=1), bar(0.3, 0.35)]
    assert intervals(drawn(*bars)) == sorted([bars[1][1].valence, bars[1][1].arousal])


@pytest.mark.parametrize("folds", [0, 2, 5, 10])
def test_nothing_overlaps(drawn, folds: int) -> None:
    """Of a bar that fills the axes, of negative ones and of equal ones."""
    values = [(0.97, 0.96), (-0.6, -0.2), (0.4, 0.41), (-0.01, 0.0), (0.5, -0.5)]
    figure = drawn(*(bar(*values[number % 5]) for number in range(folds)), bar(0.98, 0.95))
    renderer = FigureCanvasAgg(figure).get_renderer()
    axes = figure.axes[0]
    words = [*axes.texts, *axes.get_legend().texts, *axes.get_xticklabels(), axes.title]
    words += [figure.axes[1].title, *figure.axes[1].get_yticklabels(), figure.axes[1].yaxis.label]
    boxes = [(word.get_text(), word.get_window_extent(renderer)) for word in words]
    clashes = [(one, other) for (one, a), (other, b) in combinations(boxes, 2) if a.overlaps(b)]
    assert clashes == []
    ends = [axes.transData.transform((0, high))[1] for _, high in intervals(figure)]
    assert max(ends) < axes.get_legend().get_window_extent(renderer).y0
