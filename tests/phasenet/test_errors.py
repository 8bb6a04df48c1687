"""What is refused, and that the message names the argument, what was expected and what came."""

from __future__ import annotations

import numpy as np
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
        ({"unwrap": "both"}, ValueError, ["unwrap", "'full' or 'published'", "'both'"]),
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


def test_image_too_small():
    with pytest.raises(
        ValueError, match=r"height: expected at most 3 for images of shape \[7, 9\], got 4"
    ):
        SteerablePyramid(4, 2)(torch.rand(7, 9))


def test_inverse_refuses_what_is_not_one_pyramid():
    coeffs = SteerablePyramid(4, 2)(torch.rand(2, 16, 16))
    inverse = SteerablePyramid(4, 2).inverse
    with pytest.raises(ValueError, match=r"coeffs.bands: expected levels: height - 2 = 2, got 1"):
        inverse(coeffs._replace(bands=coeffs.bands[:1]))
    with pytest.raises(ValueError, match=r"coeffs.bands\[1\]: expected shape \[2, 2, 8, 8\]"):
        inverse(coeffs._replace(bands=(coeffs.bands[0], coeffs.bands[0])))
    with pytest.raises(TypeError, match=r"coeffs.lowpass: expected dtype torch.float32"):
        inverse(coeffs._replace(lowpass=coeffs.lowpass.double()))
    with pytest.raises(ValueError, match=r"coeffs.bands\[0\]: expected shape"):
        SteerablePyramid(4, 3).inverse(coeffs)
    with pytest.raises(
        ValueError,
        match=r"coeffs.bands: expected scales: bands_per_octave \* \(height - 2\) = 4, got 2",
    ):
        SteerablePyramid(4, 2, bands_per_octave=2).inverse(coeffs)


def inverse_arguments(parts):
    return parts[0], parts[1:-1], parts[-1]


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.ops.phasenet.pyramid(torch.rand(4, 4), 9, 2),
        lambda: torch.ops.phasenet.pyramid(torch.rand(16), 4, 2),
        lambda: torch.ops.phasenet.pyramid(torch.rand(16, 16), 4, 2, 5, 0.1),
        lambda: torch.ops.phasenet.pyramid(torch.rand(16, 16), 4, 2, 2, 0.6),
        lambda: torch.ops.phasenet.pyramid(torch.rand(16, 16), 4, 2, 2, float("nan")),
        lambda: torch.ops.phasenet.phase_difference_windows(FRAMES, 2, 4, 1, [1], "full", "valid"),
        lambda: torch.ops.phasenet.pyramid_inverse(
            *inverse_arguments(torch.ops.phasenet.pyramid(torch.rand(16, 16), 4, 2, 3, 0.3)), 2, 0.5
        ),
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


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: phase_difference_windows(x(400, 48, 48), 65536),
         ["num_phase", "windows with num_phase=65536", "562.5 GiB", "[400, 48, 48]"]),
        (lambda x: phase_difference_windows(x(2**30, 32, 32), 1), ["frames", "10240.0 GiB"]),
        (lambda x: phase_difference_windows(x(2**30, 32, 32), 1, dtype=torch.float16),
         ["frames", "5120.0 GiB"]),
        (lambda x: phase_difference(x(2**30, 32, 32)), ["clips", "differences", "10240.0 GiB"]),
        (lambda x: phasenet.denoised_phase(x(2**30, 32, 32)), ["frames", "bands", "20480.0 GiB"]),
        (lambda x: phasenet.local_motion(x(2**30, 32, 32)), ["frames", "motions", "8192.0 GiB"]),
        (lambda x: SteerablePyramid()(x(2**30, 32, 32)), ["images", "coefficients", "GiB"]),
        (lambda x: phasenet.PhaseStream(65536).push(x(1, 48, 48)), ["num_phase", "GiB"]),
    ],
)  # fmt: skip
def test_what_no_memory_holds(call, words):
    """Before anything is computed; views have no memory of their own."""
    with pytest.raises(ValueError, match="that fit into the memory of") as raised:
        call(lambda *shape: torch.zeros(1, 1, 1).expand(shape))
    assert_says(raised, words)


