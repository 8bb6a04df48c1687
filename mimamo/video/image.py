"""Reading a picture: whole, upright, as 8-bit RGB."""

from __future__ import annotations

import io
import os

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mimamo.errors import InputError
from mimamo.files import MOST_IMAGE, MOST_PIXELS, read_bytes
from mimamo.terminal import no_warnings

_FORMATS = ("JPEG", "PNG", "BMP", "WEBP")  # whatever the suffix says


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a picture as uint8 [H, W, 3] RGB, turned as its EXIF says.

    16 bits a pixel are scaled to 8. What is transparent is shown as it is stored. Raises InputError
    if it is not whole, no picture, or one of more than `MOST_PIXELS`.
    """
    try:
        # Pillow, because OpenCV fills up a truncated JPEG with grey and returns it like any other.
        # Of its many formats, some start other programs.
        content = io.BytesIO(read_bytes(path, MOST_IMAGE, "an image"))
        # What Pillow warns of either is an error here or makes no difference.
        with no_warnings, Image.open(content, formats=_FORMATS) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise InputError(
                    f"{path}: expected an image of at most {MOST_PIXELS:,} pixels, got {width} x "
                    f"{height}"
                )
            image.load()  # before its orientation is asked for: a damaged one has none
            return _as_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: expected an image, got something else") from error
    except InputError as error:
        raise InputError(
            str(error).replace("cannot be read:", "cannot be read as an image:")
        ) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error  # without the path once more
        raise InputError(f"{path}: cannot be read as an image: {reason}") from error


def _as_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):  # grey of 16 bits, which Pillow would cut off at 255
        grey = np.asarray(image).astype(np.float32) * (255 / 65535)
        return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2)
    return np.array(image.convert("RGB"))
