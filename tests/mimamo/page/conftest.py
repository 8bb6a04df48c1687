"""A browser, and a film to show in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright
from support.browser import CHROMIUM, FPS, FRAMES, PATIENCE
from support.films import face_frames

from mimamo.video import VideoWriter


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE
        )
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a page without a network; what it complains about fails the test."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True)
    context.set_default_timeout(PATIENCE)

    # What is written on canvases, which cannot be read there.
    context.add_init_script(
        "const draw = CanvasRenderingContext2D.prototype.fillText; window.written = [];"
        "CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {"
        "  written.push(text); return draw.call(this, text, ...place); };"
    )

    def open_page(path: Path) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(path.as_uri())
        return page

    yield open_page
    context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("film") / "face.mp4"
    with VideoWriter(path, FPS) as writer:
        for image in face_frames("x" * FRAMES):
            writer.write(image)
    return path
