"""The settings of MIMAMO Net: what goes in, the widths of its layers, and its dropout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from mimamo.errors import InputError

STREAMS = ("spatial", "temporal", "both")


@dataclass(frozen=True)
class MIMAMOConfig:
    """Settings of :class:`~mimamo.network.mimamo_net.MIMAMONet`; the defaults are the paper's.

    Raises InputError, naming the setting, if one has the wrong type or an impossible value.
    """

    # Input: spatial features, and the phase differences as `phasenet` computes them.
    feature_dim: int = 2048
    num_phase: int = 12  # P: phase differences of a frame's window, which has P + 1 frames
    phase_size: int = 48  # height and width of the grey frames, pixels
    height: int = 4  # of the steerable pyramid, both residuals counted
    nbands: int = 2  # orientations
    levels: tuple[int, ...] = (1, 2)  # level k is half the size of level k - 1
    unwrap: str = "reference"  # "reference": as the published weights expect; "full": np.unwrap

    # What it sees: "spatial" (the face), "temporal" (its motion) or "both".
    streams: str = "both"

    # Widths.
    channels: tuple[int, ...] = (64, 128, 256)  # of the temporal stream's convolution blocks
    hidden: int = 256  # of all fully connected layers
    rnn_hidden: int = 128  # of the GRU, in each direction
    rnn_layers: int = 2

    # Dropout probabilities.
    spatial_dropout: float = 0.3
    conv_dropout: float = 0.2
    temporal_dropout: float = 0.3
    fusion_dropout: float = 0.5
    rnn_dropout: float = 0.3
    head_dropout: float = 0.5

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            match field.type:
                case "int":
                    if not _is_count(value):
                        raise _bad(field.name, "a whole number of at least 1", value)
                case "float":
                    if not (_is_number(value) and 0 <= value < 1):
                        raise _bad(field.name, "a probability from 0 to below 1", value)
                case "tuple[int, ...]":
                    if not (isinstance(value, tuple) and value and all(map(_is_count, value))):
                        raise _bad(field.name, "one or more whole numbers of at least 1", value)
        if self.nbands < 2:
            raise _bad("nbands", "at least 2 orientations", self.nbands)
        if self.unwrap not in ("reference", "full"):
            raise _bad("unwrap", "'reference' or 'full'", self.unwrap)
        if self.streams not in STREAMS:
            raise _bad("streams", ", ".join(map(repr, STREAMS)), self.streams)
        most = min(self.height - 2, len(self.channels))
        if self.levels != tuple(range(1, len(self.levels) + 1)) or len(self.levels) > most:
            # Each convolution block halves the size, so level k can only enter block k.
            raise _bad("levels", f"1, 2, … up to at most {most} (height - 2, blocks)", self.levels)
        if self.phase_size % 2 ** len(self.channels):
            raise _bad("phase_size", f"a multiple of {2 ** len(self.channels)}", self.phase_size)

    @property
    def phase_channels(self) -> int:
        """Channels of the phase differences at each level: ``nbands * num_phase``."""
        return self.nbands * self.num_phase

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain Python numbers, strings and lists, ready for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> MIMAMOConfig:
        """Build the configuration from what :meth:`to_dict` gave; what is not there is default.

        Raises InputError if `settings` is not a mapping, has an unknown key, or a bad value.
        """
        if not isinstance(settings, Mapping):
            raise InputError(f"config: expected a mapping, got {type(settings).__name__}")
        known = {field.name for field in fields(cls)}
        if unknown := sorted(str(key) for key in settings if key not in known):
            raise InputError(
                f"config: unknown {', '.join(unknown)}; expected among {', '.join(sorted(known))}"
            )
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in settings.items()
        }
        return cls(**values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _bad(name: str, expected: str, got: object) -> InputError:
    return InputError(f"config: {name}: expected {expected}, got {got!r}")
