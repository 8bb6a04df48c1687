"""The complex steerable pyramid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from phasenet import _extension, checks
from phasenet import pyramid_operators as operators
from phasenet.coefficients import PyramidCoeffs, UnmirroredCoeffs
from phasenet.filters import Filter
from phasenet.layout import Layout
from phasenet.out import check_out
from phasenet.precision import compute_dtype, compute_input
from phasenet.shapes import (
    band_elements,
    check_coefficients,
    coefficient_specs,
    level_sizes,
    named,
)


class SteerablePyramid(torch.nn.Module):
    """Complex steerable pyramid of images of any size, with an exact inverse.

    The filters are those of Portilla & Simoncelli, "A parametric texture model based on joint
    statistics of complex wavelet coefficients", IJCV 40(1), 2000: the radial masks L and H and the
    angular masks G_k of their band filters B_k = H G_k, in closed form and with the half plane of
    each band's direction doubled. In full: :ref:`docs/explanation/maths.md <maths-pyramid>`, masks
    h_s, l_s and A_b. There is nothing learned and no state: one object serves all sizes, dtypes and
    devices. With `bands_per_octave` of 2 to 4 filters are narrower than an octave, as Wadhwa,
    Rubinstein, Durand & Freeman, "Phase-based video motion processing", SIGGRAPH 2013, have them
    for magnification; sizes are still halved once an octave, and the inverse is as exact.

    Args:
        height: number of levels, each an octave, with both residuals counted, at least 3, so that
            there are ``height - 2`` oriented levels, however many scales an octave has. An image
            needs ``2**(height - 1)`` pixels a side.
        nbands: number of orientations, 1 to 32; their order (Simoncelli & Freeman, "The steerable
            pyramid", ICIP 1995) is ``nbands - 1``. Band ``b`` answers to structure that varies
            along the direction ``pi * b / nbands`` from the x axis towards +y (downwards). One
            alone answers to every direction alike: it has no phase, and its imaginary part is zero.
        bands_per_octave: number of scales of a level, 1 to 4. Scale i, from 0, passes frequencies
            about ``2**-((i + 1) / bands_per_octave)`` of the Nyquist frequency.
        width: of the transitions between scales in octaves, 1/32 to ``1 / bands_per_octave``, the
            default: the narrower, the steeper the filters and the longer their ringing.
        real: whether bands are real, the real parts of the complex ones: the steerable pyramid of
            Simoncelli & Freeman. It is computed as the complex one is.
        downsample: False: every part has the image's size, and coefficients of a wave the same
            magnitude at every level. Else the magnitudes of level l are ``4**(l - 1)`` times that,
            as each inverse transform is normalised by its own size.
        tight_frame: whether coefficients are scaled so that the sum of their squared magnitudes is
            that of the image.
        boundary: what lies beyond the image's border. "periodic": the image again, so that opposite
            borders meet. "symmetric": its mirror image, so that nothing jumps at the border; the
            pyramid is that of the mirrored image, twice as large on each side, and
            `PyramidCoeffs.unmirrored` is the part over the image itself.
    """

    def __init__(
        self,
        height: int = 4,
        nbands: int = 2,
        *,
        bands_per_octave: int = 1,
        width: float | None = None,
        boundary: str = "periodic",
        real: bool = False,
        downsample: bool = True,
        tight_frame: bool = False,
    ) -> None:
        super().__init__()
        height, nbands = checks.check_pyramid_options(height, nbands, least=1)
        bands_per_octave, width = checks.check_octave(bands_per_octave, width)
        checks.check_choice("boundary", boundary, checks.IMAGE_BOUNDARIES)
        self.height = height
        self.nbands = nbands
        self.bands_per_octave = bands_per_octave
        self.width = width
        self.boundary = boundary
        flags = {"real": real, "downsample": downsample, "tight_frame": tight_frame}
        for name, flag in flags.items():
            checks.check_flag(name, flag)
        self.layout = Layout(**flags)

    def extra_repr(self) -> str:
        octave = f"bands_per_octave={self.bands_per_octave}, width={self.width:.4g}, "
        usual = Layout()._asdict()
        other = [f", {k}={v}" for k, v in self.layout._asdict().items() if v != usual[k]]
        return (
            f"height={self.height}, nbands={self.nbands}, "
            f"{octave if (self.bands_per_octave, self.width) != (1, 1) else ''}"
            f"boundary={self.boundary!r}{''.join(other)}"
        )

    def forward(
        self,
        images: Tensor,
        *,
        levels: Sequence[int] | None = None,
        residuals: bool = True,
        out: PyramidCoeffs | None = None,
    ) -> PyramidCoeffs:
        """Coefficients of `images`.

        Args:
            images: ``[..., H, W]``. float64 is computed in float64; float32, float16, bfloat16,
                and uint8, which is scaled by 1/255, in float32. Coefficients have the dtype that
                is computed in, float32 and complex64 for half precision: half a complex number
                has a range and a support in PyTorch too small for what one does with it.
            levels: those whose bands are computed, 1 the finest to ``height - 2``; all if None.
            residuals: whether highpass and lowpass are. What is not computed has no elements, its
                last two sides are 0.
            out: coefficients of an earlier call, or tensors like them, that the result is written
                into: contiguous, of its shapes, dtypes and device, in memory of their own. Nothing
                is allocated then; gradients cannot be recorded. Not with the options real,
                downsample and tight_frame, nor with parts alone.

        NaN or infinity in an image makes all of its coefficients NaN, and no other image's; a black
        image has zeros only.

        Returns:
            `PyramidCoeffs` with ``highpass`` ``[..., H, W]``, ``bands`` complex
            ``[..., nbands, h, w]`` for each scale, `bands_per_octave` of them to each level (sides
            halved from level to level, rounded up), and ``lowpass`` ``[..., h, w]``; with boundary
            "symmetric" H and W are doubled first. With the option real bands are real, and with
            ``downsample=False`` all sizes are the first. The tensors of `out` if it is given.

        Raises:
            TypeError: `images` is not a dense tensor of one of these dtypes, or `out` no
                `PyramidCoeffs` of the right dtypes.
            ValueError: the image is too small for ``height``, or on a device without operators;
                or the coefficients exceed the machine's memory (on the CPU); or `out` is not as
                said above, or a gradient is needed.
        """
        checks.check_images("images", images, 2, "[..., H, W]")
        _extension.check_device("images", images)
        scale = 2 if self.boundary == "symmetric" else 1
        size = [scale * side for side in images.shape[-2:]]
        checks.check_height_fits("images", size, self.height, images.shape)
        batch, dtype = images.shape[:-2], compute_dtype(images.dtype)
        octave = self.bands_per_octave, self.width
        options = (self.height, self.nbands, *octave)
        parts = self._parts(levels, residuals)
        if out is not None:
            if parts or not self.layout.is_usual:
                raise ValueError(
                    "out: expected None with real, downsample=False, tight_frame or parts alone, "
                    f"got {type(out).__name__}"
                )
            checks.check_coefficients_type(out, "out")
            checks.check_level_count("out.bands", out[1], self.height, self.bands_per_octave)
            specs = coefficient_specs(batch, size, *options[:3], dtype)
            check_out(named("out", out, specs), {"images": images})
        else:
            computed = self._levels(levels, True) or (1,)
            elements = band_elements(batch, size, self.nbands, computed)
            if not self.layout.downsample:
                elements = math.prod(batch) * math.prod(size) * self.nbands * len(computed)
            elements *= self.bands_per_octave
            checks.check_memory("images", images, "coefficients", 2 * elements * dtype.itemsize)
        images = compute_input(images)
        if self.boundary == "symmetric":
            images = mirror(images)
        if out is not None:
            highpass, bands, lowpass = out
            operators.pyramid.into([highpass, *bands, lowpass], images, *options)
        else:
            highpass, *bands, lowpass = operators.pyramid(images, *options, parts)
        coeffs = PyramidCoeffs(highpass, tuple(bands), lowpass)
        return coeffs if self.layout.is_usual else self.layout.of(coeffs, size)

    def _parts(self, levels: Sequence[int] | None, residuals: bool) -> list[int]:
        """Numbers of what is wanted: 0 the highpass, the scales from 1 on, the lowpass; [] all."""
        checks.check_flag("residuals", residuals)
        if levels is None and residuals:
            return []
        count = self.bands_per_octave
        scales = [
            count * (level - 1) + i
            for level in sorted(self._levels(levels, residuals))
            for i in range(1, count + 1)
        ]
        return [0, *scales, count * (self.height - 2) + 1] if residuals else scales

    def _levels(self, levels: Sequence[int] | None, may_be_empty: bool) -> tuple[int, ...]:
        if levels is None:
            return tuple(range(1, self.height - 1))
        if may_be_empty and isinstance(levels, (tuple, list)) and not levels:
            return ()
        return checks.check_levels(levels, self.height)

    if TYPE_CHECKING:  # torch.nn.Module's own returns Any

        def __call__(
            self,
            images: Tensor,
            *,
            levels: Sequence[int] | None = None,
            residuals: bool = True,
            out: PyramidCoeffs | None = None,
        ) -> PyramidCoeffs: ...

    def inverse(
        self,
        coeffs: PyramidCoeffs,
        *,
        levels: Sequence[int] | None = None,
        bands: Sequence[int] | None = None,
        residuals: bool = True,
        out: Tensor | None = None,
    ) -> Tensor:
        """The images these coefficients belong to, ``[..., H, W]``.

        Exact to rounding for coefficients of `forward`. Coefficients may be changed before: the
        result is then the image of their real parts, as for any filter bank.

        Args:
            coeffs: of a pyramid of the same options.
            levels: those that go into the image, all if None; for others zero is taken, and
                nothing computed. Images of parts that have nothing in common add up.
            bands: numbers of the orientations that do so, from 0; all if None.
            residuals: whether highpass and lowpass go into it. The highpass says the image's size
                even so.
            out: a tensor that the result is written into and that is returned: contiguous, of the
                images' shape, dtype and device, in memory of its own. No gradient can be recorded
                then. With boundary "symmetric" the mirrored image is made first and then copied.

        Raises:
            TypeError: `coeffs` is not a `PyramidCoeffs`, or an unmirrored one; or a coefficient has
                another dtype than the first; or `out` is no tensor of that dtype.
            ValueError: the shapes are not those of one pyramid of this height, nbands and
                bands_per_octave; or `out` is not as said above, or a gradient is needed.
        """
        checks.check_coefficients_type(coeffs)
        if isinstance(coeffs, UnmirroredCoeffs):
            raise TypeError("coeffs: expected the whole of them, got a part, of `unmirrored`")
        highpass, planes, lowpass = coeffs
        chosen = self._parts(levels, residuals)
        if self.boundary == "symmetric":
            _check_mirrored(highpass)
        octave = self.bands_per_octave, self.width
        options = self.height, self.nbands, octave[0]
        given = check_coefficients(highpass, planes, lowpass, *options, self.layout, chosen)
        _extension.check_device("coeffs.highpass", highpass)
        coeffs = PyramidCoeffs(highpass, tuple(planes), lowpass)
        orientations = [] if bands is None else list(checks.check_bands(bands, self.nbands))
        symmetric = self.boundary == "symmetric"
        *batch, h, w = highpass.shape
        if not self.layout.is_usual:
            sizes = level_sizes((h, w), self.height, octave[0])
            coeffs = self.layout.undo(coeffs, sizes, chosen)
        alone = [x[..., orientations, :, :] for x in coeffs.bands] if orientations else coeffs.bands
        parts = (coeffs.highpass, list(alone), coeffs.lowpass, *octave)
        if symmetric:
            h, w = h // 2, w // 2
        if out is not None:
            inputs = {name: tensor for name, tensor, _, _ in given}
            check_out([("out", out, (*batch, h, w), highpass.dtype)], inputs)
            if not symmetric and not chosen and not orientations:
                operators.inverse.into(out, *parts)
                return out
        images = operators.inverse(*parts, chosen, self.nbands, orientations)
        images = images[..., :h, :w] if symmetric else images
        return images if out is None else out.copy_(images)

    def filters(self, size: Sequence[int] = (128, 128)) -> tuple[Filter, ...]:
        """Every filter: what it answers to, its impulse response and its frequency response.

        Both are measured, by transforming an impulse in float64, at the image's size.

        Args:
            size: (H, W) of the image.

        Returns:
            `Filter` for the highpass, for each orientation of each scale, and for the lowpass. With
            boundary "symmetric" those of the image without its mirror image.

        Raises:
            TypeError: `size` is no pair of integers.
            ValueError: it is too small for ``height``.
        """
        h, w = checks.check_size("size", size)
        checks.check_height_fits("size", (h, w), self.height, (h, w))
        impulse = torch.zeros(h, w, dtype=torch.float64)
        impulse[h // 2, w // 2] = 1
        count, width = self.bands_per_octave, self.width
        pyramid = SteerablePyramid(
            self.height,
            self.nbands,
            bands_per_octave=count,
            width=width,
            real=self.layout.real,
            downsample=False,
        )
        highpass, bands, lowpass = pyramid(impulse)

        def of(name: str, x: Tensor, level: int, frequency: float, *about: Any) -> Filter:
            shifted = torch.fft.ifftshift(x, dim=(-2, -1))
            response = torch.fft.fftshift(torch.fft.fft2(shifted), dim=(-2, -1))
            scale, band, bandwidth, orientation = about or (None,) * 4
            return Filter(name, level, scale, band, frequency, bandwidth, orientation, x, response)

        result = [of("highpass", highpass, 0, 0.5)]
        for scale, planes in enumerate(bands):
            # A transition has lost half the energy in its middle.
            centre = 2 ** -((scale + 1 / 2) / count + width / 2) / 2
            for band, plane in enumerate(planes):
                angle = math.pi * band / self.nbands if self.nbands > 1 else None
                name, level = f"bands[{scale}][..., {band}, :, :]", scale // count + 1
                result.append(of(name, plane, level, centre, scale, band, 1 / count, angle))
        return (*result, of("lowpass", lowpass, self.height - 1, 0.0))


def mirror(images: Tensor) -> Tensor:
    """Half-sample symmetric extension of the last two axes to twice their size."""
    images = torch.cat([images, images.flip(-1)], dim=-1)
    return torch.cat([images, images.flip(-2)], dim=-2)


def _check_mirrored(highpass: Tensor) -> None:
    checks.check_images("coeffs.highpass", highpass, 2, "[..., 2 H, 2 W]")
    if any(side % 2 for side in highpass.shape[-2:]):
        raise ValueError(
            f"coeffs.highpass: expected shape [..., 2 H, 2 W] for boundary='symmetric', "
            f"got {list(highpass.shape)}"
        )
