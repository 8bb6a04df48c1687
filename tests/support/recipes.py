"""A recipe and a network that train in a second, and training that is killed."""

from pathlib import Path

import pytest

from mimamo.model import MIMAMOConfig
from mimamo.train import TrainingConfig, train

TINY = TrainingConfig(
    epochs=2,
    clip_length=16,
    stride=8,
    batch_size=4,
    network=MIMAMOConfig(num_phase=4, channels=(4, 6, 8), hidden=16, rnn_hidden=8),
)

#: A recipe in TOML for a measurement on drawn faces, in small.
TINY_FILE = """
epochs = 1
clip_length = 8
stride = 8
batch_size = 8
spatial = "small"
[network]
num_phase = 4
channels = [4, 6, 8]
hidden = 16
rnn_hidden = 8
"""


class Killed(BaseException):
    """Ends a run as abruptly as an exception can."""


def stop_at(step: int, cache: Path, run: Path, config: TrainingConfig) -> None:
    """Begin a run or go on with it, for so many steps; the last one's state is not written."""
    done = 0

    def stop(*_: object) -> None:
        nonlocal done
        done += 1
        if done == step:
            raise Killed

    with pytest.raises(Killed):
        train(cache, run, config=config, save_seconds=0, resume=True, progress=stop)
