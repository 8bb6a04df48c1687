"""What is refused, and that the message names the argument, what was expected and what came."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import phasenet
from phasenet import SteerablePyramid, phase_difference, phase_difference_windows, reference

FRAMES = torch.rand(5, 16, 16)


@pytest.mark.parametrize("module", [phasenet, reference])
@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"height": 2}, ValueError, ["height", "at least 3", "2"]),
        ({"height": 4.0}, TypeError, ["height", "integer", "float"]),
        ({"height": 7}, ValueError, ["height", "at most 6", "7"]),
        ({"nbands": 1}, ValueError, ["nbands", "at least 2", "1"]),
        ({"nbands": 33}, ValueError, ["nbands", "at most 32", "33"]),
        ({"levels": (1, 3)}, ValueError, ["levels", "1 to height - 2", "(1, 3)"]),
        ({"levels": ()}, ValueError, ["levels", "()"]),
        ({"levels": (1, 1)}, ValueError, ["levels", "distinct"]),
        ({"levels": 1}, TypeError, ["levels", "sequence", "int"]),
        ({"unwrap": "both"}, ValueError, ["unwrap", "'full' or 'reference'", "'both'"]),
        ({"boundary": "wrap"}, ValueError, ["boundary", "'replicate' or 'valid'", "'wrap'"]),
        ({"num_phase": 0}, ValueError, ["num_phase", "at least 1", "0"]),
        ({"num_phase": 5, "boundary": "valid"}, ValueError, ["frames", "num_phase + 1 = 6", "5"]),
    ],
)
def test_window_options(module, options, error, words):
    with pytest.raises(error) as raised:
        module.phase_difference_windows(FRAMES, **{"num_phase": 4, **options})
    assert_says(raised, words)


@pytest.mark.parametrize(
    ("frames", "error", "words"),
    [
        (FRAMES.numpy(), TypeError, ["frames", "torch.Tensor", "ndarray"]),
        (FRAMES.int(), TypeError, ["frames", "uint8, float16, bfloat16, float32", "int32"]),
        (FRAMES.to(torch.complex64), TypeError, ["frames", "complex64"]),
        (FRAMES[0], ValueError, ["frames", "[..., T, H, W]", "[16, 16]"]),
        (FRAMES[:, :3], ValueError, ["height", "[5, 3, 16]"]),
        (FRAMES.to_sparse(), TypeError, ["frames", "dense"]),
    ],
)
def test_frames(frames, error, words):
    with pytest.raises(error) as raised:
        phase_difference_windows(frames)
    assert_says(raised, words)


@pytest.mark.skipif(phasenet.build_info()["cuda"] is not None, reason="CUDA operators are built")
def test_a_device_without_operators():
    with FakeTensorMode():
        frames = torch.empty(5, 16, 16, device="cuda")
        calls = [
            lambda: phase_difference_windows(frames, 2),
            lambda: phase_difference(frames),
            lambda: SteerablePyramid(4, 2)(frames),
        ]
        for call in calls:
            with pytest.raises(
                ValueError, match=r"expected a tensor on the CPU .* got one on cuda"
            ):
                call()


def test_meta_tensors_give_shapes():
    level1, _ = phase_difference_windows(torch.empty(5, 16, 16, device="meta"), 2)
    assert level1.shape == (5, 4, 16, 16)


def test_clip_of_one_frame():
    with pytest.raises(ValueError, match="clips: expected at least 2 frames, got 1"):
        phase_difference(FRAMES[:1])


@pytest.mark.parametrize(
    ("height", "nbands", "error"),
    [(2, 2, ValueError), (4, 1, ValueError), (True, 2, TypeError), (4, "2", TypeError)],
)
def test_pyramid_options(height, nbands, error):
    with pytest.raises(error):
        SteerablePyramid(height, nbands)


def test_image_too_small():
    with pytest.raises(
        ValueError, match=r"height: expected at most 3 for images of shape \[7, 9\], got 4"
    ):
        SteerablePyramid(4, 2)(torch.rand(7, 9))


def test_inverse_refuses_what_is_not_one_pyramid():
    coeffs = SteerablePyramid(4, 2)(torch.rand(2, 16, 16))
    inverse = SteerablePyramid(4, 2).inverse
    with pytest.raises(ValueError, match=r"coeffs.bands: expected height - 2 = 2 levels, got 1"):
        inverse(coeffs._replace(bands=coeffs.bands[:1]))
    with pytest.raises(ValueError, match=r"coeffs.bands\[1\]: expected shape \[2, 2, 8, 8\]"):
        inverse(coeffs._replace(bands=(coeffs.bands[0], coeffs.bands[0])))
    with pytest.raises(TypeError, match=r"coeffs.lowpass: expected dtype torch.float32"):
        inverse(coeffs._replace(lowpass=coeffs.lowpass.double()))
    with pytest.raises(ValueError, match=r"coeffs.bands\[0\]: expected shape"):
        SteerablePyramid(4, 3).inverse(coeffs)


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.ops.phasenet.pyramid(torch.rand(4, 4), 9, 2),
        lambda: torch.ops.phasenet.pyramid(torch.rand(16), 4, 2),
        lambda: torch.ops.phasenet.pyramid(torch.zeros(16, 16, dtype=torch.int32), 4, 2),
        lambda: torch.ops.phasenet.phase_difference_windows(FRAMES, 2, 4, 2, [3], "full", "valid"),
        lambda: torch.ops.phasenet.pyramid_inverse(torch.rand(16, 16), [], torch.rand(4, 4)),
        lambda: torch.ops.phasenet.phase_difference_windows_backward(
            [], FRAMES, 2, 4, 2, [], "full", "valid"
        ),
        lambda: torch.ops.phasenet.phase_difference_windows_backward(
            [torch.zeros(1, 1, 1, 1)] * 2, FRAMES, 2, 4, 2, [1, 2], "full", "valid"
        ),
    ],
)
def test_the_operators_check_what_they_are_given(call):
    """Called without the public functions they still raise instead of reading wild memory."""
    with pytest.raises((RuntimeError, IndexError)):
        call()


def assert_says(raised, words):
    message = str(raised.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: SteerablePyramid().inverse(None), ["coeffs", "PyramidCoeffs", "NoneType"]),
        (lambda: SteerablePyramid().inverse((FRAMES, FRAMES, FRAMES)), ["coeffs.bands", "Tensor"]),
        (lambda: phase_difference_windows(FRAMES, 2**40), ["num_phase", "65536", str(2**40)]),
        (lambda: phasenet.PhaseStream(2**40), ["num_phase", "65536", str(2**40)]),
        (lambda: SteerablePyramid(10**30), ["height", "at most 62"]),
    ],
)
def test_what_only_a_mistake_can_mean(call, words):
    with pytest.raises((TypeError, ValueError)) as raised:
        call()
    assert_says(raised, words)
