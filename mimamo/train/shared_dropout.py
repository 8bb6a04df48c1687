"""Dropout in several processes as in one: each draws for the whole batch and keeps its own clips'.

All processes seed torch's generator alike before a step, and draw numbers in the order and number
in which one process would. Which unit of which clip is dropped then does not depend on how many
processes there are: on the CPU the draws are the very ones of torch's own modules. On a GPU draws
depend on the kernels too, and so agree in kind but not in number.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Part:
    """Which clips of a batch are this process's: `rows` of `total`; set before each step."""

    def __init__(self) -> None:
        self.rows, self.total = slice(0, 1), 1

    def kept(self, frames: Tensor, p: float, *, whole_maps: bool = False) -> Tensor:
        """Draw what is kept of this process's frames ``[n, …]``, clip after clip.

        Returns 0 or ``1 / (1 - p)``: ``[n, …]``, or of whole feature maps ``[n, C, 1, 1]``.
        """
        length = len(frames) // (self.rows.stop - self.rows.start)
        shape = [self.total * length, *frames.shape[1:]]
        if whole_maps:
            drawn = F.dropout2d(frames.new_ones([*shape[:2], 1, 1]), p)
        else:
            drawn = F.dropout(frames.new_ones(shape), p)
        return drawn[self.rows.start * length : self.rows.stop * length]


class SharedDropout(nn.Module):
    """`Dropout` or `Dropout2d` of frames ``[n, C, …]``, clip after clip, a part of a batch."""

    def __init__(self, dropout: nn.Dropout | nn.Dropout2d, part: Part) -> None:
        super().__init__()
        self.p, self._part = dropout.p, part
        self._whole_maps = isinstance(dropout, nn.Dropout2d)

    def forward(self, x: Tensor) -> Tensor:
        """Drop units in training."""
        if not self.training:
            return x
        return x * self._part.kept(x, self.p, whole_maps=self._whole_maps)


class SharedGRU(nn.GRU):
    """`gru` with its parameters, its dropout between layers drawn for the whole batch."""

    def __init__(self, gru: nn.GRU, part: Part) -> None:
        kind = {"bidirectional": gru.bidirectional, "batch_first": True}
        super().__init__(
            gru.input_size, gru.hidden_size, gru.num_layers, dropout=gru.dropout, **kind
        )
        for name, parameter in gru.named_parameters():
            setattr(self, name, parameter)
        self._part = part
        self._layers = []  # not registered: their parameters are this module's
        for number in range(gru.num_layers):
            size = gru.input_size if number == 0 else gru.hidden_size * (1 + gru.bidirectional)
            layer = nn.GRU(size, gru.hidden_size, **kind)
            for name in dict(layer.named_parameters()):
                setattr(layer, name, getattr(gru, name.replace("_l0", f"_l{number}")))
            self._layers.append(layer)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """``[n, T, C]`` → ``[n, T, C']``; the last states are not given."""
        if not self.training:
            return super().forward(x)[0], None
        for number, layer in enumerate(self._layers):
            if number:
                # torch's own draws are for frames first: [T, clips, C].
                whole = x.new_ones(x.shape[1], self._part.total, x.shape[2])
                kept = F.dropout(whole, self.dropout)[:, self._part.rows]
                x = x * kept.transpose(0, 1)
            x, _ = layer(x)
        return x, None


def use_shared_dropout(model: nn.Module, part: Part) -> None:
    """Replace every dropout in `model`, also that of its GRUs, by one drawn for the whole batch."""
    for name, child in model.named_children():
        if isinstance(child, nn.Dropout | nn.Dropout2d):
            setattr(model, name, SharedDropout(child, part))
        elif isinstance(child, nn.GRU):
            setattr(model, name, SharedGRU(child, part))
        else:
            use_shared_dropout(child, part)
