"""The settings of MIMAMO Net: what goes in, the widths of its layers, and its dropout."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mimamo.settings import Settings, bad, is_real, is_whole

STREAMS = ("spatial", "temporal", "both")
OUTPUTS = ("valence", "arousal")
TEMPORALS = ("gru", "tcn", "transformer")
_CHOICES = {
    "unwrap": ("published", "full"),
    "streams": STREAMS,
    "recurrence": ("frames", "clips"),
    "temporal": TEMPORALS,
}
MOST_WIDTH = 1 << 16  # of spatial features
# What files may ask for at most; the widest network of these has 60 times the paper's weights.
_HIGHEST = {
    "feature_dim": MOST_WIDTH, "num_phase": 256, "phase_size": 1024, "height": 11, "nbands": 32,
    "levels": 9, "channels": 2048, "hidden": 4096, "rnn_hidden": 2048, "rnn_layers": 8,
}  # fmt: skip
_MOST_BLOCKS = 9  # of `channels`
MOST_CLIP = 100_000  # frames


@dataclass(frozen=True)
class MIMAMOConfig(Settings):
    """Settings of :class:`~mimamo.model.network.MIMAMONet`; the defaults are the paper's.

    Raises InputError, naming the setting, if one has the wrong type or an impossible value.
    """

    # Input: spatial features, and the phase differences as `phasenet` computes them.
    feature_dim: int = 2048
    num_phase: int = 12  # P: phase differences of a frame's window, which has P + 1 frames
    phase_size: int = 48  # height and width of the grey frames, pixels
    height: int = 4  # of the steerable pyramid, both residuals counted
    nbands: int = 2  # orientations
    levels: tuple[int, ...] = (1, 2)  # level k is half the size of level k - 1
    unwrap: str = "published"  # "published": as the published weights expect; "full": np.unwrap

    # What it sees: "spatial" (the face), "temporal" (its motion) or "both".
    streams: str = "both"

    # What it gives: both, or one of them.
    outputs: tuple[str, ...] = OUTPUTS

    # What the GRU runs over: the "frames" of a clip, or the "clips" of a batch as in the published
    # code, where a frame's prediction depends on the clips beside its own.
    recurrence: str = "frames"

    # What follows the frames of a clip: the "gru" of the paper, or in its place a "tcn" (dilated
    # convolutions) or a "transformer", of the same widths, layers and dropout.
    temporal: str = "gru"

    # Widths.
    channels: tuple[int, ...] = (64, 128, 256)  # of the temporal stream's convolution blocks
    hidden: int = 256  # of all fully connected layers
    rnn_hidden: int = 128  # of the GRU, in each direction, or of what is in its place
    rnn_layers: int = 2

    # Dropout probabilities.
    feature_dropout: float = 0.0  # of each spatial feature, in all frames of a clip at once
    spatial_dropout: float = 0.3
    conv_dropout: float = 0.2
    temporal_dropout: float = 0.3
    fusion_dropout: float = 0.5
    rnn_dropout: float = 0.3
    head_dropout: float = 0.5

    def __post_init__(self) -> None:
        for field in fields(self):
            value, highest = getattr(self, field.name), _HIGHEST.get(field.name, 1)
            match field.type:
                case "int":
                    if not is_whole(value, 1, highest):
                        raise bad(field.name, f"a whole number from 1 to {highest}", value)
                case "float":
                    if not (is_real(value) and 0 <= value < 1):
                        raise bad(field.name, "a probability from 0 to below 1", value)
                case "tuple[int, ...]":
                    several = isinstance(value, tuple) and 1 <= len(value) <= _MOST_BLOCKS
                    if not (several and all(is_whole(own, 1, highest) for own in value)):
                        expected = f"1 to {_MOST_BLOCKS} whole numbers from 1 to {highest}"
                        raise bad(field.name, expected, value)
        if self.nbands < 2:
            raise bad("nbands", "at least 2 orientations", self.nbands)
        if self.height > (most := (2 * self.phase_size).bit_length()):
            raise bad("height", f"at most {most} for this phase_size", self.height)
        if self.unwrap == "reference":  # its older name, in files of before
            object.__setattr__(self, "unwrap", "published")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                expected = (" or " if len(known) == 2 else ", ").join(map(repr, known))
                raise bad(name, expected, getattr(self, name))
        if self.outputs not in (OUTPUTS, *((name,) for name in OUTPUTS)):
            raise bad("outputs", "valence and arousal, in this order, or one of them", self.outputs)
        if self.temporal != "gru" and self.recurrence != "frames":
            raise bad("recurrence", f"'frames' with temporal {self.temporal!r}", self.recurrence)
        most = min(self.height - 2, len(self.channels))
        if self.levels != tuple(range(1, len(self.levels) + 1)) or len(self.levels) > most:
            # Each convolution block halves the size, so level k can only enter block k.
            raise bad("levels", f"1, 2, … up to at most {most} (height - 2, blocks)", self.levels)
        if self.phase_size % 2 ** len(self.channels):
            raise bad("phase_size", f"a multiple of {2 ** len(self.channels)}", self.phase_size)

    @property
    def phase_channels(self) -> int:
        """Channels of the phase differences at each level: ``nbands * num_phase``."""
        return self.nbands * self.num_phase
