"""Similarity of pictures that forgives small shifts and changes of light."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from phasenet import checks
from phasenet.frames import as_tensor, scaled, taken
from phasenet.pyramid import SteerablePyramid


def cw_ssim(
    a: Tensor | np.ndarray,
    b: Tensor | np.ndarray,
    *,
    height: int = 5,
    nbands: int = 8,
    levels: Sequence[int] | None = None,
    window: int = 7,
    k: float = 1e-5,
    full_scale: float | None = None,
) -> Tensor:
    """Complex wavelet structural similarity of pictures: 1 for equal ones, less for unlike.

    In each window of each band, of coefficients c of the one and d of the other picture,
    ``(2 |sum c conj(d)| + K) / (sum |c|^2 + sum |d|^2 + K)``, the mean over all windows, bands and
    levels (Sampat, Wang, Gupta, Bovik & Markey, "Complex wavelet structural similarity: a new image
    similarity index", IEEE Trans. Image Processing 18(11), 2009, eq. 7). A small shift turns the
    phases of a window alike, more light is a constant factor or none: neither changes much, whereas
    SSIM and squared differences take a shift for a change of everything. It forgives shifts that
    are small beside the wavelengths of the levels, 2.7 pixels on level 1, 5.3 on level 2, and so on
    (``tests/phasenet/test_cw_ssim.py`` has numbers). Pictures that have nothing in common do not
    come near 0: a window of a band has few waves, so textures of other seeds have 0.45.

    Plain PyTorch on the compiled pyramid, differentiable.

    Args:
        a, b: pictures ``[..., H, W]`` of one shape, dtype and device: tensors or arrays, floating
            in [0, 1], uint8, or of a camera of more bits uint16 or int16. Channels of colour count
            as pictures.
        height, nbands: of `SteerablePyramid`.
        levels: those that count, 1 the finest; all ``height - 2`` if None.
        window: side of the windows, in samples of a level; smaller levels are one window.
        k: K for sums that are means over the window, in squared amplitudes of a wave on a scale of
            0 to 1: what is much fainter than its root counts as equal.
        full_scale: the value that stands for 1, such as 4095 of a camera of 12 bits; None for the
            greatest of an integer dtype, and 1 of a floating one.

    Returns:
        ``[...]``, float64 for float64 pictures, else float32.

    Raises:
        TypeError: `a` or `b` is no dense tensor or array of pictures, or their dtypes differ.
        ValueError: their shapes or devices differ, or they are too small for `height`; or an option
            is not as said above.
    """
    a, scale, _ = taken("a", a, full_scale, 2, "[..., H, W]")
    b = as_tensor("b", b)
    checks.check_tensor("b", b, a.shape, a.dtype, a.device)
    window = checks.check_integer("window", window, 1)
    k = checks.check_positive("k", k)
    pyramid = SteerablePyramid(height, nbands)
    pictures = (scaled(x, scale) for x in (a, b))
    bands, others = (pyramid(x, levels=levels, residuals=False).bands for x in pictures)
    found = [
        _similarity(c, d, window, k * 16**scale)  # a level's amplitudes are four times the last's
        for scale, (c, d) in enumerate(zip(bands, others, strict=True))
        if c.shape[-1]
    ]
    return torch.stack(found).mean(0)


def cw_ssim_loss(
    a: Tensor | np.ndarray,
    b: Tensor | np.ndarray,
    *,
    height: int = 5,
    nbands: int = 8,
    levels: Sequence[int] | None = None,
    window: int = 7,
    k: float = 1e-5,
    full_scale: float | None = None,
) -> Tensor:
    """``1 - cw_ssim(a, b)``, the mean over all pictures: 0 for equal ones, to be minimised.

    Args:
        a, b, height, nbands, levels, window, k, full_scale: as for `cw_ssim`.

    Returns:
        A scalar.

    Raises:
        TypeError, ValueError: as `cw_ssim`; and where there is no picture.
    """
    found = cw_ssim(
        a, b, height=height, nbands=nbands, levels=levels, window=window, k=k, full_scale=full_scale
    )
    if not found.numel():
        raise ValueError(f"a: expected at least one picture, got {list(a.shape)}")
    return 1 - found.mean()


def _similarity(c: Tensor, d: Tensor, window: int, k: float) -> Tensor:
    """Of bands ``[..., nbands, h, w]``, the mean over all but the batch."""
    product, power = c * d.conj(), c.abs().square() + d.abs().square()
    planes = torch.stack([product.real, product.imag, power], dim=-3)
    sides = [min(window, side) for side in c.shape[-2:]]
    # Images of one channel: the batch has any number of axes.
    means = F.avg_pool2d(planes.flatten(0, -3)[:, None], sides, 1)
    real, imag, power = means.reshape(*planes.shape[:-2], *means.shape[-2:]).unbind(-3)
    return ((2 * torch.complex(real, imag).abs() + k) / (power + k)).mean((-3, -2, -1))
