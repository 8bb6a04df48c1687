"""Results written into tensors that the caller gives, as the argument `out`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from phasenet import checks
from phasenet.operators import has_tangent

# Name, tensor, and the shape and dtype of the result that goes there.
Part = tuple[str, Tensor, Sequence[int], torch.dtype]


def check_out(parts: Sequence[Part], inputs: Mapping[str, Tensor]) -> None:
    """Refuse tensors that results of `inputs` cannot be written to.

    Raises:
        TypeError: no dense tensor, or of another dtype.
        ValueError: another shape or device, not contiguous, memory shared with an input or another
            part, or gradients would be needed.
    """
    device = next(iter(inputs.values())).device
    for name, tensor, shape, dtype in parts:
        checks.check_tensor(name, tensor, shape, dtype, device)
        if not tensor.is_contiguous() or _is_lazy(tensor):
            raise ValueError(f"{name}: expected a contiguous tensor, got a view in another order")
    given = {name: tensor for name, tensor, _, _ in parts}
    for name, tensor in {**inputs, **given}.items():
        if _has_gradient(tensor):
            raise ValueError(
                f"out: expected tensors without gradient, for none is recorded, got {name} with "
                "one; use torch.no_grad()"
            )
    _check_memory(given, inputs)


def _has_gradient(x: Tensor) -> bool:
    if torch.is_grad_enabled() and x.requires_grad:
        return True
    return not torch.compiler.is_compiling() and has_tangent((x,))


def _is_lazy(x: Tensor) -> bool:
    """Whether what is read is not what the memory holds, but its conjugate or its negative."""
    return not torch.compiler.is_compiling() and (x.is_conj() or x.is_neg())


def _check_memory(given: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> None:
    if torch.compiler.is_compiling():  # which sees to shared memory itself
        return
    try:
        taken = [(name, *_extent(x)) for name, x in inputs.items()]
        for name, tensor in given.items():
            begin, end = _extent(tensor)
            for other, first, last in taken:
                if begin < last and first < end:
                    raise ValueError(f"{name}: expected memory of its own, got some of {other}")
            taken.append((name, begin, end))
    except RuntimeError:  # tensors that stand for others, as under a transform, have no memory
        return


def _extent(x: Tensor) -> tuple[int, int]:
    """Where the memory of `x` begins and ends; nowhere if there is none."""
    if x.is_meta or x.numel() == 0:
        return 0, 0
    last = sum((size - 1) * step for size, step in zip(x.shape, x.stride(), strict=True))
    return x.data_ptr(), x.data_ptr() + (last + 1) * x.element_size()
