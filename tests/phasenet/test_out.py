"""`out=`: results written into given memory, all of it and nothing else, or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from support.given_memory import assert_written, flat, poisoned
from torch import Tensor
from torch.autograd import forward_ad

from phasenet import PyramidCoeffs, SteerablePyramid, phase_difference_windows

SIZES = [(18, 21), (67, 40), (131, 24)]
DTYPES = [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64]


def pictures(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    x = torch.rand(shape)
    return (255 * x).to(dtype) if dtype == torch.uint8 else x.to(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("boundary", ["periodic", "symmetric"])
def test_pyramid_and_inverse(size, dtype, boundary):
    images = pictures((2, 3, *size), dtype)
    pyramid = SteerablePyramid(4, 3, boundary=boundary)
    assert_written(lambda **out: pyramid(images, **out))
    coeffs = pyramid(images)
    assert_written(lambda **out: pyramid.inverse(coeffs, **out))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_windows(size, dtype):
    frames = pictures((2, 7, *size), dtype)
    for options in ({}, {"boundary": "valid"}, {"dtype": torch.float16}, {"levels": [2]}):
        assert_written(lambda options=options, **out: phase_difference_windows(
            frames, 3, **options, **out))  # fmt: skip


def test_threads_and_many_images():
    """However the images are shared out."""
    for count in (1, 9):
        images = torch.rand(count, 45, 50)
        assert_written(lambda images=images, **out: SteerablePyramid(4, 2)(images, **out))


def test_nothing_to_write():
    pyramid = SteerablePyramid(3, 2)
    coeffs = pyramid(torch.rand(0, 9, 10))
    assert_written(lambda **out: pyramid(torch.rand(0, 9, 10), **out))
    assert_written(lambda **out: pyramid.inverse(coeffs, **out))
    assert_written(lambda **out: phase_difference_windows(torch.rand(0, 4, 9, 10), 2, **out))


def test_lists_and_strided_inputs():
    frames = torch.rand(3, 20, 18).transpose(1, 2)
    out = [torch.empty_like(x) for x in phase_difference_windows(frames, 2)]
    result = phase_difference_windows(frames, 2, out=out)
    assert isinstance(result, tuple)
    assert all(map(torch.equal, result, phase_difference_windows(frames, 2)))
    pyramid = SteerablePyramid(3, 2)
    coeffs = pyramid(frames)
    turned = PyramidCoeffs(coeffs.highpass, [coeffs.bands[0].conj()], coeffs.lowpass)
    image = torch.empty_like(coeffs.highpass)
    assert pyramid.inverse(turned, out=image) is image
    assert torch.equal(image, pyramid.inverse(turned))


def test_a_result_is_no_larger_in_the_end(monkeypatch):
    """What is given is not refused for the machine's memory, of which nothing more is taken."""
    frames = torch.rand(4, 16, 16)
    out = tuple(torch.empty_like(x) for x in phase_difference_windows(frames, 2))
    monkeypatch.setattr("os.sysconf", lambda name: 1)
    with pytest.raises(ValueError, match="fit into the memory"):
        phase_difference_windows(frames, 2)
    phase_difference_windows(frames, 2, out=out)


IMAGES = torch.rand(2, 16, 18)
PYRAMID = SteerablePyramid(4, 2)
COEFFS = PYRAMID(IMAGES)
FRAMES = torch.rand(5, 16, 18)
LEVELS = phase_difference_windows(FRAMES, 2)


def wrong(right: Tensor) -> list[tuple[Any, type[Exception], str]]:
    """What may not stand where `right` may, and what is said of it."""
    real = right.real
    return [
        (None, TypeError, "expected a torch.Tensor, got NoneType"),
        (right.to_sparse(), TypeError, r"expected a dense \(strided\) tensor"),
        (right[..., :-1].contiguous(), ValueError, "expected shape"),
        (right[None], ValueError, "expected shape"),
        (real.double(), TypeError, "expected dtype torch"),
        (right.to("meta"), ValueError, "expected a tensor on cpu, got meta"),
        (right.mT.contiguous().mT, ValueError, "expected a contiguous tensor, got a view"),
        (right[:1].expand(right.shape), ValueError, "expected a contiguous tensor, got a view"),
    ]


