"""The coefficients of a complex steerable pyramid."""

from __future__ import annotations

from collections.abc import Callable
from operator import add, sub
from typing import Any, NamedTuple

import torch
from torch import Tensor

from phasenet import checks

_REAL: dict[torch.dtype | None, torch.dtype] = {
    torch.complex32: torch.float16,
    torch.complex64: torch.float32,
    torch.complex128: torch.float64,
}


class PyramidCoeffs(NamedTuple):
    """What `SteerablePyramid` returns and its inverse takes.

    Attributes:
        highpass: real ``[..., H, W]``, what lies above the first level.
        bands: one complex tensor ``[..., nbands, h, w]`` per scale, finest first: the filters of
            one distance from the centre of the spectrum, in all directions. ``abs()`` of one is the
            amplitude, ``angle()`` the phase in radians. A level is an octave; it has one scale or,
            with ``bands_per_octave=K``, the K scales ``bands[K * (level - 1) : K * level]``, all of
            the level's size. ``bands[scale][..., b, :, :]`` is orientation b of a scale.
        lowpass: real ``[..., h, w]``, what lies below the last level.

    Sums, differences and products with a number are those of every tensor, as for one tensor: the
    pyramid is linear. `map` does anything else. ``torch.load`` reads by default what ``torch.save``
    has written of them.
    """

    highpass: Tensor
    bands: tuple[Tensor, ...]
    lowpass: Tensor

    def to(
        self,
        *args: Any,
        device: Any = None,
        dtype: torch.dtype | None = None,
        non_blocking: bool = False,
        copy: bool = False,
    ) -> PyramidCoeffs:
        """Move every tensor to another device or dtype, as ``Tensor.to`` does.

        Args:
            args: a device, a dtype, or both, in any order, then `non_blocking` and `copy`; or a
                tensor, whose device and dtype are meant.
            device, dtype: the same by name. dtype is float16, float32 or float64, or the complex
                dtype of the same precision: bands become complex and the rest real.
            non_blocking, copy: as for ``Tensor.to``.

        Raises:
            TypeError: another argument, or another dtype.
            ValueError: the tensors cannot be moved to `device`.
        """
        if len(args) == 1 and isinstance(args[0], Tensor):
            args = args[0].device, args[0].dtype
        flags = [arg for arg in args[-2:] if isinstance(arg, bool)]
        non_blocking, copy = (*flags, *(non_blocking, copy)[len(flags) :])
        for arg in args[: len(args) - len(flags)]:
            if isinstance(arg, torch.dtype) and dtype is None:
                dtype = arg
            elif isinstance(arg, bool) or not isinstance(arg, (str, int, torch.device)):
                raise TypeError(f"args: expected a device and a dtype, got {arg!r}")
            elif device is None:
                device = arg
            else:
                raise TypeError(f"args: expected one device, got {device!r} and {arg!r}")
        dtype = _REAL.get(dtype, dtype)
        if dtype not in (None, torch.float16, torch.float32, torch.float64):
            raise TypeError(f"dtype: expected torch.float16, float32 or float64, got {dtype!r}")
        self._check()
        complex_dtype = None if dtype is None else dtype.to_complex()
        try:
            target = None if device is None else torch.device(device)
            highpass, *bands, lowpass = (
                x.to(target, complex_dtype if x.is_complex() else dtype, non_blocking, copy)
                for x in (self.highpass, *self.bands, self.lowpass)
            )
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, AssertionError, TypeError, ValueError, OverflowError) as error:
            # What PyTorch says depends on the device and may take many lines.
            reason = str(error).splitlines()[0]
            raise ValueError(f"device: cannot move to {device!r}: {reason}") from error
        return type(self)(highpass, tuple(bands), lowpass)

    def cpu(self) -> PyramidCoeffs:
        """Every tensor on the CPU, as ``Tensor.cpu``.

        Raises:
            TypeError, ValueError: these are no coefficients of images.
        """
        return self.to("cpu")

    def detach(self) -> PyramidCoeffs:
        """The same numbers apart from the graph of gradients, as ``Tensor.detach``.

        Raises:
            TypeError, ValueError: these are no coefficients of images.
        """
        return self.map(torch.Tensor.detach)

    def map(self, function: Callable[..., Tensor], *others: PyramidCoeffs) -> PyramidCoeffs:
        """The coefficients that a function gives of each tensor.

        Args:
            function: called with each tensor: highpass, bands and lowpass.
            others: more coefficients, whose tensors are its further arguments.

        Raises:
            TypeError, ValueError: these are no coefficients of images, or `others` have another
                number of levels.
        """
        for coeffs in (self, *others):
            PyramidCoeffs._check(coeffs, "coeffs" if coeffs is self else "others")
        levels = [len(coeffs.bands) for coeffs in (self, *others)]
        if len(set(levels)) > 1:
            raise ValueError(
                f"others: expected as many levels as the first has, {levels[0]}, got {levels[1:]}"
            )
        parts = [(coeffs.highpass, *coeffs.bands, coeffs.lowpass) for coeffs in (self, *others)]
        highpass, *bands, lowpass = (function(*tensors) for tensors in zip(*parts, strict=True))
        return type(self)(highpass, tuple(bands), lowpass)

    def __add__(self, other: object) -> PyramidCoeffs:
        return self.map(add, other) if isinstance(other, PyramidCoeffs) else NotImplemented

    def __sub__(self, other: object) -> PyramidCoeffs:
        return self.map(sub, other) if isinstance(other, PyramidCoeffs) else NotImplemented

    def __mul__(self, number: object) -> PyramidCoeffs:
        return self.map(lambda x: x * number) if _is_number(number) else NotImplemented

    def __rmul__(self, number: object) -> PyramidCoeffs:
        return self * number

    def __truediv__(self, number: object) -> PyramidCoeffs:
        return self.map(lambda x: x / number) if _is_number(number) else NotImplemented

    def __neg__(self) -> PyramidCoeffs:
        return self.map(torch.neg)

    def unmirrored(self) -> PyramidCoeffs:
        """The coefficients over the image itself, of a pyramid with boundary "symmetric".

        The top left quarter of each tensor; a view. These are what one looks at and measures on;
        the inverse takes the whole, and refuses these.

        Raises:
            TypeError, ValueError: these are no coefficients of images.
        """
        self._check()
        highpass, *bands, lowpass = (
            x[..., : x.shape[-2] // 2, : x.shape[-1] // 2]
            for x in (self.highpass, *self.bands, self.lowpass)
        )
        return UnmirroredCoeffs(highpass, tuple(bands), lowpass)

    def _check(self, name: str = "coeffs") -> None:
        checks.check_coefficients_type(self, name)
        for x in (self.highpass, *self.bands, self.lowpass):
            checks.check_dense(name, x)
            if x.dim() < 2:
                raise ValueError(f"{name}: expected shape [..., H, W], got {list(x.shape)}")

    def __repr__(self) -> str:
        lines = [f"highpass: {_describe(self.highpass)}"]
        bands = self.bands if isinstance(self.bands, (tuple, list)) else (self.bands,)
        lines += [f"bands[{i}]: {_describe(band)}" for i, band in enumerate(bands)]
        lines += [f"lowpass: {_describe(self.lowpass)}"]
        return f"{type(self).__name__}(\n" + "".join(f"    {line}\n" for line in lines) + ")"


class UnmirroredCoeffs(PyramidCoeffs):
    """What `PyramidCoeffs.unmirrored` returns: nothing can be made of them again."""


# So that `torch.load` reads them by default: they hold tensors only.
torch.serialization.add_safe_globals([PyramidCoeffs, UnmirroredCoeffs])


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) or (isinstance(value, Tensor) and value.dim() == 0)


def _describe(tensor: Any) -> str:
    if not isinstance(tensor, Tensor):
        return type(tensor).__name__
    dtype = str(tensor.dtype).removeprefix("torch.")
    return f"{dtype} {list(tensor.shape)} on {tensor.device}"
