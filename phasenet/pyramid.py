"""The complex steerable pyramid: the public class, its fake kernels and its gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from phasenet import _extension, checks
from phasenet.coefficients import PyramidCoeffs, UnmirroredCoeffs
from phasenet.operators import Operator
from phasenet.out import Part, check_out
from phasenet.precision import complex_dtype, compute_dtype, compute_input


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

    def extra_repr(self) -> str:
        octave = f"bands_per_octave={self.bands_per_octave}, width={self.width:.4g}, "
        return (
            f"height={self.height}, nbands={self.nbands}, "
            f"{octave if (self.bands_per_octave, self.width) != (1, 1) else ''}"
            f"boundary={self.boundary!r}"
        )

    def forward(self, images: Tensor, *, out: PyramidCoeffs | None = None) -> PyramidCoeffs:
        """Coefficients of `images`.

        Args:
            images: ``[..., H, W]``. float64 is computed in float64; float32, float16, bfloat16,
                and uint8, which is scaled by 1/255, in float32. Coefficients have the dtype that
                is computed in, float32 and complex64 for half precision: half a complex number
                has a range and a support in PyTorch too small for what one does with it.
            out: coefficients of an earlier call, or tensors like them, that the result is written
                into: contiguous, of its shapes, dtypes and device, in memory of their own. Nothing
                is allocated then; gradients cannot be recorded.

        NaN or infinity in an image makes all of its coefficients NaN, and no other image's; a black
        image has zeros only.

        Returns:
            `PyramidCoeffs` with ``highpass`` ``[..., H, W]``, ``bands`` complex
            ``[..., nbands, h, w]`` for each scale, `bands_per_octave` of them to each level (sides
            halved from level to level, rounded up), and ``lowpass`` ``[..., h, w]``; with boundary
            "symmetric" H and W are doubled first.
            The tensors of `out` if it is given.

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
        if out is not None:
            checks.check_coefficients_type(out, "out")
            checks.check_level_count("out.bands", out[1], self.height, self.bands_per_octave)
            specs = _coefficient_specs(batch, size, *options[:3], dtype)
            check_out(_named("out", out, specs), {"images": images})
        else:
            elements = band_elements(batch, size, self.nbands, range(1, self.height - 1))
            elements *= self.bands_per_octave
            checks.check_memory("images", images, "coefficients", 2 * elements * dtype.itemsize)
        images = compute_input(images)
        if self.boundary == "symmetric":
            images = mirror(images)
        if out is not None:
            highpass, bands, lowpass = out
            _pyramid.into([highpass, *bands, lowpass], images, *options)
        else:
            highpass, *bands, lowpass = _pyramid(images, *options)
        return PyramidCoeffs(highpass, tuple(bands), lowpass)

    if TYPE_CHECKING:  # torch.nn.Module's own returns Any

        def __call__(
            self, images: Tensor, *, out: PyramidCoeffs | None = None
        ) -> PyramidCoeffs: ...

    def inverse(self, coeffs: PyramidCoeffs, *, out: Tensor | None = None) -> Tensor:
        """The images these coefficients belong to, ``[..., H, W]``.

        Exact to rounding for coefficients of `forward`. Coefficients may be changed before: the
        result is then the image of their real parts, as for any filter bank.

        Args:
            coeffs: of a pyramid of the same options.
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
        highpass, bands, lowpass = coeffs
        if self.boundary == "symmetric":
            _check_mirrored(highpass)
        count = self.bands_per_octave
        given = check_coefficients(highpass, bands, lowpass, self.height, self.nbands, count)
        _extension.check_device("coeffs.highpass", highpass)
        symmetric = self.boundary == "symmetric"
        parts = (highpass, list(bands), lowpass, count, self.width)
        *batch, h, w = highpass.shape
        if symmetric:
            h, w = h // 2, w // 2
        if out is not None:
            inputs = {name: tensor for name, tensor, _, _ in given}
            check_out([("out", out, (*batch, h, w), highpass.dtype)], inputs)
            if not symmetric:
                _inverse.into(out, *parts)
                return out
        images = _inverse(*parts)[..., :h, :w] if symmetric else _inverse(*parts)
        return images if out is None else out.copy_(images)


def mirror(images: Tensor) -> Tensor:
    """Half-sample symmetric extension of the last two axes to twice their size."""
    images = torch.cat([images, images.flip(-1)], dim=-1)
    return torch.cat([images, images.flip(-2)], dim=-2)


def level_sizes(
    size: Sequence[int], height: int, bands_per_octave: int = 1
) -> list[tuple[int, int]]:
    """Sizes (h, w) of each scale of levels 1 to ``height - 2`` and of the lowpass, for `size`."""
    if height > checks.MAX_HEIGHT:  # an operator may be called with any, on the meta device too
        raise ValueError(f"height: expected at most {checks.MAX_HEIGHT}, got {height}")
    h, w = size
    sizes = []
    for _ in range(height - 2):
        sizes += [(h, w)] * bands_per_octave
        h, w = (h + 1) // 2, (w + 1) // 2
    return [*sizes, (h, w)]


def band_elements(
    batch: Sequence[int], size: Sequence[int], nbands: int, levels: Sequence[int]
) -> int:
    """Coefficients in the bands of `levels` of images ``[*batch, *size]``."""
    # The height only has to reach the last of the levels.
    sizes = level_sizes(size, max(levels) + 2)
    return math.prod(batch) * nbands * sum(math.prod(sizes[level - 1]) for level in levels)


def _check_mirrored(highpass: Tensor) -> None:
    checks.check_images("coeffs.highpass", highpass, 2, "[..., 2 H, 2 W]")
    if any(side % 2 for side in highpass.shape[-2:]):
        raise ValueError(
            f"coeffs.highpass: expected shape [..., 2 H, 2 W] for boundary='symmetric', "
            f"got {list(highpass.shape)}"
        )


def check_coefficients(
    highpass: Tensor,
    bands: Sequence[Tensor],
    lowpass: Tensor,
    height: int,
    nbands: int,
    bands_per_octave: int,
) -> list[Part]:
    """Refuse what are not the coefficients of one pyramid of these options; name them."""
    checks.check_images("coeffs.highpass", highpass, 2, "[..., H, W]")
    if highpass.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"coeffs.highpass: expected dtype float32 or float64, got {highpass.dtype}")
    checks.check_level_count("coeffs.bands", bands, height, bands_per_octave)
    size = highpass.shape[-2:]
    checks.check_height_fits("coeffs.highpass", size, height, highpass.shape)
    options = height, nbands, bands_per_octave
    specs = _coefficient_specs(highpass.shape[:-2], size, *options, highpass.dtype)
    parts = _named("coeffs", (highpass, bands, lowpass), specs)
    for name, tensor, shape, dtype in parts:
        checks.check_tensor(name, tensor, shape, dtype, highpass.device)
    return parts


_Spec = tuple[tuple[int, ...], torch.dtype]


def _coefficient_specs(
    batch: Sequence[int],
    size: Sequence[int],
    height: int,
    nbands: int,
    bands_per_octave: int,
    dtype: torch.dtype,
) -> list[_Spec]:
    """Shape and dtype of highpass, of each scale's bands and of lowpass, computed in `dtype`."""
    *sizes, low_size = level_sizes(size, height, bands_per_octave)
    return [
        ((*batch, *size), dtype),
        *(((*batch, nbands, *s), complex_dtype(dtype)) for s in sizes),
        ((*batch, *low_size), dtype),
    ]


