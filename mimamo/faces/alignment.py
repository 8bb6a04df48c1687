"""Bringing a face into what the networks expect: the fixed frame, and its small grey picture."""

from __future__ import annotations

import math

import cv2
import numpy as np
from PIL import Image

from mimamo.video.folder import CROP_SIZE

# Where the five landmarks lie in a 112x112 crop: the template of ArcFace (Deng et al., CVPR 2019),
# the common form of "aligned 112x112 faces", Aff-Wild2's `cropped_aligned` included.
TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)

_FINEST = 16  # enough for faces of 1800 pixels, and a bound on the work for nonsense landmarks


def similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the rotation, uniform scaling and shift that best map points onto points.

    Least squares without reflection (Umeyama, PAMI 1991), which in the plane has a closed form:
    with the points as complex numbers, target = a·source + b is linear regression.

    Args:
        source: [..., N, 2], (x, y), N >= 2.
        target: [N, 2].

    Returns:
        float64 [..., 2, 3], as `cv2.warpAffine` takes each.

    Raises ValueError if all points of a source coincide.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    source_mean, target_mean = source.mean(axis=-2), target.mean(axis=0)
    centred, (u, v) = source - source_mean[..., None, :], (target - target_mean).T
    x, y = centred[..., 0], centred[..., 1]
    spread = (x * x + y * y).sum(axis=-1)
    if (spread <= 0).any():
        raise ValueError("source: expected points that differ, got one point")
    real, imaginary = (x * u + y * v).sum(-1) / spread, (x * v - y * u).sum(-1) / spread
    result = np.empty((*spread.shape, 2, 3))
    result[..., 0, 0] = result[..., 1, 1] = real
    result[..., 0, 1], result[..., 1, 0] = -imaginary, imaginary
    result[..., 2] = target_mean - (result[..., :2] @ source_mean[..., None])[..., 0]
    return result


def crop_transform(landmarks: np.ndarray, margin: int = 0) -> np.ndarray:
    """Return the transform [..., 2, 3] from the image to a crop, `margin` more pixels all around.

    Args:
        landmarks: [..., 5, 2] in the image, in the order of `Detection.landmarks`.
    """
    return similarity_transform(landmarks, TEMPLATE + margin)


def warp(image: np.ndarray, transform: np.ndarray, size: int) -> np.ndarray:
    """Return the square view uint8 [size, size, 3] of an image under a similarity transform.

    Where the view has fewer pixels than the image, it is drawn finer by a whole factor and then
    averaged, so that detail below its resolution is blurred and not turned into flicker. Beyond
    the image its border is repeated.

    Args:
        image: uint8 [H, W, 3].
        transform: [2, 3], from the image to the view.
    """
    finer = finer_by(transform)
    # Pixel centres are whole numbers: x -> finer·(x + 1/2) - 1/2.
    drawn = transform * finer
    drawn[:, 2] += (finer - 1) / 2
    view = cv2.warpAffine(
        image,
        drawn,
        (size * finer, size * finer),
        flags=cv2.INTER_LINEAR if finer > 1 else cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cv2.resize(view, (size, size), interpolation=cv2.INTER_AREA) if finer > 1 else view


def finer_by(transform: np.ndarray) -> int:
    """By what factor `warp` draws a view finer than it is."""
    scale = math.hypot(transform[0, 0], transform[1, 0])
    return max(1, math.ceil(1 / max(scale, 1 / _FINEST)))


def align_face(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return the upright crop, uint8 [112, 112, 3], of the face with these landmarks."""
    return warp(image, crop_transform(landmarks), CROP_SIZE)


def phase_frames(crops: np.ndarray, size: int = 48) -> np.ndarray:
    """Turn aligned faces into the small grey frames whose phases are compared.

    First grey (ITU-R 601 luma), then Lanczos with antialiasing, both by Pillow, as in the
    published method. OpenCV's Lanczos does not antialias: skipping source pixels would make
    motion out of texture.

    Args:
        crops: uint8 ``[N, H, W, 3]``, RGB (aligned faces are 112x112).
        size: height and width of the result, pixels.

    Returns:
        uint8 ``[N, size, size]``.

    Raises:
        ValueError: another dtype or shape.
    """
    crops = np.asarray(crops)
    if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[3] != 3:
        raise ValueError(
            f"crops: expected uint8 [N, H, W, 3], got {crops.dtype} {list(crops.shape)}"
        )
    frames = np.empty((len(crops), size, size), np.uint8)
    for frame, crop in zip(frames, crops, strict=True):
        grey = Image.fromarray(crop).convert("L")
        frame[:] = np.asarray(grey.resize((size, size), Image.Resampling.LANCZOS))
    return frames
