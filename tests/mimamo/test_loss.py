"""The CCC loss: its value, its gradient, and input on which it could break."""

from __future__ import annotations

import pytest
import torch

from mimamo.metrics import ccc_loss


def example(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    prediction = torch.randn(3, 7, 2, generator=generator, dtype=dtype)
    labels = torch.rand(3, 7, 2, generator=generator, dtype=dtype) * 2 - 1
    mask = torch.rand(3, 7, generator=generator) < 0.7
    return prediction, labels, mask


def expected_ccc(x: list[float], y: list[float]) -> float:
    """The report's formula, term by term."""
    n = len(x)
    mean_x, mean_y = sum(x) / n, sum(y) / n
    var_x = sum((a - mean_x) ** 2 for a in x) / n
    var_y = sum((b - mean_y) ** 2 for b in y) / n
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / n
    rho = covariance / (var_x**0.5 * var_y**0.5)
    return 2 * rho * var_x**0.5 * var_y**0.5 / (var_x + var_y + (mean_x - mean_y) ** 2)


class TestValue:
    def test_is_the_negative_sum_over_the_frames_that_count(self) -> None:
        prediction, labels, mask = example()
        expected = -sum(
            expected_ccc(prediction[mask][:, c].tolist(), labels[mask][:, c].tolist())
            for c in (0, 1)
        )
        assert ccc_loss(prediction, labels, mask).item() == pytest.approx(expected, abs=1e-12)

    def test_perfect_and_opposite_predictions(self) -> None:
        _, labels, mask = example()
        centred = labels - labels[mask].mean(0)
        assert ccc_loss(centred, centred, mask).item() == pytest.approx(-2)
        assert ccc_loss(-centred, centred, mask).item() == pytest.approx(2)

    def test_masked_frames_are_not_looked_at(self) -> None:
        prediction, labels, mask = example()
        expected = ccc_loss(prediction, labels, mask)
        labels[~mask] = torch.nan
        prediction[~mask] = 1e9
        assert torch.equal(ccc_loss(prediction, labels, mask), expected)

    def test_float32_with_a_large_offset_loses_nothing(self) -> None:
        prediction, labels, mask = (t.float() if t.is_floating_point() else t for t in example())
        shifted = (prediction + 4096, labels + 4096)  # exact to 2^-11 in float32
        exact = ccc_loss(*(t.double() for t in shifted), mask)
        assert ccc_loss(*shifted, mask).item() == pytest.approx(exact.item(), rel=1e-12)

    def test_no_frame_that_counts_raises(self) -> None:
        prediction, labels, mask = example()
        with pytest.raises(ValueError, match="at least one sample"):
            ccc_loss(prediction, labels, torch.zeros_like(mask))


class TestGradient:
    def test_matches_finite_differences(self) -> None:
        prediction, labels, mask = example()
        prediction.requires_grad_()
        assert torch.autograd.gradcheck(lambda p: ccc_loss(p, labels, mask), prediction)

    def test_a_step_against_it_improves_the_agreement(self) -> None:
        prediction, labels, mask = example(torch.float32)
        prediction.requires_grad_()
        loss = ccc_loss(prediction, labels, mask)
        loss.backward()
        assert ccc_loss(prediction - 0.1 * prediction.grad, labels, mask) < loss
        assert prediction.grad[~mask].abs().max() == 0

    @pytest.mark.parametrize("constant", ["prediction", "labels", "both"])
    @pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3])
    def test_constant_input_gives_0_and_a_finite_gradient(
        self, constant: str, value: float
    ) -> None:
        prediction, labels, mask = example(torch.float32)
        if constant in ("prediction", "both"):
            prediction = torch.full_like(prediction, value)
        if constant in ("labels", "both"):
            labels = torch.full_like(labels, value)
        prediction.requires_grad_()
        loss = ccc_loss(prediction, labels, mask)
        loss.backward()
        assert loss.item() == 0
        assert prediction.grad.isfinite().all()

    @pytest.mark.parametrize("spread", [1e-3, 1e-12, 1e-30])
    def test_nearly_constant_input_has_a_finite_gradient(self, spread: float) -> None:
        prediction, labels, mask = example(torch.float32)
        prediction = (prediction * spread).requires_grad_()
        ccc_loss(prediction, labels * spread, mask).backward()
        assert prediction.grad.isfinite().all()
