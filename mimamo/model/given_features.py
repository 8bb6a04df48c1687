"""Spatial features that somebody else computed, in the place of a backbone."""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch
from torch import nn

from mimamo.errors import InputError
from mimamo.model.config import MOST_WIDTH
from mimamo.settings import is_whole, shown


class GivenFeatures(nn.Module):
    """Says which features a cache has or a network takes; it computes none.

    Two are the same features if their folders are called the same and are as wide, in the same
    order. Its only tensor is that, as text, so that a hash tells them apart as it does weights.

    Args:
        folders: the names of the folders they were read from, in order, and how many features a
            frame has in each.
        kind: "features"; there is no other, but a checkpoint says so.

    Raises:
        InputError: another kind, no folder, or not names with whole numbers, 65536 in all at most.
    """

    def __init__(self, folders: Sequence[Sequence[str | int]], kind: str = "features") -> None:
        super().__init__()
        if kind != "features":
            raise InputError(f"kind: expected 'features', got {shown(kind)}")
        if not _are_folders(folders):
            raise InputError(
                "folders: expected names, and numbers of features of at most "
                f"{MOST_WIDTH} in all, got {shown(folders)}"
            )
        self.folders = [(str(name), int(width)) for name, width in folders]
        self.feature_dim = sum(width for _, width in self.folders)
        self.identity = nn.Module()
        text = torch.tensor(list(json.dumps(self.settings).encode()), dtype=torch.uint8)
        self.identity.register_buffer("text", text)

    @property
    def label(self) -> str:
        """What they are called in messages: "mae (768) and clip (512)"."""
        return " and ".join(f"{name} ({width})" for name, width in self.folders)

    @property
    def settings(self) -> dict[str, str | list[list[str | int]]]:
        """What a checkpoint has to say of it."""
        return {"kind": "features", "folders": [list(folder) for folder in self.folders]}


def _are_folders(folders: object) -> bool:
    if not isinstance(folders, list) or not folders:
        return False
    pairs = all(isinstance(folder, list | tuple) and len(folder) == 2 for folder in folders)
    return (
        pairs
        and all(isinstance(name, str) and is_whole(width, 1) for name, width in folders)
        and sum(width for _, width in folders) <= MOST_WIDTH
    )
