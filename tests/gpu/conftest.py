"""`--device cpu` runs these tests without a GPU, `--operators FILE` with other kernels.

Both are there where pytest is given this folder: `python -m pytest tests/gpu --device cpu`.
"""

from __future__ import annotations

import pytest
import torch

import phasenet  # noqa: F401  # its kernels come first, so that others can replace them
from phasenet import _extension


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("phasenet")
    group.addoption("--device", default="cuda", help="where the operators run (default: cuda)")
    group.addoption("--operators", metavar="FILE", help="a library whose kernels replace the CPU's")


def pytest_configure(config: pytest.Config) -> None:
    if library := config.getoption("--operators", None):
        torch.ops.load_library(library)


def _device(config: pytest.Config) -> str:
    # pytest does not know the option where it is given another folder.
    return str(config.getoption("--device", "cuda"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    reason = None
    if _device(config) != "cpu":
        if not torch.cuda.is_available():
            reason = "needs a GPU, and torch finds none here"
        elif not _extension.has_cuda():
            reason = "phasenet was built without CUDA operators"
    for item in items:
        if reason and item.get_closest_marker("cuda"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def device(pytestconfig: pytest.Config) -> str:
    """Where the operators run."""
    return _device(pytestconfig)


@pytest.fixture
def stream(device: str) -> torch.cuda.Stream:
    """A stream beside the current one."""
    if device == "cpu":
        pytest.skip("CUDA streams and graphs need a GPU")
    return torch.cuda.Stream(device)
