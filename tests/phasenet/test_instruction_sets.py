"""Every instruction set of this machine: chosen, refused, and right with either transform."""

from __future__ import annotations

import json
import random

import pytest
import torch
from support.instruction_sets import NAMES, run_with, skip_unless_available

import phasenet

USED = "import phasenet; print(phasenet.build_info()['instruction_set'])"


def test_the_best_is_the_default():
    available = phasenet.build_info()["instruction_sets"]
    assert available == [name for name in NAMES if name in available]
    assert run_with("", "-c", USED).stdout.strip() == available[-1]


@pytest.mark.parametrize(
    "name", [NAMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])]
)
def test_each_is_used_or_refused(name):
    done = run_with(name, "-c", USED)
    if name in phasenet.build_info()["instruction_sets"]:
        assert done.stdout.strip() == name
    else:
        assert_refused(done, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["avx-512", "AVX2", "none", " "])
def test_what_does_not_exist_is_refused(name):
    assert_refused(run_with(name, "-c", USED), name)


def assert_refused(done, name):
    allowed = ", ".join(phasenet.build_info()["instruction_sets"])
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode != 0
    assert last == (
        f"ImportError: phasenet: PHASENET_CPU: expected one of {allowed} on this machine, "
        f"got '{name}'"
    )


@pytest.mark.parametrize("name", ["cosines", "Fourier", "general"])
def test_an_unknown_transform_is_refused(name, monkeypatch):
    monkeypatch.setenv("PHASENET_TRANSFORM", name)
    frames = torch.rand(3, 16, 16, requires_grad=True)
    message = rf"^phasenet: PHASENET_TRANSFORM: expected cosine or fourier, got '{name}'$"
    with pytest.raises(RuntimeError, match=message):
        phasenet.phase_difference_windows(frames, 2)
    with pytest.raises(RuntimeError, match=message):
        phasenet.PhaseStream(2).push(frames[0].detach())
    monkeypatch.delenv("PHASENET_TRANSFORM")
    planes = phasenet.phase_difference_windows(frames, 2)
    monkeypatch.setenv("PHASENET_TRANSFORM", name)
    with pytest.raises(RuntimeError, match=message):
        planes[0].sum().backward()


@pytest.mark.slow
@pytest.mark.parametrize("transform", ["cosine", "fourier"])
@pytest.mark.parametrize("name", NAMES)
def test_phase_differences_equal_the_reference(name, transform):
    """Also their gradient; sizes, options and what is left out in ``support/phase_errors.py``."""
    skip_unless_available(name)
    seed = str(random.SystemRandom().randrange(2**31))
    done = run_with(name, "-m", "support.phase_errors", seed, PHASENET_TRANSFORM=transform)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["used"] == name
    assert len(found["errors"]) == 16
    bars = {"torch.float32": 1e-5, "torch.float64": 1e-12}
    for errors in found["errors"]:
        where = f"seed {seed}: {errors}"
        assert errors["forward"] < bars[errors["dtype"]], where
        assert errors.get("gradient", 0) < 1e-10, where
        assert errors["left_out"] < 0.9, where  # one patch covers all of a small plane


@pytest.mark.parametrize(
    ("size", "chosen"), [((48, 48), "cosine"), ((400, 384), "fourier"), ((37, 262), "cosine")]
)
def test_which_transform_is_chosen(size, chosen, monkeypatch):
    """Small frames have products on every instruction set, large ones the plane kernels."""
    frames = torch.rand(3, *size)
    results = {}
    for name in ("", "cosine", "fourier"):
        monkeypatch.setenv("PHASENET_TRANSFORM", name)
        results[name] = phasenet.phase_difference_windows(frames, 1)[0]
    for name, planes in results.items():
        if name:
            assert torch.equal(planes, results[""]) == (name == chosen)
