from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mimamo import concordance_cc


def textbook(x: np.ndarray, y: np.ndarray) -> float:
    rho = np.corrcoef(x, y)[0, 1]
    return 2 * rho * x.std() * y.std() / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    target = rng.normal(size=50)
    return 0.7 * target + 0.2 * rng.normal(size=50) + 0.3, target


class TestFormula:
    def test_is_the_textbooks(self, pair):
        assert concordance_cc(*pair) == pytest.approx(textbook(*pair), abs=1e-14)

    def test_uses_population_variances(self):
        # By hand: covariance 2/3, variances 2/3 and 2/3, means 1 apart -> (4/3) / (4/3 + 1).
        x, y = np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])
        assert concordance_cc(x, y) == pytest.approx(4 / 7, abs=1e-15)

    def test_extremes(self, pair):
        _, target = pair
        centred = target - target.mean()
        assert concordance_cc(target, target) == pytest.approx(1, abs=1e-15)
        assert concordance_cc(-centred, centred) == pytest.approx(-1, abs=1e-12)

    def test_is_symmetric(self, pair):
        x, y = pair
        assert concordance_cc(x, y) == concordance_cc(y, x)

    def test_computes_in_float64(self, pair):
        # A mean a thousand times the spread: single precision would lose half the digits.
        x, y = ((1000 + value).astype(np.float32) for value in pair)
        expected = textbook(x.astype(np.float64), y.astype(np.float64))
        assert concordance_cc(x, y) == pytest.approx(expected, abs=1e-9)
        assert concordance_cc(torch.from_numpy(x), torch.from_numpy(y)).dtype == torch.float64


class TestDegenerate:
    # 0.1 summed 7 times is not 0.7: the computed variance of such a constant is not exactly 0.
    CONSTANTS = (0.0, 0.1, -5.0, 1 / 3)

    @pytest.mark.parametrize("value", CONSTANTS)
    @pytest.mark.parametrize("samples", [1, 2, 7, 1001])
    def test_constants_give_exactly_zero(self, value, samples):
        constant = np.full(samples, value)
        varying = np.linspace(-1, 1, samples)
        assert concordance_cc(constant, varying) == 0
        assert concordance_cc(varying, constant) == 0
        assert concordance_cc(constant, constant) == 0

    def test_vanishing_spread_gives_zero(self):
        assert concordance_cc(np.array([0.0, 1e-200]), np.array([1e-200, 0.0])) == 0

    def test_gradient_stays_finite(self):
        varying = torch.linspace(0, 1, 7)
        constant, zero = torch.full((7,), 0.1), torch.zeros(7)
        prediction = torch.stack([constant, zero, varying], dim=1).requires_grad_()
        target = torch.stack([varying, zero, varying + 1], dim=1)
        concordance_cc(prediction, target, dim=0).sum().backward()
        assert (prediction.grad[:, :2] == 0).all()
        assert prediction.grad[:, 2].isfinite().all()
        assert (prediction.grad[:, 2] != 0).any()

    def test_nothing_is_refused(self):
        with pytest.raises(ValueError, match="at least one sample"):
            concordance_cc(np.zeros((0, 2)), np.zeros((0, 2)), dim=0)

    def test_other_shape_is_refused(self):
        with pytest.raises(ValueError, match=r"target: expected .* \[4, 2\], got \[4, 1\]"):
            concordance_cc(np.zeros((4, 2)), np.zeros((4, 1)))


class TestShapes:
    def test_all_elements_are_samples_by_default(self, pair):
        x, y = pair
        assert concordance_cc(x.reshape(5, 10), y.reshape(5, 10)) == concordance_cc(x, y)

    @pytest.mark.parametrize(("dim", "left"), [(0, (3, 2)), (-1, (25, 3)), ((0, 1), (2,))])
    def test_dim_is_removed(self, dim, left):
        rng = np.random.default_rng(1)
        x, y = rng.normal(size=(2, 25, 3, 2))
        result = concordance_cc(x, y, dim=dim)
        assert result.shape == left
        first = np.s_[:, 0, 0] if dim == 0 else np.s_[0, 0, :] if dim == -1 else np.s_[:, :, 0]
        assert result.flat[0] == pytest.approx(textbook(x[first].ravel(), y[first].ravel()))

    def test_types(self, pair):
        x, y = pair
        assert isinstance(concordance_cc(x, y), float)
        assert isinstance(concordance_cc(np.c_[x, x], np.c_[y, y], dim=0), np.ndarray)
        mixed = concordance_cc(torch.from_numpy(x), y)
        assert isinstance(mixed, torch.Tensor)
        assert mixed.item() == concordance_cc(x, y)

    def test_integers_are_numbers(self):
        assert concordance_cc(np.array([0, 1, 2]), np.array([1, 2, 3])) == pytest.approx(4 / 7)


def test_is_differentiable(pair):
    x, y = (torch.from_numpy(value[:8].copy()).requires_grad_() for value in pair)
    assert torch.autograd.gradcheck(lambda a, b: concordance_cc(a, b, dim=0), (x, y))


def test_not_a_number_is_not_hidden():
    assert math.isnan(concordance_cc(np.array([0.0, math.nan, 1.0]), np.array([0.0, 1.0, 2.0])))
