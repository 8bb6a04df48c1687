"""MIMAMO Net (Deng et al., "MIMAMO Net: Integrating Micro- and Macro-motion for Video Emotion
Recognition", AAAI 2020).

A spatial stream reads what each frame's face looks like, a temporal stream reads its micro-motion
from phase differences, and a GRU over the frames follows the macro-motion:

    features [B, T, 2048] ─ SpatialStream ───┐
                                             ├─ fusion ─ GRU over T ─ head ─ [B, T, 2]
    phases, per level [B, T, 24, h, w] ──────┘            (valence, arousal)
             └─ TemporalStream

Networks of one output give valence or arousal alone; where the docstrings say 2, it is 1 for them.

Shapes in the comments: B clips, T frames, N = B·T, P phase differences in `nbands` orientations.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import Tensor, nn

from mimamo.files import temporary_folder
from mimamo.model.config import MIMAMOConfig
from mimamo.model.hub import PREFIX, push
from mimamo.model.over_frames import OverFrames
from mimamo.progress import counted

if TYPE_CHECKING:
    from mimamo.model.checkpoint import Extractor


class SpatialStream(nn.Module):
    """Backbone features ``[B, T, feature_dim]`` → ``[B, T, hidden]``; every frame by itself."""

    def __init__(self, config: MIMAMOConfig) -> None:
        super().__init__()
        # Whole channels, which are the features here, over the frames of a clip.
        self.feature_dropout = nn.Dropout1d(config.feature_dropout)
        self.fc1 = nn.Linear(config.feature_dim, config.hidden)
        self.bn1 = nn.BatchNorm1d(config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.hidden)
        self.bn2 = nn.BatchNorm1d(config.hidden)
        self.dropout = nn.Dropout(config.spatial_dropout)

    def forward(self, features: Tensor) -> Tensor:
        clips = features.shape[0]
        if self.training and self.feature_dropout.p:
            features = self.feature_dropout(features.mT).mT
        x = rearrange(features, "b t c -> (b t) c")
        x = F.relu(self.bn1(self.fc1(self.dropout(x))))
        x = F.relu(self.bn2(self.fc2(self.dropout(x))))
        return rearrange(x, "(b t) c -> b t c", b=clips)


class ConvBlock(nn.Module):
    """Two 3x3 convolutions, the second with stride 2: ``[N, c, h, w]`` → ``[N, c', h/2, w/2]``."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, stride=2)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)))


class TemporalStream(nn.Module):
    """Phase differences, per level ``[B, T, nbands·P, h, w]``, → ``[B, T, hidden]``.

    A convolution block halves the size, as the next pyramid level does, so level k + 1 joins the
    output of block k as further channels.
    """

    def __init__(self, config: MIMAMOConfig) -> None:
        super().__init__()
        blocks = []
        previous = 0
        for number, channels in enumerate(config.channels):
            joining = config.phase_channels if number < len(config.levels) else 0
            blocks.append(ConvBlock(previous + joining, channels))
            previous = channels
        self.blocks = nn.ModuleList(blocks)
        self.conv_dropout = nn.Dropout2d(config.conv_dropout)
        self.fc1 = nn.Linear(previous, config.hidden)
        self.bn1 = nn.BatchNorm1d(config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.hidden)
        self.bn2 = nn.BatchNorm1d(config.hidden)
        self.dropout = nn.Dropout(config.temporal_dropout)

    def forward(self, phases: Sequence[Tensor]) -> Tensor:
        clips = phases[0].shape[0]
        levels = [rearrange(level, "b t c h w -> (b t) c h w") for level in phases]
        x = self.blocks[0](levels[0])  # [N, 24, 48, 48] -> [N, 64, 24, 24]
        for number, block in enumerate(self.blocks[1:], start=1):
            if number < len(levels):
                x = torch.cat([x, levels[number]], dim=1)  # [N, 64 + 24, 24, 24]
            x = self.conv_dropout(block(x))  # -> [N, 128, 12, 12] -> [N, 256, 6, 6]
        x = reduce(x, "n c h w -> n c", "mean")
        x = self.dropout(self.bn1(F.relu(self.fc1(x))))
        x = self.dropout(self.bn2(F.relu(self.fc2(x))))
        return rearrange(x, "(b t) c -> b t c", b=clips)


class Fusion(nn.Module):
    """The streams side by side, ``[N, streams·hidden]``, → ``[N, hidden]``."""

    def __init__(self, config: MIMAMOConfig) -> None:
        super().__init__()
        streams = 2 if config.streams == "both" else 1
        self.fc = nn.Linear(streams * config.hidden, config.hidden)
        self.bn = nn.BatchNorm1d(config.hidden)
        self.dropout = nn.Dropout(config.fusion_dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.bn(F.relu(self.fc(x))))


class Head(nn.Module):
    """The GRU's output ``[N, 2·rnn_hidden]`` → valence and arousal ``[N, 2]``."""

    def __init__(self, config: MIMAMOConfig) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.head_dropout)
        self.fc = nn.Linear(2 * config.rnn_hidden, len(config.outputs))
        self.bn = nn.BatchNorm1d(len(config.outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.fc(self.dropout(x)))


def _gru(config: MIMAMOConfig) -> nn.GRU:
    return nn.GRU(
        config.hidden,
        config.rnn_hidden,
        num_layers=config.rnn_layers,
        # Dropout acts between layers; torch warns about it where there is only one.
        dropout=config.rnn_dropout if config.rnn_layers > 1 else 0.0,
        bidirectional=True,
        batch_first=True,
    )


class MIMAMONet(nn.Module):
    """Valence and arousal of every frame of a clip, from its appearance and its motion.

    The GRU's recurrence runs over the frames of a clip. The published code leaves out
    ``batch_first`` and so runs it over the clips of a batch, as does a network whose configuration
    says ``recurrence="clips"``. ``temporal="tcn"`` or ``"transformer"`` puts something else in its
    place (:mod:`mimamo.model.over_frames`).

    ``torch.compile`` takes it, phase differences included, as one graph. ``fullgraph=True`` needs
    ``torch._dynamo.config.allow_rnn = True``, without which PyTorch does not compile ``nn.GRU``;
    it is then compiled again for every new T or B, as any ``nn.GRU`` is.
    """

    def __init__(self, config: MIMAMOConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MIMAMOConfig()
        # A stream that the configuration leaves out is None, and its input is not looked at.
        self.spatial = SpatialStream(config) if config.streams != "temporal" else None
        self.temporal = TemporalStream(config) if config.streams != "spatial" else None
        self.fusion = Fusion(config)
        if config.temporal == "gru":
            self.gru = _gru(config)
        else:
            self.over_frames = OverFrames(config)
        self.head = Head(config)

    def forward(self, features: Tensor, phases: Sequence[Tensor]) -> Tensor:
        """Predict valence and arousal.

        Args:
            features: spatial features ``[B, T, feature_dim]``, floating point.
            phases: one tensor per level, ``[B, T, nbands·num_phase, h, w]`` with
                ``h = w = phase_size / 2^(level - 1)``, radians, as
                ``phasenet.phase_difference_windows`` gives them.

        Returns:
            ``[B, T, 2]``: valence, arousal.

        Raises:
            ValueError: a shape is not the configured one.
        """
        self._check(features, phases)
        return self.read_out(self.embed(features, phases))

    def embed(self, features: Tensor, phases: Sequence[Tensor]) -> Tensor:
        """What the GRU is given of the frames, ``[B, T, hidden]``; arguments as for `forward`.

        In evaluation mode every frame is embedded by itself, so this can be done once for each.
        """
        inputs = ((self.spatial, features), (self.temporal, phases))
        seen = [stream(value) for stream, value in inputs if stream is not None]
        x = torch.cat(seen, dim=-1)  # [B, T, 512]
        x = self.fusion(rearrange(x, "b t c -> (b t) c"))  # [N, 256]
        return rearrange(x, "(b t) c -> b t c", b=features.shape[0])

    def read_out(self, embedded: Tensor) -> Tensor:
        """Valence and arousal ``[B, T, 2]`` of frames that `embed` has embedded."""
        if self.config.temporal != "gru":
            x = self.over_frames(embedded)
        elif self.config.recurrence == "clips":
            x = self.gru(embedded.transpose(0, 1))[0].transpose(0, 1)
        else:
            x, _ = self.gru(embedded)  # [B, T, 2·128]
        x = self.head(rearrange(x, "b t c -> (b t) c"))  # [N, 2]
        return rearrange(x, "(b t) c -> b t c", b=embedded.shape[0])

    @classmethod
    def from_pretrained(cls, name: str | os.PathLike[str]) -> MIMAMONet:
        """Load a network somebody has shared, in evaluation mode, on the CPU; nothing is unpickled.

        Args:
            name: a folder that `save_pretrained` wrote or a run's, or ``owner/name`` on the Hugging
                Face Hub, with ``@revision`` after it for another than the newest.

        Raises:
            InputError: it is not there, cannot be read, or does not fit; or it is on the hub, and
                the package huggingface_hub is not installed.
        """
        from mimamo.model.pretrained import load_pretrained  # which knows this class

        return load_pretrained(name)

    def save_pretrained(
        self,
        folder: str | os.PathLike[str],
        backbone: Extractor | None = None,
        info: Mapping[str, Any] | None = None,
        *,
        overwrite: bool = False,
    ) -> None:
        """Write ``model.safetensors`` and ``config.json`` for `from_pretrained` and ``--weights``.

        Args:
            folder: made if need be.
            backbone: that its features come from; without it, whoever predicts must have it.
            info: notes on the training, such as a `Checkpoint`'s; `mimamo train` notes names of
                videos there.
            overwrite: replace such files that are there.

        Raises:
            InputError: the folder cannot be written to, or has such files.
            TypeError: JSON cannot hold `info`.
        """
        from mimamo.model.pretrained import save_pretrained

        save_pretrained(folder, self, backbone, info, overwrite=overwrite)

    def push_to_hub(
        self,
        name: str,
        backbone: Extractor | None = None,
        info: Mapping[str, Any] | None = None,
        *,
        private: bool = False,
    ) -> str:
        """Put what `save_pretrained` writes on the Hugging Face Hub, and return where it is.

        Args:
            name: ``owner/name``, made if need be, with `private` for its owner alone.
            backbone, info: as for `save_pretrained`. Everybody can read them there.

        Raises:
            InputError: it cannot be put there, or the package huggingface_hub is not installed.
        """
        with temporary_folder() as folder:
            self.save_pretrained(folder, backbone, info)
            return push(folder, name.removeprefix(PREFIX), private)

    def _check(self, features: Tensor, phases: Sequence[Tensor]) -> None:
        config = self.config
        if features.ndim != 3 or features.shape[2] != config.feature_dim:
            raise ValueError(
                f"features: expected shape [B, T, {config.feature_dim}], got {list(features.shape)}"
            )
        clips, frames, _ = features.shape
        if len(phases) != len(config.levels):
            raise ValueError(
                f"phases: expected {counted(len(config.levels), 'level')}, got {len(phases)}"
            )
        for level, phase in zip(config.levels, phases, strict=True):
            size = config.phase_size // 2 ** (level - 1)
            expected = [clips, frames, config.phase_channels, size, size]
            if list(phase.shape) != expected:
                raise ValueError(
                    f"phases, level {level}: expected shape {expected}, got {list(phase.shape)}"
                )