def _named(
    name: str, coeffs: tuple[Tensor, Sequence[Tensor], Tensor], specs: Sequence[_Spec]
) -> list[Part]:
    highpass, bands, lowpass = coeffs
    levels = [f"{name}.bands[{i}]" for i in range(len(bands))]
    names = (f"{name}.highpass", *levels, f"{name}.lowpass")
    tensors = (highpass, *bands, lowpass)
    return [(n, x, *spec) for n, x, spec in zip(names, tensors, specs, strict=True)]


# --- Fake kernels: shapes without data, for torch.compile and export ---------------------------


def _fake_coefficients(
    images: Tensor, height: int, nbands: int, bands_per_octave: int = 1, width: float = 1.0
) -> list[Tensor]:
    *batch, h, w = images.shape
    options = height, nbands, bands_per_octave
    specs = _coefficient_specs(batch, (h, w), *options, compute_dtype(images.dtype))
    return [images.new_empty(shape, dtype=dtype) for shape, dtype in specs]


def _fake_image(
    highpass: Tensor,
    bands: list[Tensor],
    lowpass: Tensor,
    bands_per_octave: int = 1,
    width: float = 1.0,
) -> Tensor:
    return highpass.new_empty(highpass.shape)


# --- Gradients ---------------------------------------------------------------------------------
# Both transforms are linear, so the adjoint is their backward, and each is the backward of its
# adjoint: gradients of any order follow.


def _setup_analysis(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    images, *ctx.of_pyramid = inputs
    ctx.octave, ctx.dtype = ctx.of_pyramid[2:], images.dtype


def _setup_synthesis(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    _, bands, _, *octave = inputs
    ctx.of_pyramid = (len(bands) // octave[0] + 2, bands[0].shape[-3], *octave)


def _of_images(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    """The gradient, and none for each option that was given."""
    return grad.to(ctx.dtype), *(None for _ in ctx.needs_input_grad[1:])


def _of_coefficients(ctx: Any, grads: list[Tensor]) -> tuple[Any, ...]:
    highpass, *bands, lowpass = grads
    return highpass, bands, lowpass, *(None for _ in ctx.needs_input_grad[3:])


def _pyramid_backward(ctx: Any, grads: list[Tensor]) -> tuple[Tensor | None, ...]:
    highpass, *bands, lowpass = grads
    return _of_images(ctx, _adjoint(highpass, bands, lowpass, *ctx.octave))


def _inverse_adjoint_backward(ctx: Any, grads: list[Tensor]) -> tuple[Tensor | None, ...]:
    highpass, *bands, lowpass = grads
    return _of_images(ctx, _inverse(highpass, bands, lowpass, *ctx.octave))


def _inverse_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return _of_coefficients(ctx, _inverse_adjoint(grad, *ctx.of_pyramid))


def _adjoint_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return _of_coefficients(ctx, _pyramid(grad, *ctx.of_pyramid))


_pyramid = Operator(
    "pyramid",
    fake=_fake_coefficients,
    setup=_setup_analysis,
    backward=_pyramid_backward,
    linear=True,
    has_out=True,
    reads_halves=True,
)
_adjoint = Operator(
    "pyramid_backward",
    fake=_fake_image,
    setup=_setup_synthesis,
    backward=_adjoint_backward,
    linear=True,
)
_inverse = Operator(
    "pyramid_inverse",
    fake=_fake_image,
    setup=_setup_synthesis,
    backward=_inverse_backward,
    linear=True,
    has_out=True,
)
_inverse_adjoint = Operator(
    "pyramid_inverse_backward",
    fake=_fake_coefficients,
    setup=_setup_analysis,
    backward=_inverse_adjoint_backward,
    linear=True,
    reads_halves=True,
)
