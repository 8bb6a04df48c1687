"""What follows the frames of a clip in the place of the GRU: convolutions, or a transformer.

Both take embedded frames ``[B, T, hidden]`` and give ``[B, T, 2·rnn_hidden]``, as the bidirectional
GRU does, and like it look both ways. Each frame sees those up to a fixed distance alone, so T may
be any: time and memory grow with it, not with its square, and a frame further than that from the
ends of its clip is given the same in any clip. Of what is beyond the ends nothing is known.

Inside they are `rnn_hidden` wide, which keeps them about as large as the GRU.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from mimamo.model.config import MIMAMOConfig

DILATIONS = (1, 2, 4, 8)  # of the convolutions of a layer: it sees 15 frames before and after
REACH = 32  # frames before and after that a frame attends to
_HEADS = 4
_QUERIES = 256  # frames whose attention is computed at a time


class OverFrames(nn.Module):
    """Residual blocks over the frames of clips: ``[B, T, hidden]`` → ``[B, T, 2·rnn_hidden]``."""

    def __init__(self, config: MIMAMOConfig) -> None:
        super().__init__()
        width, dropout = config.rnn_hidden, config.rnn_dropout
        self.enter = nn.Linear(config.hidden, width)
        blocks: list[nn.Module] = []
        for _ in range(config.rnn_layers):
            if config.temporal == "tcn":
                blocks += [DilatedBlock(width, dilation, dropout) for dilation in DILATIONS]
            else:
                blocks.append(AttentionBlock(width, dropout))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for block in self.blocks:
            x = block(x)
        return self.leave(self.norm(x))


class DilatedBlock(nn.Module):
    """A residual convolution over 3 frames, `dilation` apart: ``[B, T, C]`` → the same.

    As in MS-TCN (Farha & Gall, CVPR 2019): a dilated convolution, ReLU, one over single frames,
    dropout. It is not causal. Each frame is normalised by itself before, where a BatchNorm would
    mix the clips of a batch. Beyond the ends of a clip there are zeros.
    """

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.conv(self.norm(x).transpose(1, 2)).transpose(1, 2)
        return x + self.dropout(self.mix(F.relu(seen)))


class AttentionBlock(nn.Module):
    """An encoder block of a transformer, normalised first: ``[B, T, C]`` → the same.

    Attention, then two layers of single frames (Vaswani et al., NeurIPS 2017; normalised before
    each, Xiong et al., ICML 2020).
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = LocalAttention(width)
        self.fc1, self.fc2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.dropout(self.fc2(self.dropout(F.gelu(self.fc1(self.norm2(x))))))


class LocalAttention(nn.Module):
    """Attention of each frame to those up to `REACH` before and after it: ``[B, T, C]`` → the same.

    Positions are relative: each head adds a number of its own to the score of each distance
    (Raffel et al., JMLR 2020, here one for every distance).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = math.gcd(width, _HEADS)
        self.qkv = nn.Linear(width, 3 * width)
        self.position = nn.Parameter(torch.zeros(self.heads, 2 * REACH + 1))
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = rearrange(
            self.qkv(x), "b t (parts heads c) -> parts b heads t c", parts=3, heads=self.heads
        )
        frames, scale = x.shape[1], query.shape[-1] ** -0.5
        parts = []
        for start in range(0, frames, _QUERIES):
            stop = min(start + _QUERIES, frames)
            near = slice(max(0, start - REACH), min(frames, stop + REACH))
            scores = scale * query[:, :, start:stop] @ key[:, :, near].mT
            weights = (scores + self._positions(start, stop, near)).softmax(dim=-1)
            parts.append(weights.to(value.dtype) @ value[:, :, near])
        return self.out(rearrange(torch.cat(parts, dim=2), "b heads t c -> b t (heads c)"))

    def _positions(self, start: int, stop: int, near: slice) -> Tensor:
        """What is added to the scores of frames: ``[heads, queries, keys]``, -inf if too far."""
        device = self.position.device
        keys = torch.arange(near.start, near.stop, device=device)
        distance = keys - torch.arange(start, stop, device=device)[:, None]
        added = self.position[:, (distance + REACH).clamp(0, 2 * REACH)]
        return added.masked_fill(distance.abs() > REACH, -torch.inf)
