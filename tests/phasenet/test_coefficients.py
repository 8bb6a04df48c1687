"""`PyramidCoeffs` prints itself and moves as tensors do."""

from __future__ import annotations

import io

import pytest
import torch
from support.transforms import flat

from phasenet import PyramidCoeffs, SteerablePyramid


def test_coefficients_print_themselves():
    assert repr(SteerablePyramid(4, 2)(torch.rand(3, 16, 18))).splitlines() == [
        "PyramidCoeffs(",
        "    highpass: float32 [3, 16, 18] on cpu",
        "    bands[0]: complex64 [3, 2, 16, 18] on cpu",
        "    bands[1]: complex64 [3, 2, 8, 9] on cpu",
        "    lowpass: float32 [3, 4, 5] on cpu",
        ")",
    ]


@pytest.mark.parametrize(
    ("args", "options"),
    [
        (("meta", torch.float64), {}),
        ((torch.float64, torch.device("meta")), {}),
        (("meta", torch.complex128), {}),
        (("meta", torch.float64, True), {}),
        (("meta", torch.float64, False, True), {}),
        ((torch.empty(1, device="meta", dtype=torch.float64),), {}),
        ((torch.empty(1, device="meta", dtype=torch.complex128),), {}),
        (("meta",), {"dtype": torch.float64, "copy": True}),
        ((), {"device": "meta", "dtype": torch.float64}),
    ],
)
def test_to(args, options):
    moved = SteerablePyramid(4, 2)(torch.rand(16, 18)).to(*args, **options)
    assert isinstance(moved, PyramidCoeffs)
    assert {x.device.type for x in flat(moved)} == {"meta"}
    assert [x.dtype for x in moved.bands] == [torch.complex128] * 2
    assert moved.highpass.dtype == moved.lowpass.dtype == torch.float64


def test_to_keeps_numbers_and_shares_memory_unless_asked():
    coeffs = SteerablePyramid(4, 2)(torch.rand(3, 16, 18))
    for same in (coeffs.to(), coeffs.to("cpu"), coeffs.cpu(), coeffs.to(torch.complex64)):
        assert all(a is b for a, b in zip(flat(same), flat(coeffs), strict=True))
    for other in (coeffs.to("cpu", False, True), coeffs.to(copy=True)):
        for a, b in zip(flat(other), flat(coeffs), strict=True):
            assert torch.equal(a, b)
            assert a.data_ptr() != b.data_ptr()
    back = coeffs.to(torch.float64).to(torch.float32)
    assert all(map(torch.equal, flat(back), flat(coeffs)))


@pytest.mark.parametrize(
    "args",
    [("cpu", "cpu"), (True, "cpu"), (False, False, False), (None,), (torch.float32, torch.float64),
     (torch.int32,), (torch.bfloat16,)],
)  # fmt: skip
def test_what_cannot_be_moved_to_is_refused(args):
    with pytest.raises(TypeError, match=r"^(args|dtype): expected"):
        SteerablePyramid(4, 2)(torch.rand(16, 18)).to(*args)


def test_detach():
    image = torch.rand(16, 18, requires_grad=True)
    coeffs = SteerablePyramid(4, 2)(image)
    assert all(x.requires_grad for x in flat(coeffs))
    detached = coeffs.detach()
    assert isinstance(detached, PyramidCoeffs)
    for a, b in zip(flat(detached), flat(coeffs), strict=True):
        assert not a.requires_grad
        assert a.data_ptr() == b.data_ptr()
    restored = SteerablePyramid(4, 2).inverse(coeffs.cpu())
    assert torch.autograd.grad(restored.sum(), image)[0].shape == image.shape


class TestArithmetic:
    @pytest.fixture(scope="class")
    @staticmethod
    def pyramid() -> SteerablePyramid:
        return SteerablePyramid(4, 3)

    def test_it_is_that_of_images(self, pyramid: SteerablePyramid) -> None:
        """As tuples, `2 * coeffs` had six parts and `a + b` as well."""
        a, b = torch.rand(2, 2, 33, 40, dtype=torch.float64)
        one, other = pyramid(a), pyramid(b)
        mixed = 2 * one - other / 4 + -other * torch.tensor(0.5)
        torch.testing.assert_close(pyramid.inverse(mixed), 2 * a - 0.75 * b, rtol=0, atol=1e-13)
        assert type(mixed) is PyramidCoeffs

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda x: x + 1,
            lambda x: 1 - x,
            lambda x: x * x,
            lambda x: x * "2",
            lambda x: x / torch.rand(3),
            abs,
        ],
    )
    def test_what_has_no_meaning_is_refused(self, pyramid: SteerablePyramid, wrong) -> None:
        with pytest.raises(TypeError):
            wrong(pyramid(torch.rand(33, 40)))

    def test_map(self, pyramid: SteerablePyramid) -> None:
        a, b = pyramid(torch.rand(33, 40)), pyramid(torch.rand(33, 40))
        found = a.map(lambda x, y: x * y.abs(), b)
        for got, x, y in zip(flat(found), flat(a), flat(b), strict=True):
            torch.testing.assert_close(got, x * y.abs())
        words = r"others: expected as many levels as the first has, 2, got \[1\]"
        with pytest.raises(ValueError, match=words):
            a.map(torch.add, SteerablePyramid(3, 3)(torch.rand(33, 40)))

    def test_compiled(self, pyramid: SteerablePyramid) -> None:
        image = torch.rand(33, 40)
        call = torch.compile(
            lambda x: pyramid.inverse(2 * pyramid(x) - pyramid(x)), fullgraph=True, backend="eager"
        )
        torch.testing.assert_close(call(image), image)


@pytest.mark.parametrize("boundary", ["periodic", "symmetric"])
def test_they_are_loaded_as_weights(boundary: str) -> None:
    """By default `torch.load` refused them, as a class that it does not know."""
    coeffs = SteerablePyramid(4, 2, boundary=boundary)(torch.rand(32, 24))
    if boundary == "symmetric":
        coeffs = coeffs.unmirrored()
    file = io.BytesIO()
    torch.save({"coeffs": coeffs}, file)
    file.seek(0)
    found = torch.load(file, weights_only=True)["coeffs"]
    assert type(found) is type(coeffs)
    assert all(map(torch.equal, flat(found), flat(coeffs)))


@pytest.mark.parametrize("change", [lambda x: x, lambda x: 2 * x, lambda x: x.to(torch.float64)])
def test_a_part_is_not_taken_for_the_whole(change) -> None:
    """Of an image of even sides it fitted another of half the size."""
    pyramid = SteerablePyramid(3, 2, boundary="symmetric")
    coeffs = pyramid(torch.rand(32, 24))
    assert pyramid.inverse(change(coeffs)).shape == (32, 24)
    with pytest.raises(TypeError, match="coeffs: expected the whole of them, got a part"):
        pyramid.inverse(change(coeffs.unmirrored()))
