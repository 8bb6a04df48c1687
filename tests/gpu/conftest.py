from __future__ import annotations

import pytest
import torch

from phasenet import _extension


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    reason = None
    if not torch.cuda.is_available():
        reason = "needs a GPU, and torch finds none here"
    elif not _extension.has_cuda():
        reason = "phasenet was built without CUDA operators"
    for item in items:
        if reason and item.get_closest_marker("cuda"):
            item.add_marker(pytest.mark.skip(reason=reason))