@pytest.mark.parametrize("case", range(8))
def test_what_cannot_be_written_to(case):
    """Named, in one line, before anything is written."""
    calls: list[tuple[str, Callable[[Any], Any], Tensor]] = [
        ("out.highpass", lambda x: PYRAMID(IMAGES, out=COEFFS._replace(highpass=x)),
         COEFFS.highpass),
        (r"out.bands\[1\]",
         lambda x: PYRAMID(IMAGES, out=COEFFS._replace(bands=(COEFFS.bands[0], x))),
         COEFFS.bands[1]),
        ("out.lowpass", lambda x: PYRAMID(IMAGES, out=COEFFS._replace(lowpass=x)),
         COEFFS.lowpass),
        ("out", lambda x: PYRAMID.inverse(COEFFS, out=x), IMAGES),
        (r"out\[1\]", lambda x: phase_difference_windows(FRAMES, 2, out=(LEVELS[0], x)),
         LEVELS[1]),
    ]  # fmt: skip
    for name, call, right in calls:
        value, error, message = wrong(torch.zeros_like(right))[case]
        if value is None and name == "out":
            continue  # there is no `out` then
        with pytest.raises(error, match=rf"^{name}: {message}") as raised:
            call(value)
        assert "\n" not in str(raised.value)


def test_what_is_no_result():
    for value in (IMAGES, [1], tuple(COEFFS)[:2], 3):
        with pytest.raises(TypeError, match=r"^out: expected a PyramidCoeffs, got"):
            PYRAMID(IMAGES, out=value)
    with pytest.raises(ValueError, match=r"^out.bands: expected levels: height - 2 = 2, got 1"):
        PYRAMID(IMAGES, out=COEFFS._replace(bands=COEFFS.bands[:1]))
    with pytest.raises(TypeError, match=r"^out: expected a tuple of tensors, got Tensor"):
        phase_difference_windows(FRAMES, 2, out=LEVELS[0])
    with pytest.raises(
        ValueError, match=r"^out: expected a tensor for each level, 2 in all, got 1"
    ):
        phase_difference_windows(FRAMES, 2, out=LEVELS[:1])
    conjugate = COEFFS._replace(bands=tuple(x.conj() for x in COEFFS.bands))
    with pytest.raises(ValueError, match=r"^out.bands\[0\]: expected a contiguous tensor"):
        PYRAMID(IMAGES, out=conjugate)


def test_shared_memory():
    block = torch.rand(6, 16, 18)
    frames, level = block[:3], block[3:].view(3, 1, 16, 18)
    phase_difference_windows(frames, 1, nbands=2, levels=[1], out=[level.expand(3, 2, 16, 18)
                             .contiguous()])  # fmt: skip
    images, result = block[:3], block[2:5]
    coeffs = PYRAMID(images)
    own = coeffs._replace(highpass=block[3:])  # side by side
    PYRAMID(images, out=own)
    with pytest.raises(ValueError, match=r"^out.highpass: expected memory of its own, got some of"):
        PYRAMID(images, out=coeffs._replace(highpass=result))
    with pytest.raises(
        ValueError, match=r"^out: expected memory of its own, got some of coeffs.hi"
    ):
        PYRAMID.inverse(own, out=block[3:])
    twice = coeffs.lowpass.new_zeros(3, 16, 18)
    doubled = coeffs._replace(highpass=twice, lowpass=twice.view(-1)[: coeffs.lowpass.numel()]
                              .view(coeffs.lowpass.shape))  # fmt: skip
    with pytest.raises(ValueError, match=r"^out.lowpass: expected memory .* got some of out.high"):
        PYRAMID(images, out=doubled)


def test_gradients_are_refused():
    message = "^out: expected tensors without gradient, .* got {} with one"
    images, frames = IMAGES.clone().requires_grad_(), FRAMES.clone().requires_grad_()
    levels = [torch.empty_like(x) for x in LEVELS]
    coeffs = PYRAMID(IMAGES)
    with pytest.raises(ValueError, match=message.format("images")):
        PYRAMID(images, out=coeffs)
    with pytest.raises(ValueError, match=message.format("frames")):
        phase_difference_windows(frames, 2, out=levels)
    with pytest.raises(ValueError, match=message.format("coeffs.lowpass")):
        PYRAMID.inverse(coeffs._replace(lowpass=coeffs.lowpass.clone().requires_grad_()),
                        out=torch.empty_like(IMAGES))  # fmt: skip
    with pytest.raises(ValueError, match=message.format("out")):
        PYRAMID.inverse(coeffs, out=torch.empty_like(IMAGES).requires_grad_())
    with torch.no_grad():
        assert torch.equal(PYRAMID(images, out=coeffs).bands[1], COEFFS.bands[1])
    with torch.inference_mode():
        phase_difference_windows(frames, 2, out=levels)
    assert all(map(torch.equal, levels, LEVELS))
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(IMAGES.clone(), IMAGES)
        with pytest.raises(ValueError, match=message.format("images")):
            PYRAMID(dual, out=coeffs)


