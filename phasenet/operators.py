"""Ties a compiled operator to PyTorch: fake kernel, gradient, `torch.func` and autocast."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

_library = torch.library.Library("phasenet", "IMPL")


class Operator:
    """``torch.ops.phasenet.<name>`` with what PyTorch has to know about it.

    Args:
        name: of the operator.
        fake: arguments of the operator -> empty tensors of the result's shapes and dtypes.
        setup: ``setup(ctx, inputs, output)`` keeps what the gradient needs.
        backward: ``backward(ctx, grads)`` with a list of gradients where the operator returns a
            list, else one gradient; returns a tuple shaped as the operator's arguments.
        linear: in its tensor arguments; it is then its own forward-mode derivative, which
            others refuse, under `torch.func` as for the dual tensors of
            `torch.autograd.forward_ad`.
        has_out: whether there is an overload that writes into given tensors, see `into`.
        reads_halves: whether the CPU's operator takes float16 and bfloat16 itself. Elsewhere
            autocast casts them to float32.

    The leading dimensions of every tensor argument are a batch, so `torch.func.vmap` only moves the
    mapped dimension to the front. Called while a `torch.func` transform is active, the operator
    goes through a `torch.autograd.Function`, because the transforms of PyTorch 2.13 do not reach
    gradients that were given to `torch.library.register_autograd`. That is registered with the
    dispatcher, so ``torch.ops.phasenet.<name>`` itself does so too.
    """

    def __init__(
        self,
        name: str,
        *,
        fake: Callable[..., Any],
        backward: Callable[..., Any],
        setup: Callable[..., None] | None = None,
        linear: bool = False,
        has_out: bool = False,
        reads_halves: bool = False,
    ) -> None:
        overloads = getattr(torch.ops.phasenet, name)
        self.call, self._name, self._linear = overloads.default, name, linear
        qualified = f"phasenet::{name}"
        if has_out:
            self._call_out = overloads.out
            torch.library.register_fake(f"{qualified}.out", _writes)
            _library.impl(f"{name}.out", self._refuse_out, "FuncTorchBatched")
        torch.library.register_fake(qualified, self._of_tensors(fake))
        torch.library.register_autograd(
            qualified, backward, setup_context=setup, lib=_ForwardMode(self)
        )
        for device in ("cuda",) if reads_halves else ("cpu", "cuda"):
            torch.library.register_autocast(qualified, device, torch.float32)
        self._function = _function(name, self, setup, backward)
        _library.impl(name, self._transformed, "FuncTorchDynamicLayerFrontMode")
        _library.impl(name, self._refuse_batched, "Batched")

    def __call__(self, *args: Any) -> Any:
        return self._named_failures(self.call, *args)

    def _named_failures(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except RuntimeError as error:
            if named := _named(self._name, str(error)):
                raise named from None
            raise

    def _of_tensors(self, fake: Callable[..., Any]) -> Callable[..., Any]:
        """`fake` without None for a tensor, which torch lets pass where another one is meta."""
        needed = [str(x.type) == "Tensor" for x in self.call._schema.arguments]

        def checked(*args: Any, **kwargs: Any) -> Any:
            for is_tensor, argument in zip(needed, args, strict=False):
                if is_tensor and argument is None:
                    raise TypeError(f"phasenet::{self._name}: expected a tensor, got None")
            return fake(*args, **kwargs)

        return checked

    def into(self, out: Tensor | Sequence[Tensor], *args: Any) -> None:
        """Write what `args` give into `out`, without a gradient.

        `out` is checked before (`phasenet.out`): contiguous, of the results' shapes, dtypes and
        device, in memory of its own. Inductor fails on operators that write where a tensor is
        complex: within torch.compile the results of those are copied.
        """
        tensors = [x for x in _flatten((*args, out))[1] if isinstance(x, Tensor)]
        if not (torch.compiler.is_compiling() and any(x.is_complex() for x in tensors)):
            self._named_failures(self._call_out, *args, out=out)
            return
        result = self(*args)
        for target, value in zip(*map(_listed, (out, result)), strict=True):
            target.copy_(value)

    def _transformed(self, *args: Any, **kwargs: Any) -> Any:
        """The operator under a transform; the dispatcher leaves out arguments at their defaults."""
        rest = self.call._schema.arguments[len(args) :]
        lengths, flat = _flatten((*args, *(kwargs.get(x.name, x.default_value) for x in rest)))
        result = self._function.apply(lengths, *flat)
        return list(result) if isinstance(result, tuple) else result

    def _refuse_batched(self, *args: Any, **kwargs: Any) -> Any:
        """Of the older vmap, whose tensors have no public interface."""
        raise NotImplementedError(
            f"phasenet::{self._name} takes no vectorize=True and no is_grads_batched=True; use "
            "torch.func.jacrev, jacfwd or vmap"
        )

    def _refuse_out(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f"out: phasenet::{self._name} gives new tensors under torch.func.vmap; expected no out"
        )

    def forward_mode(self, *args: Any, **kwargs: Any) -> Any:
        """The operator of dual tensors, as dual tensors."""
        self.check_forward_mode()
        lengths, flat = _flatten(args)
        duals = [forward_ad.unpack_dual(x) if isinstance(x, Tensor) else (x, x) for x in flat]
        primals = [primal for primal, _ in duals]
        tangents = [torch.zeros_like(p) if t is None else t for p, t in duals]
        value, change = (self.call(*_unflatten(lengths, x), **kwargs) for x in (primals, tangents))
        if isinstance(value, Tensor):
            return forward_ad.make_dual(value, change)
        return [forward_ad.make_dual(v, c) for v, c in zip(value, change, strict=True)]

    def check_forward_mode(self) -> None:
        """Refuse forward mode where there is no such derivative."""
        if not self._linear:
            raise NotImplementedError(
                f"phasenet::{self._name} has no forward-mode derivative; use torch.func.jacrev "
                "or vjp"
            )


# What torch's headers say of a call that failed. The shapes are checked before.
_ALLOCATION = re.compile(
    r'"(aten::(?:empty|new_empty|new_zeros|contiguous|clone)\w*)".*API call failed', re.DOTALL
)


def _named(operator: str, message: str) -> RuntimeError | None:
    """The error of a failed call of torch within the operator (csrc/common/failures.h).

    The libraries use torch's stable ABI, through which no exception keeps its type:
    `torch.OutOfMemoryError` is made again here, so that it can be caught as from torch's own
    operators. None for every other error.
    """
    if message.startswith("phasenet: out of memory in "):
        kind: type[RuntimeError] = torch.OutOfMemoryError
    elif message.startswith("phasenet: an FFT failed: "):
        kind = RuntimeError
    elif failed := _ALLOCATION.search(message):  # a CPU operator's, with nothing of torch's reason
        kind = torch.OutOfMemoryError
        message = f"out of memory in {failed[1]}, it seems; torch has said why on standard error"
    else:
        return None
    return kind(f"phasenet::{operator}: {message.removeprefix('phasenet: ')}")


class _ForwardMode(torch.library.Library):
    """Registers the gradient's kernel behind one that sees to dual tensors.

    What `torch.library.register_autograd` registers drops their tangents without a word.
    """

    def __init__(self, operator: Operator) -> None:
        super().__init__("phasenet", "FRAGMENT")
        self._operator = operator

    def impl(self, op_name: Any, fn: Any, *args: Any, **kwargs: Any) -> None:
        def kernel(keyset: Any, *inputs: Any, **options: Any) -> Any:
            if has_tangent(inputs):
                return self._operator.forward_mode(*inputs, **options)
            return fn(keyset, *inputs, **options)

        _library.impl(op_name, kernel, *args, **kwargs)


def _writes(*args: Any, **kwargs: Any) -> None:
    """The fake kernel of what only writes."""


def has_tangent(args: tuple[Any, ...]) -> bool:
    """Whether any of the tensors is dual and forward mode is on."""
    return any(
        forward_ad.unpack_dual(x).tangent is not None
        for x in _flatten(args)[1]
        if isinstance(x, Tensor)
    )


def _function(name: str, operator: Operator, setup: Any, backward: Any) -> Any:
    """A `torch.autograd.Function` of the operator whose arguments hold no lists of tensors."""

    def forward(lengths: tuple[int, ...], *flat: Any) -> Any:
        result = operator.call(*_unflatten(lengths, flat))
        return tuple(result) if isinstance(result, list) else result

    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        lengths, *flat = inputs
        ctx.grouped = isinstance(output, tuple)
        ctx.lengths, ctx.options = lengths, [None if isinstance(x, Tensor) else x for x in flat]
        if setup is not None:
            setup(ctx, _unflatten(lengths, flat), output)

    def flat_backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        result = backward(ctx, list(grads) if ctx.grouped else grads[0])
        return None, *_flatten(result if isinstance(result, tuple) else (result,))[1]

    def jvp(ctx: Any, _: None, *tangents: Any) -> Any:
        operator.check_forward_mode()
        flat = [x if t is None else t for x, t in zip(ctx.options, tangents, strict=True)]
        result = operator(*_unflatten(ctx.lengths, flat))
        return tuple(result) if isinstance(result, list) else result

    def vmap(info: Any, in_dims: tuple[Any, ...], lengths: Any, *flat: Any) -> tuple[Any, Any]:
        batched = [_batched(x, d, info.batch_size) for x, d in zip(flat, in_dims[1:], strict=True)]
        result = function.apply(lengths, *batched)  # type: ignore[attr-defined]  # of type()
        return result, (0,) * len(result) if isinstance(result, tuple) else 0

    methods: dict[str, Any] = {
        "forward": forward,
        "setup_context": setup_context,
        "backward": flat_backward,
        "jvp": jvp,
        "vmap": vmap,
    }
    function: Any = type(
        f"phasenet_{name}",
        (torch.autograd.Function,),
        {key: staticmethod(method) for key, method in methods.items()},
    )
    return function


def _listed(tensors: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else tensors


def _is_tensors(argument: Any) -> bool:
    return isinstance(argument, (list, tuple)) and any(isinstance(x, Tensor) for x in argument)


def _flatten(args: tuple[Any, ...]) -> tuple[tuple[int, ...], list[Any]]:
    """Arguments with lists of tensors spliced in, and their lengths, -1 for what is no list."""
    lengths = tuple(len(x) if _is_tensors(x) else -1 for x in args)
    return lengths, [y for x in args for y in (x if _is_tensors(x) else (x,))]


def _unflatten(lengths: tuple[int, ...], flat: Any) -> tuple[Any, ...]:
    rest = iter(flat)
    return tuple(next(rest) if n < 0 else [next(rest) for _ in range(n)] for n in lengths)


def _batched(argument: Any, dims: Any, size: int) -> Any:
    """`argument` with the mapped dimension in front; repeated, without a copy, if not mapped."""
    if isinstance(argument, Tensor):
        if dims is None:
            return argument.expand(size, *argument.shape)
        return argument.movedim(dims, 0)
    if _is_tensors(argument):
        dims = [None] * len(argument) if dims is None else dims
        return [_batched(x, d, size) for x, d in zip(argument, dims, strict=True)]
    return argument
