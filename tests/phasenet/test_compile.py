"""torch.compile, torch.export and AOTInductor: whole graphs, any sizes, the same results."""

from __future__ import annotations

import pytest
import torch
from support.graphs import Graphs
from torch import Tensor, nn
from torch.export import Dim

import phasenet
from phasenet import PyramidCoeffs, SteerablePyramid, phase_difference_windows

ops = torch.ops.phasenet


class Features(nn.Module):
    """Phases and pyramid of a video [B, T, H, W], as a model would use them."""

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        level1, level2 = phase_difference_windows(frames, 4)
        pyramid = SteerablePyramid(4, 2)
        coeffs = pyramid(frames)
        changed = coeffs._replace(bands=tuple(2 * band for band in coeffs.bands))
        pooled = level1.mean((-2, -1)) + level2.square().mean((-2, -1))
        return pooled, pyramid.inverse(changed)


def assert_same(got: tuple[Tensor, ...], want: tuple[Tensor, ...]) -> None:
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def test_one_graph_for_every_length_and_batch():
    graphs = Graphs()
    compiled = torch.compile(Features(), fullgraph=True, dynamic=True, backend=graphs)
    for batch, length in ((2, 6), (3, 9), (5, 7), (2, 31)):
        frames = torch.rand(batch, length, 16, 18, dtype=torch.float64)
        assert_same(compiled(frames), Features()(frames))
    assert len(graphs) == 1


def test_one_graph_for_clips_and_half_precision():
    graphs = Graphs()

    def features(clips):
        level1, level2 = phasenet.phase_difference(clips)
        return level1.float().mean(), level2, *phase_difference_windows(clips, 2, dtype=torch.half)

    compiled = torch.compile(features, fullgraph=True, dynamic=True, backend=graphs)
    for batch in (2, 3, 7):
        clips = torch.rand(batch, 5, 16, 16).bfloat16()
        got, want = compiled(clips), features(clips)
        assert [x.dtype for x in got] == [x.dtype for x in want]
        assert_same(got, want)
    assert len(graphs) == 1


def test_gradients_through_a_compiled_graph():
    compiled = torch.compile(Features(), fullgraph=True, dynamic=True, backend="aot_eager")
    for length in (6, 9):
        frames = torch.rand(2, length, 16, 18, dtype=torch.float64, requires_grad=True)
        grads = [
            torch.autograd.grad(sum(x.square().sum() for x in f(frames)), frames)[0]
            for f in (compiled, Features())
        ]
        torch.testing.assert_close(*grads)


def test_inductor():
    compiled = torch.compile(Features(), fullgraph=True, dynamic=True)
    for length in (6, 9):
        frames = torch.rand(2, length, 16, 18, dtype=torch.float64)
        assert_same(compiled(frames), Features()(frames))


@pytest.mark.slow
def test_motion_and_denoised_phase_compile():
    def features(frames):
        return phasenet.local_motion(frames), *phasenet.denoised_phase(frames)

    compiled = torch.compile(features, fullgraph=True, backend="eager", dynamic=True)
    for length in (3, 5):
        frames = torch.rand(2, length, 16, 18, dtype=torch.float64)
        assert_same(compiled(frames), features(frames))


@pytest.mark.slow
def test_warped_motion_compiles():
    compiled = torch.compile(
        lambda x: phasenet.local_motion(x, largest=1), fullgraph=True, backend="eager"
    )
    frames = torch.rand(2, 4, 16, 18, dtype=torch.float64)
    assert_same([compiled(frames)], [phasenet.local_motion(frames, largest=1)])


class Phases(nn.Module):
    """As little as shows that the operators are found from compiled C++."""

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        return phase_difference_windows(frames, 4)


def exported(module: nn.Module) -> torch.export.ExportedProgram:
    shapes = {0: Dim("batch", min=1, max=64), 1: Dim("length", min=2, max=512)}
    frames = torch.rand(2, 6, 16, 18, dtype=torch.float64)
    return torch.export.export(module, (frames,), dynamic_shapes=(shapes,), strict=True)


def test_export_with_free_batch_and_length(tmp_path):
    torch.export.save(exported(Features()), tmp_path / "features.pt2")
    module = torch.export.load(tmp_path / "features.pt2").module()
    for batch, length in ((1, 2), (2, 6), (3, 40)):
        frames = torch.rand(batch, length, 16, 18, dtype=torch.float64)
        assert_same(module(frames), Features()(frames))


@pytest.mark.slow
def test_aot_inductor_package(tmp_path):
    path = torch._inductor.aoti_compile_and_package(
        exported(Phases()), package_path=str(tmp_path / "features.pt2")
    )
    module = torch._inductor.aoti_load_package(path)
    for batch, length in ((1, 2), (3, 9)):
        frames = torch.rand(batch, length, 16, 18, dtype=torch.float64)
        assert_same(tuple(module(frames)), Phases()(frames))


def test_fake_kernels_with_symbolic_sizes():
    """Every operator on sizes that are symbols, each of its own."""
    frames, images = torch.rand(2, 6, 18, 21), torch.rand(2, 18, 21)
    highpass, *bands, lowpass = ops.pyramid(images, 4, 2)
    options = (3, 4, 2, (1, 2), "full", "valid")
    grads = [torch.rand_like(x) for x in ops.phase_difference_windows(frames, *options)]
    calls = {
        "pyramid": (images, 4, 2),
        "pyramid_backward": (highpass, bands, lowpass),
        "pyramid_inverse": (highpass, bands, lowpass),
        "pyramid_inverse_backward": (images, 4, 2),
        "band_phase": (bands[0],),
        "phase_difference_windows": (frames, *options, torch.float16),
        "phase_difference_windows_backward": (grads, frames, *options),
    }
    for name, arguments in calls.items():
        torch.library.opcheck(
            getattr(ops, name).default, arguments, test_utils="test_aot_dispatch_dynamic"
        )


def test_coefficients_pass_through_a_graph():
    pyramid = SteerablePyramid(4, 3)

    def double(coeffs: PyramidCoeffs) -> PyramidCoeffs:
        return PyramidCoeffs(
            2 * coeffs.highpass, tuple(2 * x for x in coeffs.bands), 2 * coeffs.lowpass
        )

    compiled = torch.compile(
        lambda x: pyramid.inverse(double(pyramid(x))), fullgraph=True, backend="aot_eager"
    )
    images = torch.rand(2, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(compiled(images), 2 * images)