@pytest.mark.parametrize("transform", [torch.func.vmap, torch.func.grad, torch.func.jacfwd])
def test_transforms_are_refused(transform):
    coeffs = PYRAMID(torch.zeros(16, 18))

    def lowest(x: Tensor) -> Tensor:
        return PYRAMID(x, out=coeffs).lowpass.sum()

    with pytest.raises((ValueError, NotImplementedError), match=r"^out: .*expected (?:no|tens)"):
        transform(lowest)(IMAGES if transform is torch.func.vmap else IMAGES[0])
    assert not any(x.any() for x in flat(coeffs))


def test_autocast_and_half():
    """Under autocast float16 gives float32, as without `out`."""
    frames = FRAMES.half()
    with torch.autocast("cpu", torch.bfloat16):
        want = phase_difference_windows(frames, 2)
        assert want[0].dtype == torch.float32
        out = [torch.empty_like(x) for x in want]
        assert all(map(torch.equal, phase_difference_windows(frames, 2, out=out), want))


def test_shapes_alone():
    frames = FRAMES.to("meta")
    out = phase_difference_windows(frames, 2)
    assert phase_difference_windows(frames, 2, out=out)[1] is out[1]
    coeffs = PYRAMID(IMAGES.to("meta"))
    assert PYRAMID(IMAGES.to("meta"), out=coeffs).lowpass is coeffs.lowpass


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiled(backend):
    """The same graph writes into the given tensors, whatever their number."""
    torch._dynamo.reset()

    def features(frames: Tensor, levels: list[Tensor], coeffs: PyramidCoeffs, image: Tensor):
        first, _ = phase_difference_windows(frames, 2, out=levels)
        PYRAMID(frames, out=coeffs)
        return first.abs().sum(), PYRAMID.inverse(coeffs, out=image)

    compiled = torch.compile(features, fullgraph=True, backend=backend, dynamic=True)
    for length in (4, 7):
        frames = torch.rand(length, 16, 18)
        want = phase_difference_windows(frames, 2), PYRAMID(frames), frames
        out = [poisoned(x)[0] for x in want]
        total, image = compiled(frames, list(out[0]), *out[1:])
        assert torch.equal(image, out[2])
        for got, expected in zip(flat(out[:2]), flat(want[:2]), strict=True):
            assert torch.equal(got, expected)
        torch.testing.assert_close(out[2], frames)
        torch.testing.assert_close(total, want[0][0].abs().sum())
    torch._dynamo.reset()


def test_the_operators_check_what_they_write_to():
    ops = torch.ops.phasenet
    message = "out: expected contiguous tensors of the results' shapes, dtypes and device"
    parts = [COEFFS.highpass, list(COEFFS.bands), COEFFS.lowpass]
    options = (2, 4, 2, (1, 2), "full", "replicate")
    for bad in (IMAGES[:1], IMAGES.double(), IMAGES.mT.contiguous().mT):
        with pytest.raises(RuntimeError, match=message):
            ops.pyramid(IMAGES, 4, 2, out=[bad.clone(), *COEFFS.bands, COEFFS.lowpass])
        with pytest.raises(RuntimeError, match=message):
            ops.pyramid_inverse(*parts, out=bad)
        with pytest.raises(RuntimeError, match=message):
            ops.phase_difference_windows(FRAMES, *options, out=[LEVELS[0], bad])
    with pytest.raises(RuntimeError, match=message):
        ops.pyramid(IMAGES, 4, 2, out=[COEFFS.highpass])


def test_nothing_large_is_allocated():
    """PyTorch's own count: no block as large as a result."""
    frames, images = torch.rand(64, 48, 48), torch.rand(64, 64, 64)
    levels, coeffs = phase_difference_windows(frames, 12), PYRAMID(images)
    image = torch.empty_like(images)
    calls = {
        "windows": lambda: phase_difference_windows(frames, 12, out=levels),
        "pyramid": lambda: PYRAMID(images, out=coeffs),
        "inverse": lambda: PYRAMID.inverse(coeffs, out=image),
    }
    sizes = {"windows": levels, "pyramid": coeffs, "inverse": image}
    for name, call in calls.items():
        with torch.profiler.profile(profile_memory=True) as profile:
            call()
        largest = max((abs(x.self_cpu_memory_usage) for x in profile.key_averages()), default=0)
        assert largest < sum(x.nbytes for x in flat(sizes[name])) / 2, (name, largest)
