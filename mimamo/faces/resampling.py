"""Pictures shrunk, warped and made grey in torch, on any device and several at once.

They give what OpenCV gives: values are rounded where it rounds, though kept in float32. Views of a
real film differ from those of OpenCV 5.0 by one grey level, in one pixel of 10,000; OpenCV 4.10,
which puts samples on a grid of 1/32 pixel, by up to four, 0.08 on average.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mimamo.faces.alignment import finer_by

_MOST_SAMPLES = 1 << 22  # drawn at once, which bounds the memory to some 200 MB
_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601
_SHARPNESS = -0.75  # of OpenCV's and torch's bicubic interpolation


def shrink(images: Tensor, shape: tuple[int, int]) -> Tensor:
    """Pictures uint8 [N, H, W, 3] as float32 [N, 3, h, w], with shape (w, h) of at most (W, H).

    Each pixel is the average over the area it covers, as by `cv2.INTER_AREA`.
    """
    count, height, width, _ = images.shape
    x = images.float()
    if shape == (width, height):
        return x.permute(0, 3, 1, 2)
    across, down = width // shape[0], height // shape[1]
    if (across * shape[0], down * shape[1]) == (width, height):
        # As OpenCV sums up whole numbers: many of these means end in exactly a half.
        x = x.reshape(count, shape[1], down, shape[0], across, 3).sum(dim=(2, 4))
        x = rounded(x * (1 / (across * down)), 2 if across == down == 2 else 1)
        return x.permute(0, 3, 1, 2)
    x = _areas(height, shape[1], images.device) @ x.reshape(count, height, width * 3)
    x = x.reshape(count, shape[1], width, 3).permute(0, 3, 1, 2)
    return (x @ _areas(width, shape[0], images.device).T).round_()


def _areas(before: int, after: int, device: torch.device) -> Tensor:
    """What share of each of `after` pixels each of `before` is: float32 [after, before]."""
    scale = before / after
    starts = torch.arange(after, dtype=torch.float64, device=device)[:, None] * scale
    pixels = torch.arange(before, dtype=torch.float64, device=device)
    shared = torch.minimum(starts + scale, pixels + 1) - torch.maximum(starts, pixels)
    return (shared.clamp_(min=0) / scale).float()


def grey(images: Tensor) -> Tensor:
    """Pictures [..., 3] or their planes, as grey levels [...]."""
    return (images @ images.new_tensor(_LUMA)).round_()


def warp_batch(images: Tensor, numbers: Sequence[int], transforms: np.ndarray, size: int) -> Tensor:
    """Square views float32 [M, size, size, 3] of pictures, see `mimamo.faces.alignment.warp`.

    Args:
        images: uint8 [N, H, W, 3].
        numbers: of the picture that each view shows.
        transforms: [M, 2, 3], from the pictures to the views.
    """
    views = torch.empty((len(numbers), size, size, 3), device=images.device)
    finer = np.array([finer_by(transform) for transform in transforms])
    for factor in np.unique(finer).tolist():
        which = np.flatnonzero(finer == factor)
        at_once = max(1, _MOST_SAMPLES // (size * factor) ** 2)
        for some in np.array_split(which, -(-len(which) // at_once)):
            drawn = _draw(images, np.asarray(numbers)[some], transforms[some], size, factor)
            views[torch.from_numpy(some).to(images.device)] = drawn
    return views


def _draw(
    images: Tensor, numbers: np.ndarray, transforms: np.ndarray, size: int, finer: int
) -> Tensor:
    """Views that are drawn finer by one factor."""
    height, width = images.shape[1:3]
    turn = np.linalg.inv(transforms[:, :, :2])  # back from the views
    shift = -(turn @ transforms[:, :, 2:])
    back = torch.from_numpy(np.concatenate([turn, shift], axis=2)).float().to(images.device)
    start = torch.from_numpy(numbers).to(images.device)[:, None, None] * (height * width)

    steps = (torch.arange(size * finer, device=images.device) + 0.5) / finer - 0.5
    a, b, c = back[..., None, None].unbind(2)  # [M, 2, 1, 1] each
    x, y = (a * steps + b * steps[:, None] + c).unbind(1)  # [M, S, S] each
    taps = _cubic_taps if finer == 1 else _linear_taps
    columns, rows = taps(x, width), taps(y, height)
    pixels = images.reshape(-1, 3)
    drawn = x.new_zeros((*x.shape, 3))
    for row, of_row in rows:
        line = start + row * width
        for column, of_column in columns:
            drawn += pixels[line + column] * (of_row * of_column)[..., None]
    drawn = drawn.round_().clamp_(0, 255)
    if finer == 1:
        return drawn
    squares = drawn.reshape(len(drawn), size, finer, size, finer, 3)
    return rounded(squares.mean(dim=(2, 4)), finer)


def rounded(means: Tensor, factor: int) -> Tensor:
    """Means over squares of a side, as OpenCV rounds them: halves up where the side is 2."""
    return (means + 0.5).floor_() if factor == 2 else means.round_()


def _linear_taps(places: Tensor, length: int) -> list[tuple[Tensor, Tensor]]:
    """Which pixels of a line of `length` a sample is made of, and their weights."""
    first, rest = _split(places, length)
    weights = (1 - rest, rest)
    return [((first + i).clamp_(0, length - 1), weight) for i, weight in enumerate(weights)]


def _cubic_taps(places: Tensor, length: int) -> list[tuple[Tensor, Tensor]]:
    first, rest = _split(places, length)

    def near(x: Tensor) -> Tensor:  # up to 1 away
        return ((_SHARPNESS + 2) * x - (_SHARPNESS + 3)) * x * x + 1

    def far(x: Tensor) -> Tensor:  # from 1 to 2
        return _SHARPNESS * (((x - 5) * x + 8) * x - 4)

    weights = far(1 + rest), near(rest), near(1 - rest), far(2 - rest)
    return [((first + i - 1).clamp_(0, length - 1), weight) for i, weight in enumerate(weights)]


def _split(places: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """The pixel before each place, and how far the place is behind it."""
    places = places.clamp(-3, length + 2)  # beyond, all is border
    first = places.floor()
    return first.long(), places - first
