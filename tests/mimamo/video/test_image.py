"""Pictures: bits, orientation, formats."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile

from mimamo import InputError
from mimamo.video import AlignedFolder
from mimamo.video.image import read_image

RAMP = np.linspace(0, 65535, 112 * 112).reshape(112, 112).astype(np.uint16)


def off(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(got.astype(float) - expected).max())


def test_16_bits_of_grey_are_scaled(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "00001.png"), RAMP)
    picture = read_image(tmp_path / "00001.png")
    assert (picture.shape, picture.dtype) == ((112, 112, 3), np.uint8)
    assert off(picture, RAMP[..., None] / 257) <= 0.5
    (_, face), *_ = AlignedFolder(tmp_path)
    assert np.array_equal(face, picture)


def test_and_of_colour(tmp_path: Path) -> None:
    channels = (RAMP, RAMP.T, 65535 - RAMP)
    cv2.imwrite(str(tmp_path / "a.png"), np.stack(channels[::-1], axis=-1))
    assert off(read_image(tmp_path / "a.png"), np.stack(channels, axis=-1) / 257) <= 1


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_as_its_exif_says(tmp_path: Path, format: str, orientation: int) -> None:
    upright = np.zeros((40, 60, 3), np.uint8)
    upright[:20, :30] = (255, 0, 0)  # red above on the left
    upright[20:, 30:] = (0, 0, 255)  # blue below on the right
    upright[20:, :30] = 255
    stored = {  # what a camera held in that way has stored, by the standard's names of its edges
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(stored.copy()).save(tmp_path / "a", format, exif=exif, quality=95)
    picture = read_image(tmp_path / "a")
    assert picture.shape == upright.shape
    for y, x in ((5, 5), (5, 50), (35, 5), (35, 50)):
        assert off(picture[y, x], upright[y, x]) < 40


@pytest.mark.parametrize("suffix", [".bmp", ".webp", ".jpeg", ".PNG"])
def test_faces_of_any_format_count(tmp_path: Path, suffix: str) -> None:
    for number in (1, 3):
        Image.fromarray(np.full((112, 112, 3), 60 * number, np.uint8)).save(
            tmp_path / f"{number:05d}{suffix}"
        )
    faces = dict(AlignedFolder(tmp_path))
    assert [*faces] == [0, 2]
    assert off(faces[2], np.full(3, 180)) <= 3


def test_a_picture_of_some_other_format_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.jpg", "tiff")
    with pytest.raises(InputError, match=r"a\.jpg: expected an image, got something else"):
        read_image(tmp_path / "a.jpg")


def palette(path: Path) -> None:
    Image.new("P", (40, 30)).save(path, "png", transparency=bytes([0, 1, 2]))


def cut_exif(path: Path) -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12\0\x03\0\0\xff\xff\0\x06\0\0"
    Image.new("RGB", (40, 30)).save(path, "jpeg", exif=exif)


@pytest.mark.parametrize("make", [palette, cut_exif])
def test_pillow_says_nothing(
    tmp_path: Path, make: Callable[[Path], None], recwarn: pytest.WarningsRecorder
) -> None:
    make(tmp_path / "a")
    assert read_image(tmp_path / "a").shape == (30, 40, 3)
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize("side", [8193, 13000, 20000])
def test_one_of_too_many_pixels_is_refused(
    tmp_path: Path,
    side: int,
    monkeypatch: pytest.MonkeyPatch,
    recwarn: pytest.WarningsRecorder,
) -> None:
    """A file of 160 kB cost 2 GB."""
    content = io.BytesIO()
    Image.new("1", (1, 1)).save(content, "png")
    png = bytearray(content.getvalue())
    png[16:24] = struct.pack(">II", side, side)  # the header's sides
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    (tmp_path / "a.png").write_bytes(png)

    def refuse(_: object) -> None:
        raise AssertionError("its pixels are read")

    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse)
    with pytest.raises(InputError, match=r"a\.png: .* pixels") as error:
        read_image(tmp_path / "a.png")
    assert "\n" not in str(error.value)
    assert [str(warning.message) for warning in recwarn] == []
