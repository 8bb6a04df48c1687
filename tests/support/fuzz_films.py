"""Reads damaged films in a process of its own: `python fuzz_films.py FOLDER SEED COUNT`.

Prints a line for each film: its kind, and how many frames it gave or why it was refused. Whatever
else happens ends the process with another status than 0: a crash of FFmpeg too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from mimamo.errors import InputError
from mimamo.video import VideoReader
from support.films import noise, write_film

PAGE = 512
FRAMES = 30
KINDS = {
    "h264.mp4": ("libx264", {}, "yuv420p"),
    "fragments.mp4": ("libx264", {"movflags": "frag_keyframe+empty_moov"}, "yuv420p"),
    "av1.mp4": ("libsvtav1", {}, "yuv420p"),
    "h264.mkv": ("libx264", {}, "yuv420p"),
    "vp8.webm": ("libvpx", {}, "yuv420p"),
    "vp9.webm": ("libvpx-vp9", {}, "yuv420p"),
    "h264.ts": ("libx264", {}, "yuv420p"),
    "mpeg2.mpg": ("mpeg2video", {}, "yuv420p"),
    "mpeg4.avi": ("mpeg4", {}, "yuv420p"),
    "h264.avi": ("libx264", {}, "yuv420p"),
    "mjpeg.avi": ("mjpeg", {}, "yuvj420p"),
    "wmv2.wmv": ("wmv2", {}, "yuv420p"),
    "flv1.flv": ("flv", {}, "yuv420p"),
    "h264.flv": ("libx264", {}, "yuv420p"),
    "mpeg2.mxf": ("mpeg2video", {}, "yuv420p"),
    "vp8.ogv": ("libvpx", {}, "yuv420p"),
}


def damaged(whole: bytes, random: np.random.Generator) -> bytes:
    """One of: some bytes flipped, some of the first ones, a page zeroed, cut short."""
    data = bytearray(whole)
    kind = random.integers(4)
    if kind < 2:
        for place in random.integers(0, len(data) if kind else min(len(data), 600), 4):
            data[place] ^= int(random.integers(1, 256))
    elif kind == 2:
        place = int(random.integers(len(data)))
        data[place : place + PAGE] = bytes(len(data[place : place + PAGE]))
    else:
        del data[int(random.integers(1, len(data))) :]
    return bytes(data)


def outcome(path: Path) -> str:
    """How many frames a film gives, or why it is refused, checked for what is promised of both."""
    try:
        video = VideoReader(path)
        time, count = -1.0, 0
        for frame in video:
            assert frame.index == count
            assert frame.time > time
            assert frame.image.dtype == np.uint8
            assert frame.image.ndim == 3
            time, count = frame.time, count + 1
        assert count
        said, lines = f"{count} frames", [*video.warnings, video.missing or f"{path}: "]
    except InputError as error:
        said, lines = "refused", [str(error)]
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in lines), lines
    return said


def main(folder: Path, seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    whole = {}
    for name, (codec, options, pixels) in KINDS.items():
        path = folder / name
        write_film(
            path, noise(FRAMES), codec, {".ogv": "ogg"}.get(path.suffix),
            options={"bf": "2"} if codec == "libx264" else {},
            container_options=options, pix_fmt=pixels,
        )  # fmt: skip
        assert outcome(path) == f"{FRAMES} frames", name
        whole[path] = path.read_bytes()
    for number in range(count):
        path = list(whole)[number % len(whole)]
        path.write_bytes(damaged(whole[path], random))
        print(path.name, outcome(path), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
