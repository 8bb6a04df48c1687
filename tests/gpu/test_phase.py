"""Phase differences on a GPU: parity, gradients, bits, graphs, dtypes."""

from __future__ import annotations

import pytest
import torch
from support.phase_cases import CASES
from support.textures import clashing_waves, clear_noise, moving_texture

import phasenet
from phasenet import phase_difference_windows, reference
from phasenet.parity import phase_error

pytestmark = pytest.mark.cuda


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("unwrap", "boundary"), [("full", "replicate"), ("published", "valid")], ids=["full", "valid"]
)
def test_windows_match_the_reference(device, case, dtype, unwrap, boundary):
    size, length, num_phase, height, nbands, levels = case
    options = {"height": height, "nbands": nbands, "levels": levels, "boundary": boundary}
    single = dtype == torch.float32
    rounding = 2e-6 if single else 1e-13
    frames, ambiguous = clear_noise(
        length, size, num_phase, dtype=dtype, rounding=rounding, **options
    )
    got = phase_difference_windows(frames.to(device), num_phase, unwrap=unwrap, **options)
    expected = reference.phase_difference_windows(
        frames.double(), num_phase, unwrap=unwrap, **options
    )
    for planes, right, unclear in zip(got, expected, ambiguous, strict=True):
        assert planes.device.type == torch.device(device).type
        assert planes.dtype == dtype
        error, _ = phase_error(planes.cpu(), right, unclear)
        assert error < (1e-5 if single else 1e-11)


def gradients(
    device: str, frames: torch.Tensor, num_phase: int, **options
) -> tuple[torch.Tensor, ...]:
    """On the device, and on the CPU in float64, for the same gradient of the windows."""
    given = frames.detach().to(device, copy=True).requires_grad_()
    exact = frames.double().clone().requires_grad_()
    expected = phase_difference_windows(exact, num_phase, **options)
    grads = [torch.randn_like(plane) for plane in expected]
    planes = phase_difference_windows(given, num_phase, **options)
    (got,) = torch.autograd.grad(planes, given, [g.to(device, given.dtype) for g in grads])
    (want,) = torch.autograd.grad(expected, exact, grads)
    return got.cpu(), want


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize(
    ("unwrap", "boundary"), [("full", "replicate"), ("published", "valid")], ids=["full", "valid"]
)
def test_gradients_match_the_cpu(device, case, unwrap, boundary):
    size, length, num_phase, height, nbands, levels = case
    options = {"height": height, "nbands": nbands, "levels": levels}
    frames = torch.rand(2, length, *size, dtype=torch.float64)
    got, want = gradients(device, frames, num_phase, unwrap=unwrap, boundary=boundary, **options)
    assert (got - want).norm() / want.norm() < 1e-11


def test_gradients_through_the_clamp_and_in_single_precision(device):
    got, want = gradients(device, clashing_waves(50, 16, 20), 48, boundary="valid")
    assert (got - want).norm() / want.norm() < 1e-9  # the dark halves divide by little
    smooth = moving_texture(9, (48, 48), (0.3, -0.4)).float()
    got, want = gradients(device, smooth, 6)
    assert got.dtype == torch.float32
    assert (got - want).norm() / want.norm() < 1e-5


@pytest.mark.parametrize("size", [(48, 48), (90, 70)])
def test_the_same_bits_every_time(device, size):
    frames = torch.rand(2, 14, *size, device=device, requires_grad=True)

    def everything() -> list[torch.Tensor]:
        planes = phase_difference_windows(frames, 4)
        (grad,) = torch.autograd.grad(sum(p.square().sum() for p in planes), frames)
        return [*planes, grad]

    first = everything()
    for _ in range(3):
        for again, right in zip(everything(), first, strict=True):
            assert torch.equal(again, right)


