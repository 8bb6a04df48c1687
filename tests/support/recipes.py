"""A recipe and a network that train in a second."""

from mimamo.model import MIMAMOConfig
from mimamo.train import TrainingConfig

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
