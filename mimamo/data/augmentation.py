"""Training augmentation of the grey frames, shared by all frames of a clip."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def augment_clips(
    frames: Tensor, generator: torch.Generator, *, flip: float = 0.5, crop: float = 0.85
) -> Tensor:
    """Mirror and crop each clip at random, the same way in all its frames.

    Flipping or cropping frame by frame would make motion where there is none, so every clip has
    one draw, and it is applied before the phases are computed.

    Args:
        frames: ``[B, T, H, W]``, uint8 or floating point in [0, 1]; T includes the context.
        generator: the source of randomness.
        flip: probability that a clip is mirrored left to right.
        crop: side of the cropped window as a fraction of the image, in (0, 1]; its place is
            uniform over the image, and it is resized back to ``[H, W]`` (bilinear).

    Returns:
        ``[B, T, H, W]`` in [0, 1], float32 or the floating dtype that came in.
    """
    draws = augmentation_draws(len(frames), generator)
    return transform_clips(frames, draws, flip=flip, crop=crop)


def augmentation_draws(clips: int, generator: torch.Generator) -> Tensor:
    """Draw what is random in `augment_clips`: ``[clips, 3]``, uniform in [0, 1)."""
    return torch.rand(clips, 3, generator=generator, device=generator.device)


def transform_clips(frames: Tensor, draws: Tensor, *, flip: float, crop: float) -> Tensor:
    """Mirror and crop clips as `draws` of `augmentation_draws` say; otherwise `augment_clips`.

    What is one axis before ``[H, W]`` there may here be several: ``[B, …, H, W]``.
    """
    draws = draws.to(frames.device)
    # Image coordinates run from -1 to 1, so a window of side `crop` can move by ±(1 - crop).
    shift = (2 * draws[:, :2] - 1) * (1 - crop)
    mirror = torch.where(draws[:, 2] < flip, -1.0, 1.0)
    transform = torch.zeros(len(frames), 2, 3, device=frames.device)
    transform[:, 0, 0] = crop * mirror
    transform[:, 1, 1] = crop
    transform[:, :, 2] = shift
    images = frames / 255 if frames.dtype == torch.uint8 else frames
    # The frames of a clip are the channels of one image, so that they share its grid.
    channels = images.flatten(1, -3)
    grid = F.affine_grid(transform.to(images.dtype), list(channels.shape), align_corners=False)
    moved = F.grid_sample(
        channels, grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return moved.view(images.shape)