@pytest.mark.parametrize("size", [(48, 48), (90, 70)])
def test_a_graph_replays_on_new_frames(device, stream, size):
    frames = torch.rand(2, 8, *size, device=device)
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            phase_difference_windows(frames, 4)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        planes = phase_difference_windows(frames, 4)
    frames.copy_(torch.rand_like(frames))
    graph.replay()
    torch.cuda.synchronize()
    for got, want in zip(planes, phase_difference_windows(frames, 4), strict=True):
        assert torch.equal(got, want)


def test_bytes_and_half_outputs(device):
    given = torch.randint(0, 256, (6, 48, 48), dtype=torch.uint8)
    # Divided on the CPU: a GPU may multiply by 1 / 255, and a phase at +-pi then is a turn off.
    floats, frames = (given.float() / 255).to(device), given.to(device)
    whole = phase_difference_windows(frames, 4)
    for planes, same in zip(whole, phase_difference_windows(floats, 4), strict=True):
        torch.testing.assert_close(planes, same, rtol=1e-5, atol=1e-4)
    for dtype in (torch.float16, torch.bfloat16):
        for half, planes in zip(
            phase_difference_windows(frames, 4, dtype=dtype), whole, strict=True
        ):
            # On tensor cores taps of the blur are float16 then, beside which rounding counts.
            rounding = (planes.to(dtype) - planes).norm()
            assert half.dtype == dtype
            assert 0.9 * rounding < (half - planes).norm() < 1.15 * rounding


def test_nothing_gives_nothing_and_equal_frames_zero(device):
    (planes,) = phase_difference_windows(torch.rand(0, 3, 16, 16, device=device), 2, levels=(1,))
    assert planes.shape == (0, 3, 4, 16, 16)
    frames = torch.rand(1, 48, 48, device=device).expand(5, 48, 48)
    assert all(bool((level == 0).all()) for level in phase_difference_windows(frames, 2))


def test_band_phase_is_the_angle(device):
    bands = torch.randn(3, 50, 70, dtype=torch.complex64, device=device)
    torch.testing.assert_close(phasenet.band_phase(bands), bands.angle(), rtol=0, atol=1e-6)


def videos_beyond_two_to_the_31(device: str, gibibytes: int) -> tuple[torch.Tensor, int]:
    """So many videos uint8 [N, 64, 48, 48] that P = 48 gives more than 2^31 values on level 1."""
    if device == "cpu":
        pytest.skip("billions of values take a CPU too long")
    free, _ = torch.cuda.mem_get_info()
    if free < gibibytes << 30:
        pytest.skip(f"needs {gibibytes} GiB of GPU memory, {free >> 30} are free")
    two = torch.randint(0, 256, (2, 64, 48, 48), dtype=torch.uint8, device=device)
    count = (1 << 31) // (64 * 2 * 48 * 48 * 48) + 1
    return two[torch.arange(count) % 2], count


@pytest.mark.nightly
def test_windows_beyond_two_to_the_31_values(device):
    """2 bytes each, and a fifth of that for the planes."""
    videos, count = videos_beyond_two_to_the_31(device, 6)
    options = {"levels": (1,), "dtype": torch.float16}
    (planes,) = phase_difference_windows(videos, 48, **options)
    assert planes.numel() > 1 << 31
    for i in (0, count // 2, count - 2, count - 1):
        (alone,) = phase_difference_windows(videos[i], 48, **options)
        assert torch.equal(planes[i], alone)


@pytest.mark.nightly
def test_gradients_beyond_two_to_the_31_values(device):
    """4 bytes each of the windows' gradient, and a fifth of that for planes and sums."""
    videos, count = videos_beyond_two_to_the_31(device, 12)
    frames = videos.float()
    grads = torch.randn(64, 96, 48, 48, device=device).expand(count, 64, 96, 48, 48)
    backward = torch.ops.phasenet.phase_difference_windows_backward
    options = (48, 4, 2, [1], "full", "replicate")
    got = backward([grads], frames, *options)
    for i in (0, count // 2, count - 2, count - 1):
        alone = backward([grads[i]], frames[i], *options)
        torch.testing.assert_close(got[i], alone, rtol=1e-5, atol=1e-5 * float(alone.abs().max()))
