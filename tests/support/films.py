"""Small films of many kinds, made by PyAV where they are needed."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from skimage import data as pictures

SIZE = (64, 48)
FPS = 25
_CLOCK = 1000


def picture(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """uint8 [H, W, 3] RGB: red left half, and on the right a blue bar that grows by 2 rows."""
    width, height = size
    image = np.full((height, width, 3), 128, np.uint8)
    image[:, : width // 2] = (220, 30, 30)
    image[: 2 * index, width // 2 :] = (30, 30, 220)
    return image


def face_frames(pattern: str, size: int = 256) -> Iterator[np.ndarray]:
    """A moving picture for each letter of `pattern`.

    "x" is a face, "." the same picture with the face hidden, "o" with another person's in its
    place; "-" is a plain backdrop and "m" the mirrored picture, each a cut away. With "|", two of
    them side by side.
    """
    if "|" in pattern:
        for sides in zip(*(face_frames(side, size) for side in pattern.split("|")), strict=True):
            yield np.concatenate(sides, axis=1)
        return
    photograph = cv2.resize(pictures.astronaut(), (size, size), interpolation=cv2.INTER_AREA)
    shown = {
        "x": photograph,
        ".": _with(photograph, np.full((1, 1), 90, np.uint8)),
        "o": _with(photograph, other_face()),
        "m": photograph[:, ::-1],
    }
    backdrop = np.full((size, size, 3), 90, np.uint8)
    for number, letter in enumerate(pattern):
        across, down = 6 * math.sin(0.3 * number), 4 * math.cos(0.2 * number)
        shift = np.array([[1, 0, across], [0, 1, down]], np.float32)
        yield backdrop if letter == "-" else cv2.warpAffine(
            np.ascontiguousarray(shown[letter]), shift, (size, size),
            flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT,
        )  # fmt: skip


def other_face(number: int = 1) -> np.ndarray:
    """A face of another person, grey, uint8 [25, 25], of skimage's `lfw_subset`."""
    return (255 * pictures.lfw_subset()[number]).astype(np.uint8)


def _with(photograph: np.ndarray, face: np.ndarray) -> np.ndarray:
    """The astronaut with a grey picture in the place of the face."""
    changed, scale = photograph.copy(), len(photograph) / 256
    left, top, side = (round(scale * x) for x in (72, 16, 80))
    enlarged = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
    changed[top : top + side, left : left + side] = enlarged[..., None]
    return changed


def write_film(
    path: Path,
    images: Iterable[np.ndarray],
    codec: str = "libx264",
    format: str | None = None,
    *,
    times: Sequence[float] | None = None,
    pixel: Fraction | None = None,
    interlaced: bool = False,
    rotation: tuple[float, bool] | None = None,
    options: Mapping[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    sound: str | None = None,
    container_options: Mapping[str, str] | None = None,
) -> Path:
    """Encode `images` at 25 frames a second, or at `times` in seconds.

    `pixel` is a pixel's width by its height; `rotation` degrees against the clock, and whether the
    picture is mirrored after it; `sound` the codec of a tone as long as the picture.
    """
    images = list(images)
    height, width = images[0].shape[:2]
    given = dict(options or {})
    if codec == "libx264":
        given = {"preset": "ultrafast", "crf": "10"} | given
    if interlaced:
        given["x264-params"] = "tff=1"
    with av.open(
        str(path), "w", format=format, container_options=dict(container_options or {})
    ) as output:
        stream = output.add_stream(codec, FPS, given)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        if pixel is not None:
            stream.codec_context.sample_aspect_ratio = pixel
        if rotation is not None:
            stream.set_display_rotation(rotation[0], hflip=rotation[1])
        if times is not None:
            stream.codec_context.time_base = Fraction(1, _CLOCK)
        tone = None if sound is None else output.add_stream(sound, 48000, layout="mono")
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image))
            if times is not None:
                frame.pts, frame.time_base = round(_CLOCK * times[number]), Fraction(1, _CLOCK)
            output.mux(stream.encode(frame))
            if tone is not None:
                samples = np.sin(np.arange(48000 // FPS) / 20).astype(np.float32)[None]
                heard = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
                heard.sample_rate, heard.pts = 48000, number * samples.shape[1]
                heard.time_base = Fraction(1, 48000)
                output.mux(tone.encode(heard))
        output.mux(stream.encode(None))
        if tone is not None:
            output.mux(tone.encode(None))
    return path


def noise(frames: int, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Pictures of noise, so that every packet has some bytes."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (size[1], size[0], 3), np.uint8) for _ in range(frames)]


def packets_of(path: Path) -> list[tuple[int, int, float]]:
    """Where each video packet of a film is: offset, size, seconds."""
    with av.open(str(path)) as container:
        return [
            (packet.pos, packet.size, float(packet.pts * packet.time_base))
            for packet in container.demux(video=0)
            if packet.size
        ]


def damage(path: Path, change: Callable[[bytearray], object]) -> Path:
    """Change a file's bytes in place."""
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    return path


def hole(path: Path, first: int, last: int) -> tuple[Path, list[float]]:
    """Zero the packets `first` to `last` in the order of the file; the times of all packets."""
    packets = packets_of(path)

    def zero(data: bytearray) -> None:
        for place, size, _ in packets[first : last + 1]:
            data[place : place + size] = bytes(size)

    return damage(path, zero), [time for _, _, time in packets]


def with_matrix(data: bytearray, matrix: Sequence[int]) -> None:
    """Write the matrix (a, b, c, d) of an MP4's track header (ISO/IEC 14496-12, 8.3.2)."""
    place = data.index(b"tkhd") + 4 + 40  # version 0: 40 bytes stand before it
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">9i", data, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
