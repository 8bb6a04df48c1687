"""The coefficients of a complex steerable pyramid."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor


class PyramidCoeffs(NamedTuple):
    """What `SteerablePyramid` returns and its inverse takes.

    Attributes:
        highpass: real ``[..., H, W]``, what lies above the first level.
        bands: one complex tensor ``[..., nbands, h, w]`` per oriented level, finest first.
            ``abs()`` is the amplitude, ``angle()`` the phase in radians.
        lowpass: real ``[..., h, w]``, what lies below the last level.
    """

    highpass: Tensor
    bands: tuple[Tensor, ...]
    lowpass: Tensor

    def to(self, *args: Any, **kwargs: Any) -> PyramidCoeffs:
        """Move every tensor to another device, as ``Tensor.to`` does.

        A real dtype asked for reaches the bands as the complex dtype of the same precision.
        """
        highpass = self.highpass.to(*args, **kwargs)
        complex_dtype = highpass.dtype.to_complex()
        bands = tuple(band.to(highpass.device, complex_dtype) for band in self.bands)
        return PyramidCoeffs(highpass, bands, self.lowpass.to(*args, **kwargs))

    def unmirrored(self) -> PyramidCoeffs:
        """The coefficients over the image itself, of a pyramid with boundary "symmetric".

        The top left quarter of each tensor; a view. These are what one looks at and measures on;
        the inverse takes the whole.
        """
        highpass, *bands, lowpass = (
            x[..., : x.shape[-2] // 2, : x.shape[-1] // 2]
            for x in (self.highpass, *self.bands, self.lowpass)
        )
        return PyramidCoeffs(highpass, tuple(bands), lowpass)

    def __repr__(self) -> str:
        lines = [f"highpass: {_describe(self.highpass)}"]
        lines += [f"level {i}: {_describe(band)}" for i, band in enumerate(self.bands, start=1)]
        lines += [f"lowpass: {_describe(self.lowpass)}"]
        return "PyramidCoeffs(\n" + "".join(f"    {line}\n" for line in lines) + ")"


def _describe(tensor: Tensor) -> str:
    dtype = str(tensor.dtype).removeprefix("torch.")
    return f"{dtype} {list(tensor.shape)} on {tensor.device}"
