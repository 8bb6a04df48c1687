from __future__ import annotations

import pytest

from emulation import build


@pytest.fixture(scope="session")
def emulated_module():
    return build.load()


@pytest.fixture
def emulated(emulated_module):
    """The CUDA operators on the CPU, with the settings of the start."""
    emulated_module.configure()
    yield emulated_module
    emulated_module.configure()
