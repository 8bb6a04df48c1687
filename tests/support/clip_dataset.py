"""A data set whose items are phase differences, where a new process can import it."""

from __future__ import annotations

import torch
from torch.utils.data import Dataset

from phasenet import phase_difference_windows


class Clips(Dataset):
    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> torch.Tensor:
        frames = torch.rand(9, 40, 40, generator=torch.Generator().manual_seed(index))
        return phase_difference_windows(frames, 4)[0]
