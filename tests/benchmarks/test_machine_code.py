"""The real kernels' machine code computes what their source does, and is counted."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import cuda_cost
from benchmarks.cost import toolchain
from benchmarks.cost.execute import Machine, launches


@pytest.fixture(scope="session")
def compiled():
    """The emulated module, and a machine of the real kernels."""
    try:
        tools = toolchain.find_tools()
    except toolchain.Missing as missing:
        pytest.skip(str(missing))
    sources = sorted((cuda_cost.ROOT / "csrc" / "cuda").glob("*.cu"))
    kernels = toolchain.compile_kernels(sources, cuda_cost.FOLDER, 90, tools)
    return cuda_cost.emulation().load(), Machine(kernels, cuda_cost.FOLDER)


@pytest.mark.slow
@pytest.mark.parametrize(
    "operator",
    [
        "windows",
        "squares",
        "turns",
        "half_windows",
        "half_squares",
        "backward",
        "square_backward",
        "pyramid",
        "inverse",
        "own_pyramid",
        "own_inverse",
        "own_pyramid_backward",
        "own_inverse_backward",
    ],
)
def test_machine_code_computes_what_the_source_does(compiled, operator):
    module, machine = compiled
    random = np.random.default_rng(0)
    frames = random.random((1, 4, 20, 19), np.float32)
    size = (16, 32) if operator.startswith("own") else (33, 40)  # own: our own transforms
    images = random.random((2, *size), np.float32)
    squares = random.random((1, 3, 48, 48), np.float32)
    for clip in (frames, squares):
        clip[:, 2] = clip[:, 1]
    windows = module.phase_difference_windows(frames, 3)
    grads = [random.standard_normal(part.shape, np.float32) for part in windows]
    square_grads = [random.standard_normal((1, 3, 6, side, side), np.float32) for side in (48, 24)]
    parts = module.pyramid(images, 4, 3)
    turns = random.standard_normal(parts[1].shape, np.float32)
    call = {
        "windows": lambda: module.phase_difference_windows(frames, 3),
        "squares": lambda: module.phase_difference_windows(squares, 3),
        "turns": lambda: [module.turn_phase(parts[1], turns, 2.0)],
        "half_windows": lambda: module.phase_difference_windows(frames, 3, dtype="float16"),
        "half_squares": lambda: module.phase_difference_windows(squares, 3, dtype="float16"),
        "backward": lambda: [
            module.phase_difference_windows_backward(
                grads, frames, 3, 4, 2, [1, 2], "full", "replicate"
            )
        ],
        "square_backward": lambda: [
            module.phase_difference_windows_backward(
                square_grads, squares, 3, 4, 2, [1, 2], "full", "replicate"
            )
        ],
        "pyramid": lambda: module.pyramid(images, 4, 3),
        "inverse": lambda: [module.pyramid_inverse(parts[0], parts[1:-1], parts[-1])],
        "pyramid_backward": lambda: [module.pyramid_backward(parts[0], parts[1:-1], parts[-1])],
        "inverse_backward": lambda: module.pyramid_inverse_backward(images, 4, 3),
    }[operator.removeprefix("own_")]
    ran, got = launches(module, machine, call)
    assert all(launched.column("issued").sum() > 0 for launched in ran)
    bar = 2e-3 if operator.startswith("half") else 1e-4
    for part, want in zip(got, call(), strict=True):
        assert np.abs(part - want).max() <= bar * np.abs(want).max()
        if operator in ("windows", "squares", "half_windows", "half_squares"):
            # Of equal frames zero, however sums and products are fused.
            windows = part.reshape(-1, 2, 3, *part.shape[-2:])
            assert not any(windows[2 - i, :, i].any() for i in range(3))


@pytest.mark.slow
def test_the_table_of_one_clip(compiled, capsys):
    assert cuda_cost.main(["--work", "one-clip"]) == 0
    printed = capsys.readouterr().out
    assert "counted, not measured" in printed
    assert "| walk_squares<float> | 1 |" in printed
    assert "H100" in printed
