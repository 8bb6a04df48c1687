"""A page in a browser: headless Chromium, where there is one."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page
from support.browser import (
    FPS,
    FRAMES,
    NONE,
    SIZE,
    TIMES,
    VALUES,
    needs_chromium,
    person,
    until,
    values,
)

from mimamo.faces import Faces
from mimamo.page import Curves, PageVideo, write_page
from mimamo.predict.render.page import save_page
from mimamo.predict.table import Predictions
from mimamo.video import ThinnedFilm, VideoReader, VideoWriter

pytestmark = needs_chromium


@pytest.fixture
def page(opened, film, tmp_path) -> Page:
    two = [person("face 1"), person("face 2", 0.5, slice(10, 14))]
    write_page(
        tmp_path / "p.html", "A <film> & more", [PageVideo("f", TIMES, two, film, (SIZE,) * 2)]
    )
    shown = opened(tmp_path / "p.html")
    until(shown, "document.getElementById('film').readyState >= 2")
    return shown


def now(page: Page) -> int:
    """The frame that is shown, from 1, as the page says."""
    text = page.text_content("#now")
    assert text.endswith(f"of {FRAMES}")
    return int(text.split("frame ")[1].split(" of")[0])


def film_frame(page: Page) -> int:
    until(page, "!document.getElementById('film').seeking")
    return int(page.evaluate("document.getElementById('film').currentTime") * FPS) + 1


def test_it_loads_and_shows_the_first_frame(page):
    assert page.title() == "A <film> & more"
    assert page.text_content("h1") == "A <film> & more"
    assert (now(page), film_frame(page)) == (1, 1)
    assert values(page) == [["0.000", "0.600"], ["0.000", "0.300"]]
    assert page.get_by_role("slider", name="Time").get_attribute("aria-valuenow") == "0"
    assert not page.is_visible("#choice")


@pytest.mark.parametrize("curve", ["valence", "arousal"])
def test_a_click_or_a_drag_on_a_curve_goes_there(page, curve):
    place = page.query_selector(f"#{curve} .u-over").bounding_box()

    def at(share: float) -> tuple[float, float]:
        return place["x"] + share * place["width"], place["y"] + place["height"] / 2

    for share in (0.5, 0.25):
        page.mouse.click(*at(share))
        expected = 1 + int(share * (FRAMES - 1))
        assert abs(now(page) - expected) <= 1
        assert film_frame(page) == now(page)
        row = VALUES[now(page) - 1]
        assert values(page)[0] == [f"{value:.3f}" for value in row]
    page.mouse.move(*at(0.3))
    page.mouse.down()
    page.mouse.move(*at(0.6), steps=5)
    page.mouse.up()
    page.mouse.move(*at(0.9))
    assert abs(now(page) - (1 + 0.6 * (FRAMES - 1))) <= 1
    assert film_frame(page) == now(page)


def test_keys_step_and_play(page):
    for key, expected in (
        ("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", 40), ("ArrowRight", 40),
        ("Shift+ArrowLeft", 20), ("Shift+ArrowRight", 40), ("Home", 1), ("ArrowLeft", 1),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert (now(page), film_frame(page)) == (expected, expected), key
    # Slowly: it lasts two seconds, and has to be stopped before its end.
    page.evaluate("document.getElementById('film').playbackRate = 0.2")
    page.keyboard.press("Space")
    until(page, "document.getElementById('film').currentTime > 0.1")
    assert page.text_content("#play") == "Pause"
    # As the page of a busy machine, which hears of four frames and of the click at once.
    wait = "const end = performance.now() + 800; while (performance.now() < end) ;"
    page.evaluate(f"{{ {wait} document.getElementById('play').click(); }}")
    assert page.text_content("#play") == "Play"
    assert abs(now(page) - film_frame(page)) <= 1
    until(page, "document.getElementById('said').textContent.includes('face 2')")


def test_what_is_zoomed_to_moves_along_with_the_film(page):
    place = page.query_selector("#valence .u-over").bounding_box()
    page.mouse.move(place["x"] + place["width"] / 4, place["y"] + place["height"] / 2)
    page.mouse.wheel(0, -700)

    def last(least: float, most: float) -> None:
        """Wait until the last of the times that are written below the curves is between these."""
        page.evaluate("written.length = 0; dispatchEvent(new Event('resize'))")
        found = "parseFloat(written.filter((text) => / s$/.test(text)).at(-1))"
        until(page, f"{found} >= {least} && {found} < {most}")

    last(0, 1)
    page.keyboard.press("End")
    last(1.9, 2)
    page.keyboard.press("Home")
    last(0, 1)


def test_a_time_that_is_rounded_down_is_of_the_frame_that_begins_then(page):
    at = "[0.04 - 5e-5, 0.04 - 5e-4].map((time) => timeline.at([0, 0.04, 0.08], time))"
    assert page.evaluate(at) == [1, 0]


def test_faces_can_be_hidden_and_those_not_found_are_told(page):
    for _ in range(11):
        page.keyboard.press("ArrowRight")
    cells = page.query_selector_all("#values tbody td")
    assert [cell.get_attribute("class") for cell in cells] == ["", "", "held", "held"]
    assert "face 2" in page.get_attribute("#time", "aria-valuetext")
    page.get_by_label("face 2").uncheck()
    assert "face 2" not in page.get_attribute("#time", "aria-valuetext")
    assert "face 1" in page.get_attribute("#time", "aria-valuetext")


def test_the_curves_stay_in_sight_of_the_film_however_many_faces_there_are(opened, tmp_path, film):
    faces = [person(f"face {number}") for number in range(1, 61)]
    write_page(tmp_path / "p.html", "p", [PageVideo("p", TIMES, faces, film, (SIZE,) * 2)])
    page = opened(tmp_path / "p.html")
    assert page.query_selector("#valence").bounding_box()["y"] < 800
    page.get_by_label("face 60", exact=True).uncheck()  # further down in the table
    assert "face 60" not in page.get_attribute("#time", "aria-valuetext")


@pytest.mark.parametrize("size", [(64, 48), (48, 112), (300, 100)])
def test_a_small_film_is_shown_larger_and_undistorted(opened, tmp_path, size):
    with VideoWriter(tmp_path / "small.mp4", FPS) as writer:
        for _ in range(FRAMES):
            writer.write(np.full((*size[::-1], 3), 90, np.uint8))
    video = PageVideo("p", TIMES, [person("face")], tmp_path / "small.mp4", size)
    write_page(tmp_path / "p.html", "p", [video])
    page = opened(tmp_path / "p.html")
    until(page, "document.getElementById('film').readyState >= 2")
    for width in (390, 810, 1200):
        page.set_viewport_size({"width": width, "height": 900})
        shown = page.query_selector("#film").bounding_box()
        assert shown["width"] / shown["height"] == pytest.approx(size[0] / size[1], rel=0.02)
        assert shown["height"] >= min(300, 0.18 * width) - 1


def test_a_film_too_long_for_a_text_is_in_pieces(opened, tmp_path, film, monkeypatch):
    monkeypatch.setattr("mimamo.page.html._CHUNK", 999)
    monkeypatch.setattr("mimamo.page.html._PIECE", 5)
    videos = [PageVideo(name, TIMES, [person("face")], film, (SIZE,) * 2) for name in "ab"]
    write_page(tmp_path / "p.html", "p", videos)
    page = opened(tmp_path / "p.html")
    pieces = -(-film.stat().st_size // (5 * 999))
    assert page.locator(".film-0").count() == page.locator(".film-1").count() == pieces > 2
    for which in ("1", "0"):
        page.select_option("#videos", which)
        until(page, "document.getElementById('film').readyState >= 2")
        duration = page.evaluate("document.getElementById('film').duration")
        assert duration == pytest.approx(FRAMES / FPS, abs=0.06)


def test_light_and_dark(page):
    colours = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours == {"rgb(255, 255, 255)", "rgb(18, 22, 27)"}


def test_a_wider_window_has_more_ticks(page):
    counts = []
    for width in (360, 1200, 360):
        page.evaluate("written.length = 0")
        page.set_viewport_size({"width": width, "height": 700})
        until(page, "written.some((text) => / s$/.test(text))")
        counts.append(page.evaluate("new Set(written.filter((text) => / s$/.test(text))).size"))
    assert counts[0] == counts[2] < counts[1] / 2


@pytest.mark.parametrize("has_film", [True, False])
def test_nothing_is_wider_than_a_telephone(opened, tmp_path, film, has_film):
    name = f"{'a-long-name-' * 8}.of-a-film"
    video = PageVideo(
        name, TIMES, [person("face 1"), person("face 2")], film if has_film else None, (SIZE,) * 2
    )
    write_page(tmp_path / "p.html", name, [video, video])
    page = opened(tmp_path / "p.html")
    for width in (320, 390, 700):
        page.set_viewport_size({"width": width, "height": 700})
        until(page, f"document.documentElement.scrollWidth <= {width}")
        assert page.query_selector("#values tbody tr").bounding_box()["height"] < 40  # one line


def test_several_videos_without_a_film_beside_their_truth(opened, tmp_path):
    truth = np.where(np.arange(FRAMES)[:, None] < 5, np.nan, VALUES)
    found = np.ones(FRAMES, bool)
    videos = [
        PageVideo(name, TIMES, [Curves("predicted", k * VALUES, found, truth=truth)], timed=False)
        for k, name in enumerate(("one</script>", "two"))
    ]
    write_page(tmp_path / "e.html", "evaluation", videos)
    page = opened(tmp_path / "e.html")
    assert page.locator("#videos option").all_text_contents() == ["one</script>", "two"]
    names = page.locator("#values tbody th").all_text_contents()
    assert names == ["predicted", "truth"]
    assert values(page) == [["0.000", "0.000"], [NONE, NONE]]
    assert f"truth: valence {NONE}" in page.get_attribute("#time", "aria-valuetext")
    page.select_option("#videos", "1")
    assert values(page) == [["0.000", "0.600"], [NONE, NONE]]
    page.keyboard.press("End")
    assert values(page)[0] == values(page)[1] == [f"{value:.3f}" for value in VALUES[-1]]
    page.keyboard.press("Home")
    assert page.text_content("#now") == f"frame 1 of {FRAMES}"
    assert not page.is_visible("#film")
    page.click("#play")
    until(page, "document.getElementById('now').textContent.includes('frame 40')")
    assert page.text_content("#play") == "Play"


def test_the_picture_of_a_thinned_film_is_that_of_its_row(opened, tmp_path):
    """Each picture of the film is as bright as its time is late."""
    with VideoWriter(tmp_path / "fast.mp4", 200) as writer:
        for index in range(40):
            writer.write(np.full((48, 64, 3), 6 * index, np.uint8))
    video = ThinnedFilm(VideoReader(tmp_path / "fast.mp4"), 20)
    times = np.array([frame.time for frame in video])
    count = len(times)
    assert count == 4
    faces = Faces(np.zeros((count, 4)), np.zeros((count, 5, 2)), np.ones(count))
    predictions = Predictions(times, np.ones(count, int), np.zeros((count, 2)))
    save_page(tmp_path / "p.html", video, predictions, faces)
    page = opened(tmp_path / "p.html")
    until(page, "document.getElementById('film').readyState >= 2")
    brightness = (
        "(() => { const context = document.createElement('canvas').getContext('2d');"
        "context.drawImage(document.getElementById('film'), 0, 0);"
        "return context.getImageData(20, 20, 1, 1).data[1]; })()"
    )
    for time in times:
        until(page, "!document.getElementById('film').seeking")
        until(page, f"Math.abs({brightness} - {6 * 200 * time}) <= 6")  # it may be drawn later
        page.keyboard.press("ArrowRight")


def test_a_film_without_a_face_says_so(opened, tmp_path, film):
    nobody = Predictions(TIMES, np.zeros(FRAMES, int), np.full((FRAMES, 2), -5.0))
    faces = Faces(*(np.full((FRAMES, *size), np.nan) for size in ((4,), (5, 2), ())))
    save_page(tmp_path / "p.html", VideoReader(film), nobody, faces)
    page = opened(tmp_path / "p.html")
    assert page.is_visible("#values caption")
    assert page.text_content("#values caption") == "no face found"
    assert page.evaluate("written").count("no face found") >= 2  # on both curves
    assert "no face found" in page.get_attribute("#time", "aria-valuetext")
    assert values(page) == []
