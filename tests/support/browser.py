"""Pages in headless Chromium: what is shown, and how to ask the browser for it."""

from __future__ import annotations

import shutil
import time

import numpy as np
import pytest
from playwright.sync_api import Page

from mimamo.page import Curves

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here to open a page with")

PATIENCE = 300_000  # milliseconds, as a busy machine may take
FRAMES, FPS, SIZE = 40, 20.0, 256
NONE = "\u2013"  # in the place of a value
TIMES = np.arange(FRAMES) / FPS
VALUES = np.stack([np.sin(5 * TIMES), 0.6 * np.cos(3 * TIMES)], axis=1).round(6)


def person(name: str, scale: float = 1.0, missing: slice = slice(0, 0)) -> Curves:
    found, boxes = np.ones(FRAMES, bool), np.tile(np.float32([80, 40, 180, 160]), (FRAMES, 1))
    found[missing], boxes[missing] = False, np.nan
    return Curves(name, scale * VALUES, found, boxes)


def until(page: Page, condition: str) -> None:
    """Wait until JavaScript is true; the page refuses `wait_for_function`, which evaluates text."""
    end = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        time.sleep(0.02)


def values(page: Page) -> list[list[str]]:
    rows = page.query_selector_all("#values tbody tr")
    return [[cell.text_content() for cell in row.query_selector_all("td")] for row in rows]
