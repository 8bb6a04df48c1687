"""Where the memory does not suffice, that is what is said: not that a file is damaged."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from mimamo.cli import main
from mimamo.errors import InputError, is_out_of_memory
from mimamo.faces import CenterFace

PIB = 1 << 50


def of_torch() -> None:
    torch.empty(PIB)


def of_numpy() -> None:
    np.empty(PIB)


def of_opencv() -> None:
    cv2.copyMakeBorder(np.zeros((2, 2, 3)), 0, 2_000_000_000, 0, 2, 0)


@pytest.mark.parametrize("fail", [of_torch, of_numpy, of_opencv])
def test_each_librarys_error_is_known(fail) -> None:
    with pytest.raises(Exception, match=r"(?i)allocate") as error:
        fail()
    assert is_out_of_memory(error.value)


@pytest.mark.parametrize(
    "error", [ValueError("a shape"), InputError("x: damaged"), OSError(2, "x")]
)
def test_others_are_not_taken_for_it(error: Exception) -> None:
    assert not is_out_of_memory(error)


@pytest.mark.parametrize("fail", [of_torch, of_numpy, of_opencv])
def test_a_command_says_it_in_one_line(
    fail, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("mimamo.check.check_folder", lambda *args, **rest: fail())
    assert main(["check", "x"]) == 1
    line = capsys.readouterr().err
    assert line.startswith("mimamo: error: the memory does not suffice; ")
    assert line.count("\n") == 1


def test_a_good_detector_is_not_called_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CenterFace, "_run", lambda *_: of_opencv())
    with pytest.raises(MemoryError, match="the memory does not suffice"):
        CenterFace()
