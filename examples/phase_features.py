"""Phase features in another project: a network of one's own that reads motion."""

import torch
from torch import nn

import phasenet


class MotionNet(nn.Module):  # grey video [batch, T, H, W], uint8 or float, to a number a frame
    def __init__(self, num_phase: int = 12):
        super().__init__()
        self.num_phase, self.convolution = num_phase, nn.Conv2d(2 * num_phase, 16, 3, stride=2)
        self.linear = nn.Linear(16, 1)

    def forward(self, video):
        (level1,) = phasenet.phase_difference_windows(video, self.num_phase, levels=(1,))
        maps = self.convolution(level1.flatten(0, 1)).relu()
        return self.linear(maps.mean((-2, -1))).view(video.shape[:2])


print(MotionNet()(torch.randint(0, 256, (2, 30, 48, 48), dtype=torch.uint8)).shape)
