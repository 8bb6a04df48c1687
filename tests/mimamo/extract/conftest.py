"""A data set whose images say which frame they are of."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.plain_faces import MISSING, plain

from mimamo.extract import ExtractResult, extract


@pytest.fixture
def data(tmp_path: Path, add_video) -> Path:
    """`gaps`: 37 frames; 1-3, 11, 12 without an image; 4, 15-17 not annotated. `plain`: 20."""
    root = tmp_path / "data"
    numbers = [n for n in range(1, 38) if n not in MISSING]
    annotations = [(n / 100, -n / 100) for n in range(1, 38)]
    annotations[4 - 1] = (-5, -5)
    annotations[15 - 1 : 17] = [(-5, 0.5), (0.5, -5), (-5, -5)]
    add_video(root, "Train_Set", "gaps", {n: plain(n) for n in numbers}, annotations)
    add_video(root, "Validation_Set", "plain", {n: plain(n) for n in range(1, 21)}, [(0, 0)] * 20)
    return root


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A data set of films, without any yet."""
    for folder in ("annotations/Train_Set", "annotations/Validation_Set", "videos"):
        (tmp_path / "raw" / folder).mkdir(parents=True)
    return tmp_path / "raw"


@pytest.fixture
def run(data: Path, tmp_path: Path):
    """Extracts without features; what it reported is in `run.lines`."""

    def run(**settings) -> ExtractResult:
        run.lines = []
        settings = {"backbone": "small", "report": run.lines.append} | settings
        return extract(data, tmp_path / "cache", **settings)

    return run
