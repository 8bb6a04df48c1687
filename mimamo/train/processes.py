"""Training in several processes as one would train: statistics and loss over the whole batch.

The loss is a correlation over all frames of a batch, so it is no mean of the processes' losses; and
BatchNorm's statistics have to be those of the whole batch. Both come from sums over processes, with
gradients. A sum's gradient reaches every process from every process, which makes it `count` times
too large; DDP averages over processes, which makes it right again.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn


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

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        super().__init__()
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
