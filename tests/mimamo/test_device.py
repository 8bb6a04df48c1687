"""On which device networks run, by name and by process."""

from __future__ import annotations

import pytest
import torch

from mimamo.device import choose_device, choose_precision
from mimamo.errors import InputError


def test_auto_is_what_there_is():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert choose_device("auto") == torch.device(expected)
    assert choose_device("cpu") == torch.device("cpu")


def test_processes_of_torchrun_have_a_gpu_each(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("auto") == torch.device("cuda")
    for rank, expected in (("0", 0), ("1", 1), ("2", 0)):
        monkeypatch.setenv("LOCAL_RANK", rank)
        assert choose_device("auto") == torch.device("cuda", expected)
        assert choose_device("cpu") == torch.device("cpu")


def test_others_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="finds no CUDA device"):
        choose_device("cuda")
    with pytest.raises(InputError, match="got 'tpu'"):
        choose_device("tpu")


@pytest.mark.parametrize("native", [True, False])
def test_auto_is_bfloat16_where_a_gpu_computes_in_it(monkeypatch, native):
    """Before Ampere torch emulates it, which takes longer."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    emulated = lambda including_emulation=True: native or including_emulation  # noqa: E731
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", emulated)
    expected = torch.bfloat16 if native else torch.float32
    assert choose_precision("auto", "cuda") == expected
    assert choose_precision("float32", "cuda") == torch.float32
    assert choose_precision("bfloat16", "cuda") == torch.bfloat16
