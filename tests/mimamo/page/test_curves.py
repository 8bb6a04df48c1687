"""How a page draws curves, as headless Chromium shows it."""

from __future__ import annotations

import numpy as np
import pytest
from support.browser import FRAMES, NONE, TIMES, VALUES, needs_chromium, values

from mimamo.page import Curves, PageVideo, write_page

pytestmark = needs_chromium


@pytest.mark.parametrize(
    ("scale", "ends"),
    [
        (0.03, {"0.04", "-0.04", "0"}),
        pytest.param(0.9, {"1", "-1", "0"}, marks=pytest.mark.slow),
        pytest.param(1.45, {"1.5", "-1.5", "0.75"}, marks=pytest.mark.slow),
    ],
)
def test_the_axes_end_near_the_values(opened, tmp_path, scale, ends):
    values = scale * np.stack([np.linspace(-1, 1, FRAMES), np.linspace(1, -1, FRAMES)], axis=1)
    curves = Curves("face", values, np.ones(FRAMES, bool))
    write_page(tmp_path / "p.html", "p", [PageVideo("p", TIMES, [curves])])
    written = opened(tmp_path / "p.html").evaluate("written.map(String)")
    for end in ends:
        assert written.count(end) >= 2, written  # on both axes


def test_a_lone_frame_has_a_second(opened, tmp_path):
    curves = Curves("face", np.float64([[0.1, 0.2]]), np.ones(1, bool))
    write_page(tmp_path / "p.html", "p", [PageVideo("p", np.float64([5]), [curves])])
    written = opened(tmp_path / "p.html").evaluate("written.map(String)")
    seconds = [float(text[:-2]) for text in written if text.endswith(" s")]
    assert (min(seconds), max(seconds)) == (5, 6)


def test_one_line_above_another_hides_it_not(opened, tmp_path):
    found = np.ones(FRAMES, bool)
    two = [Curves(x, VALUES, found, colours=(x,) * 2) for x in ("#ff0000", "#0000ff")]
    write_page(tmp_path / "p.html", "p", [PageVideo("p", TIMES, two)])
    shown = opened(tmp_path / "p.html").evaluate(
        "[...document.querySelectorAll('.uplot canvas')].map((canvas) => {"
        "const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;"
        "const counts = [0, 0]; for (let i = 0; i < data.length; i += 4) {"
        "  counts[0] += data[i] > 200 && data[i + 2] < 60;"
        "  counts[1] += data[i + 2] > 200 && data[i] < 60; }"
        "return counts; })"
    )
    assert len(shown) == 2
    assert np.min(shown) > 100


COLUMNS = (  # of each curve: whether something red or blue is there
    "[...document.querySelectorAll('.uplot')].map((chart) => {"
    "const canvas = chart.querySelector('canvas');"
    "const area = chart.querySelector('.u-over');"
    "const scale = canvas.width / canvas.clientWidth, left = area.offsetLeft * scale;"
    "const width = area.clientWidth * scale, height = canvas.height;"
    "const data = canvas.getContext('2d').getImageData(left, 0, width, height).data;"
    "const shown = Array(width).fill(0);"
    "for (let i = 0; i < data.length; i += 4)"
    "  shown[(i / 4) % width] += data[i + 1] < 60 && Math.max(data[i], data[i + 2]) > 200;"
    "return shown.map(Number); })"
)


def test_who_follows_another_has_a_whole_line(opened, tmp_path):
    """Only one that is above another has gaps."""
    first, second = VALUES.copy(), VALUES.copy()
    first[20:], second[:20] = np.nan, np.nan
    people = [
        Curves(name, own, ~np.isnan(own[:, 0]), colours=(colour,) * 2)
        for name, own, colour in (("a", first, "#ff0000"), ("b", second, "#0000ff"))
    ]
    write_page(tmp_path / "p.html", "p", [PageVideo("p", TIMES, people)] * 2)
    page = opened(tmp_path / "p.html")
    page.select_option("#videos", "1")
    page.select_option("#videos", "0")  # again
    assert values(page) == [["0.000", "0.600"], [NONE, NONE]]
    page.keyboard.press("Home")
    for _ in range(25):
        page.keyboard.press("ArrowRight")
    assert values(page) == [[NONE, NONE], [f"{value:.3f}" for value in VALUES[25]]]
    page.keyboard.press("Home")
    for shown in page.evaluate(COLUMNS):
        at = np.linspace(0, FRAMES - 1, len(shown))
        assert np.array(shown)[(at > 20.1) & (at < FRAMES - 1.2)].all()


def test_no_line_goes_across_frames_that_are_missing(opened, tmp_path):
    """From the 20th frame to the 21st a second passes; after the 30th nothing but the frame is."""
    times = TIMES + (np.arange(FRAMES) >= 20)
    curves = Curves(
        "face", np.full((FRAMES, 2), 0.5), np.ones(FRAMES, bool), colours=("#ff0000",) * 2
    )
    columns = []
    for breaks in ([], [20, 30, 31]):
        video = PageVideo("p", times, [curves], breaks=breaks)
        write_page(tmp_path / "p.html", "p", [video])
        page = opened(tmp_path / "p.html")
        columns.append(page.evaluate(COLUMNS))
    for whole, broken in zip(*columns, strict=True):
        inside = slice(3, -3)  # the first frame's line is drawn above
        at = np.linspace(0, times[-1], len(whole))[inside]
        whole, broken = np.array(whole)[inside], np.array(broken)[inside]
        assert whole.all()
        hidden = (at > times[19] + 0.02) & (at < times[20] - 0.02)
        assert not broken[hidden].any()
        assert broken[(at < times[19] - 0.02) | (at > times[31])].all()
        assert broken[np.abs(at - times[30]) < 0.01].any()  # a dot
