"""Training in several processes as one would train: statistics and loss over the whole batch.

The loss is a correlation over all frames of a batch, so it is no mean of the processes' losses; and
BatchNorm's statistics have to be those of the whole batch. Both come from sums over processes, with
gradients. A sum's gradient reaches every process from every process, which makes it `count` times
too large; DDP averages over processes, which makes it right again.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

# The others wait while the first process predicts what a fold held out.
_TIMEOUT = timedelta(hours=2)

Item = TypeVar("Item")


@dataclass(frozen=True)
class Processes:
    """This process, number `index` of `count`, from 0, and the device it computes on."""

    device: torch.device
    index: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this one reports and writes files."""
        return self.index == 0

    @property
    def gpus(self) -> list[torch.device]:
        """The GPU it computes on, if it does."""
        return [self.device] if self.device.type == "cuda" else []

    def wait(self) -> None:
        """Go on when all processes have come here."""
        if self.count > 1:
            dist.barrier()

    def gather(self, items: list[Item]) -> list[Item]:
        """The items of all processes, in their order, in each of them."""
        if self.count == 1:
            return items
        parts: list[Any] = [None] * self.count
        dist.all_gather_object(parts, items)
        return list(chain.from_iterable(parts))


def is_first() -> bool:
    """Whether this process is the first of those of ``torchrun``, before they are joined."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def joined_processes(device: torch.device | str) -> Iterator[Processes]:
    """Join the processes that ``torchrun`` has started; without it this one is alone.

    Blocks may be nested; the outermost joins and leaves. Each process takes a GPU of its own.
    """
    device = torch.device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes(device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    outermost = not dist.is_initialized()
    if outermost:
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=_TIMEOUT)
    yield Processes(device, dist.get_rank(), dist.get_world_size())
    if outermost:  # not after an error: leaving may wait for processes that never come
        gc.collect()  # what still holds the group would be torn down when the interpreter ends
        dist.barrier()  # no process is gone while another still writes
        dist.destroy_process_group()


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def gather_rows(part: Tensor, rows: slice, total: int) -> Tensor:
    """Put the processes' parts of a batch together, differentiably.

    Args:
        part: ``[n, …]``, this process's.
        rows: where it belongs.
        total: rows of the whole.

    Returns:
        ``[total, …]``, the same in every process.
    """
    whole = part.new_zeros((total, *part.shape[1:]))
    whole[rows] = part
    return _Sum.apply(whole)


class GlobalBatchNorm(nn.Module):
    """BatchNorm over the batches of all processes together; parameters are those of `norm`."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        super().__init__()
        assert norm.momentum is not None  # None is torch's cumulative average, which no model has
        self.eps, self.momentum = norm.eps, norm.momentum
        self.weight, self.bias = norm.weight, norm.bias
        self.register_buffer("running_mean", norm.running_mean)
        self.register_buffer("running_var", norm.running_var)
        self.register_buffer("num_batches_tracked", norm.num_batches_tracked)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``[N, C]`` or ``[N, C, H, W]``."""
        shape = [1, -1] + [1] * (x.ndim - 2)
        if self.training:
            dims = [dim for dim in range(x.ndim) if dim != 1]
            wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
            count = wide.new_tensor([wide.numel() / wide.shape[1]])
            sums = _Sum.apply(torch.cat([wide.sum(dims), count]))
            number = sums[-1].detach()
            mean = sums[:-1] / number
            centred = wide - mean.view(shape)
            variance = _Sum.apply(centred.square().sum(dims)) / number
            with torch.no_grad():
                self.num_batches_tracked += 1
                unbiased = variance * (number / (number - 1))
                self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
                self.running_var.lerp_(unbiased.to(self.running_var), self.momentum)
        else:
            centred, variance = x - self.running_mean.view(shape), self.running_var
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)


def use_global_batch_norm(model: nn.Module) -> None:
    """Replace every BatchNorm in `model` by one over all processes, names kept."""
    for name, child in model.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            setattr(model, name, GlobalBatchNorm(child))
        else:
            use_global_batch_norm(child)
