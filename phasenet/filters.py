"""The filters of a pyramid: what each answers to, and how."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Filter(NamedTuple):
    """One filter of a pyramid, of those that `phasenet.SteerablePyramid.filters` lists.

    Attributes:
        name: where its coefficients are, "highpass", "bands[0][..., 1, :, :]" or "lowpass".
        level: octave, from 1; 0 of the highpass, and ``height - 1`` of the lowpass.
        scale: index into ``PyramidCoeffs.bands``; None of a residual.
        band: index of the orientation; None of a residual.
        frequency: centre of its pass band over the logarithm of the frequency, in cycles a pixel;
            0 of the lowpass, 1/2 of the highpass, whose band begins there.
        bandwidth: octaves between the two frequencies of half its energy; None of a residual.
        orientation: radians from the x axis towards +y (downwards) of the direction along which
            what it answers to varies; None if it answers to all.
        impulse: what it makes of an impulse in the middle, at the image's size ``[H, W]``.
        response: its frequency response, complex ``[H, W]``, frequency 0 in the middle: index
            ``H // 2, W // 2``.
    """

    name: str
    level: int
    scale: int | None
    band: int | None
    frequency: float
    bandwidth: float | None
    orientation: float | None
    impulse: Tensor
    response: Tensor
