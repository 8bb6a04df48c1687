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


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("columns", [8, 16])
def test_a_warp_multiplies_matrices_of_halves(emulated, order, columns):
    emulated.configure(order=order, seed=7)
    random = np.random.default_rng()
    left, right = (random.standard_normal((n, columns)).astype(np.float32) for n in (16, 8))
    got = emulated.probe("product", np.concatenate([left.ravel(), right.T.ravel()]))
    # Halves' products are exact, and their sum is cut to 24 bits behind the largest one's first.
    left, right = (x.astype(np.float16).astype(np.float64) for x in (left, right))
    largest = np.abs(left[:, None] * right).max(-1)
    assert (np.abs(got.reshape(16, 8) - left @ right.T) < 2.0**-22 * columns * largest).all()


@pytest.mark.parametrize("kind", ["singles", "cut_singles"])
def test_a_warp_multiplies_matrices_of_single_precision(emulated, kind):
    """Whatever their range; tensor cores by themselves keep 11 bits of a number."""
    random = np.random.default_rng()
    left, right = (random.standard_normal((n, 8)).astype(np.float32) for n in (16, 8))
    left *= np.float32(1e-30)
    got = emulated.probe(kind, np.concatenate([left.ravel(), right.ravel()])).reshape(16, 8)
    sizes = np.abs(left).astype(np.float64) @ np.abs(right)
    if kind == "cut_singles":
        left, right = ((x.view(np.uint32) >> 13 << 13).view(np.float32) for x in (left, right))
    off = np.abs(got - left.astype(np.float64) @ right)
    # Of each product 2^-20 for the lower part of either factor, which is cut, and for both parts';
    # the sum of eight is cut by as much.
    assert (off < 2.0**-18 * sizes).all()


def test_two_halves_are_nearly_a_number_and_its_multiples(emulated):
    values = np.random.default_rng().standard_normal(64).astype(np.float32)
    got = emulated.probe("split_times", values)
    np.testing.assert_allclose(got, 3 * values.astype(np.float64), rtol=2.0**-20, atol=1e-7)


def test_halves_are_rounded_as_numpy_rounds_them(emulated):
    """What the halves' sum leaves of numbers that are halves is nothing."""
    values = np.float32([0, 1, -2.5, 65000, 6.1e-5, 6e-8, 0.1, 1 / 3]).astype(np.float16)
    third = (values.astype(np.float32) / 3).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(emulated.probe("split_times", third), 3 * third)
    assert np.isnan(emulated.probe("split_times", np.float32([70000, 1]))[0])  # beyond their range
