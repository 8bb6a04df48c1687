"""Random tensors and values for hypothesis, sensible and not, and what a call of them is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from phasenet import PyramidCoeffs


@dataclass(frozen=True)
class Call:
    """A call, and the names one of which a refusal has to contain."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    names: tuple[str, ...]
    covers: frozenset[str]  # the public names that it calls
    has_meta: bool = True  # whether it takes tensors on the meta device

    def run(self, change: Callable[[Any], Any] = lambda x: x) -> Any:
        """The result, every tensor argument changed first."""
        return self.function(*map_tensors(change, self.arguments), **self.options)

    def __repr__(self) -> str:
        tensors = [
            f"{x.dtype} {list(x.shape)}" + (f" {x.stride()}" if x.layout == torch.strided else "")
            for x in tensors_in(self.arguments)
        ]
        return f"{self.name}({tensors or self.arguments}, {self.options})"


def map_tensors(change: Callable[[Tensor], Any], value: Any) -> Any:
    """`value` with every tensor in its tuples and lists changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, PyramidCoeffs):
        return PyramidCoeffs(*(map_tensors(change, part) for part in value))
    if isinstance(value, (tuple, list)):
        return type(value)(map_tensors(change, part) for part in value)
    return value


def tensors_in(value: Any) -> list[Tensor]:
    found: list[Tensor] = []
    map_tensors(found.append, value)
    return found


FLOATS = (torch.float32, torch.float64)
HALVES = (torch.float16, torch.bfloat16)
WRONG_DTYPES = (torch.int32, torch.int64, torch.bool, torch.complex64)
# What somebody may pass by mistake where a number, a word or a sequence belongs.
NONSENSE = st.sampled_from(
    [None, "2", 2.0, True, -1, 0, 2**31, 2**63, 10**30, math.nan, (), [[1]], (1, None), b"\x07"]
)


@st.composite
def values(draw: st.DrawFn, shape: list[int], dtype: torch.dtype) -> Tensor:
    """Finite numbers of one of several kinds: noise, constants, spikes, large and tiny ones."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    kind = draw(st.sampled_from(["noise", "constant", "spikes", "large", "tiny", "repeated"]))
    real = torch.float64 if dtype in (torch.float64, torch.complex128) else torch.float32
    x = torch.rand(shape, generator=generator, dtype=real)
    if kind == "constant":
        x = torch.full(shape, draw(st.sampled_from([0.0, -0.0, 0.5, 1.0])), dtype=real)
    elif kind == "spikes":
        x = (x > 0.98).to(real)
    elif kind == "large":
        x = (x - 0.5) * (1e4 if dtype == torch.float16 else 1e12)
    elif kind == "tiny":
        x = x * 1e-42  # denormal in float32
    elif kind == "repeated" and len(shape) > 2 and shape[-3]:
        x = x[..., :1, :, :].expand(shape).clone()
    if dtype == torch.uint8:
        return (x.clamp(0, 1) * 255).to(dtype)
    if dtype.is_complex:
        return torch.complex(x, x.flip(-1) if x.dim() else x).to(dtype)
    return x.to(dtype)


@st.composite
def strided(draw: st.DrawFn, x: Tensor) -> Tensor:
    """The same numbers in another layout in memory."""
    kind = draw(st.sampled_from(["dense", "transposed", "step", "offset", "expanded", "negative"]))
    if kind == "transposed" and x.dim() >= 2:
        return x.transpose(-1, -2).contiguous().transpose(-1, -2)
    if kind == "step":
        wide = x.new_zeros((*x.shape, 3))
        wide[..., 1] = x
        return wide[..., 1]
    if kind == "offset":
        return torch.cat([x.new_ones(3), x.reshape(-1)])[3:].view(x.shape)
    if kind == "expanded" and x.dim() > 3:
        return x[:1].expand(x.shape)
    if kind == "negative" and x.dtype in FLOATS:
        return torch.complex(x, -x).conj().imag  # a view that is read as its negative
    return x


@st.composite
def images(draw: st.DrawFn, dims: int) -> Tensor:
    """``[..., H, W]`` with `dims` trailing axes and up to two leading ones; sometimes refused."""
    lead = draw(st.lists(st.integers(0, 3), max_size=2))
    inner = [draw(st.integers(0, 9)) for _ in range(dims - 2)]
    side = st.one_of(st.integers(0, 40), st.sampled_from([67, 128, 131]))
    shape = [*lead, *inner, draw(side), draw(side)]
    dtype = draw(st.sampled_from([torch.uint8, *FLOATS, *FLOATS, *HALVES]))
    return draw(strided(draw(values(shape, dtype))))


@st.composite
def wrong_images(draw: st.DrawFn) -> Any:
    return draw(
        st.sampled_from(
            [
                None,
                [[1.0, 2.0]],
                torch.zeros(20, 20).numpy(),
                torch.zeros(3, 20, 20).to_sparse(),
                torch.tensor(1.0),
                torch.zeros(20),
                *(torch.zeros(3, 20, 20, dtype=dtype) for dtype in WRONG_DTYPES),
            ]
        )
    )


@st.composite
def one_in(draw: st.DrawFn, often: int, rare: Any, common: Any) -> Any:
    return draw(rare if draw(st.integers(0, often - 1)) == 0 else common)


HEIGHTS = one_in(15, NONSENSE, st.integers(3, 7))
BANDS = one_in(15, NONSENSE, st.integers(2, 6))
