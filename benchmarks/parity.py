"""Errors against the float64 reference, with the tests' rule for ambiguous unwrapping."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from benchmarks.contest import Parity
from phasenet import PyramidCoeffs, reference
from phasenet.parity import ambiguous_planes, phase_error, relative_error

# Above these errors a result is wrong. Phases of a film have low amplitudes, whose rounding
# errors are larger than those of random frames.
PHASE_BARS = {torch.float32: 5e-5, torch.float64: 1e-11}
PYRAMID_BARS = {torch.float32: 1e-6, torch.float64: 1e-12}


def phase_parity(
    frames: Tensor, num_phase: int, unwrap: str, boundary: str = "replicate"
) -> Callable[[Sequence[Tensor]], Parity]:
    """Return what tells the error of planes of uint8 `frames`; the worst level counts."""
    exact = frames.cpu().double() / 255
    expected = reference.phase_difference_windows(
        exact, num_phase, unwrap=unwrap, boundary=boundary
    )
    ambiguous = ambiguous_planes(exact, num_phase, boundary=boundary)

    def check(planes: Sequence[Tensor]) -> Parity:
        errors = [
            phase_error(got.cpu(), want, mask)
            for got, want, mask in zip(planes, expected, ambiguous, strict=True)
        ]
        error, left_out = (max(values) for values in zip(*errors, strict=True))
        return Parity(error, left_out, PHASE_BARS[planes[0].dtype])

    return check


def pyramid_parity(
    images: Tensor, height: int, nbands: int
) -> Callable[[Sequence[Tensor]], Parity]:
    """Return what tells the error of coefficients in the order of `flat`; the worst part counts."""
    expected = flat(reference.SteerablePyramid(height, nbands)(images.cpu().double()))

    def check(coefficients: Sequence[Tensor]) -> Parity:
        error = max(
            relative_error(got.cpu().reshape(want.shape), want)
            for got, want in zip(coefficients, expected, strict=True)
        )
        return Parity(error, bar=PYRAMID_BARS[coefficients[0].dtype])

    return check


def reconstruction_parity(images: Tensor) -> Callable[[Tensor], Parity]:
    """Return what tells how far reconstructed images are from `images`."""

    def check(got: Tensor) -> Parity:
        error = relative_error(got.cpu().reshape(images.shape), images.cpu())
        return Parity(error, bar=PYRAMID_BARS[images.dtype])

    return check


def flat(coefficients: PyramidCoeffs) -> list[Tensor]:
    """Highpass, bands from the finest level on, lowpass."""
    return [coefficients.highpass, *coefficients.bands, coefficients.lowpass]


def worst_difference(got: Tensor, want: Tensor) -> float:
    """The largest absolute difference."""
    return float((got - want).abs().max()) if torch.numel(want) else 0.0
