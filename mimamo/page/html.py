"""One HTML file that needs no network and no server: film, curves, plane, and what moves them."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mimamo.files import open_file, read_text, write_chunks
from mimamo.terminal import printable

MARK = "<!-- made by mimamo -->"  # the first line, by which a page is known as ours
_CHUNK = 3 << 18  # bytes encoded at a time; a multiple of three, so that the pieces join
_PIECE = 64  # chunks in an element: browsers have a longest text, which an hour's film exceeds


@dataclass(frozen=True, eq=False)
class Curves:
    """Valence and arousal of one person over the T frames of a video.

    Attributes:
        name: such as "face 1".
        values: ``[T, 2]``; NaN where there are none.
        found: bool ``[T]``, whether the face was found.
        boxes: ``[T, 4]``, x0, y0, x1, y1 in pixels of the film; None if not known.
        truth: ``[T, 2]``, annotations, NaN where there are none; None if not known.
        colours: on a light ground and on a dark one.
    """

    name: str
    values: np.ndarray
    found: np.ndarray
    boxes: np.ndarray | None = None
    truth: np.ndarray | None = None
    colours: tuple[str, str] = ("#0072b2", "#56b4e9")


@dataclass(frozen=True, eq=False)
class PageVideo:
    """A video of a page.

    Attributes:
        name: its title.
        times: ``[T]``, seconds, increasing.
        people: none where no face was found.
        film: a file that browsers play (`write_playable`), embedded as it is; None for none.
        size: (width, height) in pixels, which the boxes are in.
        timed: whether `times` are known; else frames are shown by their numbers alone.
        breaks: frames, from 0, right before which others are missing; curves are broken there.
    """

    name: str
    times: np.ndarray
    people: Sequence[Curves]
    film: Path | None = None
    size: tuple[int, int] | None = None
    timed: bool = True
    breaks: Sequence[int] = ()


def write_page(path: str | os.PathLike[str], title: str, videos: Sequence[PageVideo]) -> None:
    """Write a page of one video or several, which are chosen from a list.

    Values are those of the tables: rounded to six decimals. Raises InputError if a film cannot be
    read, or the page cannot be written.
    """
    write_chunks(path, _page(title, videos))


def _page(title: str, videos: Sequence[PageVideo]) -> Iterator[bytes]:
    yield f"{MARK}\n".encode()
    head, _, tail = _asset("page.html").partition("<!-- content -->")
    head = head.replace("<!-- title -->", _escaped(printable(title)))
    yield head.replace("/* style */", _asset("uPlot.min.css") + _asset("page.css")).encode()
    content = {"title": printable(title), "videos": [_video(video) for video in videos]}
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    yield f'<script type="application/json" id="content">{text}</script>\n'.encode()
    for number, video in enumerate(videos):
        if video.film is not None:
            with open_file(video.film, None) as stream:
                for count, chunk in enumerate(iter(partial(stream.read, _CHUNK), b"")):
                    if count % _PIECE == 0:
                        yield b"</script>\n" * (count > 0)
                        yield f'<script type="text/plain" class="film-{number}">'.encode()
                    yield base64.b64encode(chunk)
            yield b"</script>\n"
    scripts = map(_asset, ("uPlot.iife.min.js", "timeline.js", "page.js"))
    yield tail.replace("/* script */", "\n".join(scripts)).encode()


def _video(video: PageVideo) -> dict[str, Any]:
    mime = "video/webm" if video.film and video.film.suffix.lower() == ".webm" else "video/mp4"
    return {
        "name": printable(video.name),
        "times": np.round(video.times.astype(np.float64), 6).tolist(),
        "size": video.size,
        "timed": video.timed,
        "breaks": [int(frame) for frame in video.breaks],
        "film": None if video.film is None else mime,
        "people": [_person(person, len(video.people) > 1) for person in video.people],
    }


def _person(person: Curves, some: bool) -> dict[str, Any]:
    """One of a page's people; with `some`, from the first frame to the last that has values."""
    known = ~np.isnan(person.values).all(axis=1) | person.found
    if person.truth is not None:
        known |= ~np.isnan(person.truth).all(axis=1)
    places = np.flatnonzero(known) if some else np.arange(len(known))
    part = slice(places[0], places[-1] + 1) if len(places) else slice(0, 0)
    return {
        "name": printable(person.name),
        "start": int(part.start),
        "values": _columns(person.values[part]),
        "colours": person.colours,
        "found": person.found[part].astype(int).tolist(),
        "boxes": None if person.boxes is None else _rows(person.boxes[part]),
        "truth": None if person.truth is None else _columns(person.truth[part]),
    }


def _columns(values: np.ndarray) -> list[list[float | None]]:
    """Each column of ``[T, n]``, None for NaN."""
    rounded = np.round(values.astype(np.float64), 6) + 0.0
    return [[None if x != x else x for x in column] for column in rounded.T.tolist()]


def _rows(boxes: np.ndarray) -> list[list[float] | None]:
    return [None if row[0] != row[0] else row for row in np.round(boxes, 1).astype(float).tolist()]


def _asset(name: str) -> str:
    return read_text(Path(__file__).with_name(name))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
