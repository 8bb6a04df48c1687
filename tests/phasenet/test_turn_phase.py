"""What a GPU is held to of turned phases, on the CPU."""

from __future__ import annotations

import pytest
from gpu.test_turns import (  # noqa: F401  # pytest runs them here too
    test_a_film_is_magnified_as_on_the_cpu_in_float64,
    test_a_stream_equals_its_filter_and_turns,
    test_no_turn_changes_no_bit,
    test_turns_equal_the_reference,
)


@pytest.fixture
def device() -> str:
    return "cpu"