INTEGERS = [int, np.int64, np.int32, np.uint8, lambda x: np.array(x)]


@pytest.mark.parametrize("module", [phasenet, reference])
@pytest.mark.parametrize("integer", INTEGERS)
def test_integers_of_any_kind(module, integer):
    """Where Python's own are taken, those of NumPy are, and arrays for the levels."""
    want = module.phase_difference_windows(FRAMES, 3, height=4, nbands=3, levels=(2, 1))
    options = {"height": integer(4), "nbands": integer(3)}
    for levels in ([integer(2), integer(1)], np.array([2, 1])):
        got = module.phase_difference_windows(FRAMES, integer(3), levels=levels, **options)
        assert all(map(torch.equal, got, want))
        clip = module.phase_difference(FRAMES, levels=levels, **options)
        assert [x.shape[-1] for x in clip] == [8, 16]
    pyramid = module.SteerablePyramid(integer(4), integer(3))
    assert (type(pyramid.height), type(pyramid.nbands)) == (int, int)
    pyramid.inverse(pyramid(FRAMES))
    if module is phasenet:
        options["levels"] = np.array([2, 1])
        stream = phasenet.PhaseStream(integer(3), **options)
        windows = [w for frame in FRAMES for w in stream.push(frame)] + stream.flush()
        assert torch.equal(windows[2].levels[0], want[0][2])
        assert phasenet.denoised_phase(FRAMES, **options)[0].shape == (3, 5, 8, 8)
        assert phasenet.local_motion(FRAMES, **options).shape == (4, 2, 16, 16)


@pytest.mark.parametrize(
    "height",
    [np.array([3, 4]), np.float32(3), np.bool_(True), True, torch.tensor(3), "3", None],
)
def test_what_is_no_integer(height):
    with pytest.raises(TypeError, match=r"^height: expected an integer, got") as raised:
        SteerablePyramid(height)
    assert_says(raised, [])
    with pytest.raises(TypeError, match=r"^nbands: expected an integer, got"):
        SteerablePyramid(4, height)
    for levels in ([height], np.array([1.0]), np.array([[1]]), np.array(1), torch.tensor([1])):
        with pytest.raises(TypeError, match=r"^levels: expected") as raised:
            phase_difference(FRAMES, levels=levels)
        assert_says(raised, [])


@pytest.mark.parametrize("module", [phasenet, reference])
@pytest.mark.parametrize("size", [(0, 16), (16, 0), (0, 0), (1, 16)])
def test_images_too_small_for_any_pyramid(module, size):
    images = torch.zeros(3, *size)
    expected = r": expected images large enough for a pyramid .* got shape \[3, "
    calls = [
        ("images", lambda: module.SteerablePyramid(3)(images)),
        ("clips", lambda: module.phase_difference(images, height=3, levels=(1,))),
        ("frames", lambda: module.phase_difference_windows(images, 2)),
    ]
    if module is phasenet:
        calls += [
            ("frames", lambda: phasenet.denoised_phase(images)),
            ("frames", lambda: phasenet.local_motion(images)),
            ("frame", lambda: phasenet.PhaseStream().push(images)),
        ]
    for name, call in calls:
        with pytest.raises(ValueError, match=f"^{name}{expected}") as raised:
            call()
        assert_says(raised, [])


def test_operators_refuse_levels_that_come_twice():
    """So that their number, and with it what is allocated, is bounded."""
    frames = torch.rand(2, 16, 16)
    with pytest.raises(RuntimeError, match="levels: twice level 1"):
        torch.ops.phasenet.phase_stream_state(frames, 63, 4, 2, [1] * 1000)
    with pytest.raises(RuntimeError, match="levels: twice level 2"):
        torch.ops.phasenet.phase_difference_windows(frames, 1, 4, 2, [2, 1, 2], "full", "valid")


def test_operators_refuse_none_beside_meta_tensors():
    parts = torch.ops.phasenet.pyramid(torch.rand(8, 8, device="meta"), 3, 2)
    with pytest.raises(TypeError, match="pyramid_inverse: expected a tensor, got None"):
        torch.ops.phasenet.pyramid_inverse(None, parts[1:-1], parts[-1])
