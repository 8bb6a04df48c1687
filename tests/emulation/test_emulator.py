"""The emulator itself finds missing barriers and barriers that not all threads reach."""

from __future__ import annotations

import numpy as np
import pytest

ORDERS = ("forward", "backward", "shuffled")


@pytest.mark.parametrize("order", ORDERS)
def test_barriers_make_the_order_of_threads_irrelevant(emulated, order):
    values = np.random.default_rng().random(200, np.float32)  # their sum is not near zero
    emulated.configure(order=order, seed=3)
    assert emulated.probe("sum_of_block", values)[0] == pytest.approx(values.sum(), rel=1e-4)


def test_a_missing_barrier_shows_in_another_order(emulated):
    values = np.ones(200, np.float32)
    emulated.configure(order="forward")
    first = emulated.probe("sum_without_barriers", values)[0]
    emulated.configure(order="backward")
    assert first != emulated.probe("sum_without_barriers", values)[0]
    assert np.isnan(first)  # shared memory holds no zeros by luck


def test_threads_that_wait_in_different_barriers_are_reported(emulated):
    with pytest.raises(RuntimeError, match=r"thread 0 in __syncthreads thread 32 in .*_or"):
        emulated.probe("barrier_for_half", np.zeros(1, np.float32))


@pytest.mark.parametrize("order", ORDERS)
def test_lanes_of_a_warp_exchange_values(emulated, order):
    emulated.configure(order=order, seed=5)
    values = np.random.default_rng().standard_normal(128).astype(np.float32)
    sums, positive = emulated.probe("warp_sums", values).reshape(-1, 2).T
    expected = values.reshape(-1, 32).sum(1).repeat(32)
    np.testing.assert_allclose(sums, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(positive, (values > 0).reshape(-1, 32).sum(1).repeat(32))
