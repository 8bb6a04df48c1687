"""The backbone a cache is made with, as it was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mimamo.data.dataset import DatasetVideo
from mimamo.errors import InputError
from mimamo.faces import CenterFace, Detector, observe_faces
from mimamo.model.checkpoint import Backbone, load_backbone
from mimamo.model.resnet50 import ResNet50
from mimamo.model.small_backbone import SmallBackbone
from mimamo.video import AlignedFolder, VideoReader

RANDOM, SMALL = "random", "small"


def given_name(backbone: str | Path | Backbone, image_size: int, seed: int) -> str:
    """How a manifest calls the backbone that was asked for."""
    if backbone == RANDOM:
        return f"random, seed {seed}, {image_size} pixels"
    return str(backbone) if isinstance(backbone, str | Path) else "a model"


def choose_backbone(
    backbone: str | Path | Backbone,
    image_size: int,
    seed: int,
    videos: Sequence[DatasetVideo],
    phase_size: int,
    device: torch.device,
    detector: Detector | None,
) -> Backbone:
    """Load or make the backbone; random weights are calibrated on faces of `videos`."""
    if backbone == RANDOM:
        model = ResNet50(image_size=image_size, seed=seed).to(device)
        model.calibrate(sample_crops(videos, torch.Generator().manual_seed(seed), detector))
        return model
    if backbone == SMALL:
        return SmallBackbone(phase_size)
    if isinstance(backbone, str | Path):
        return load_backbone(backbone, image_size)
    return backbone


def sample_crops(
    videos: Sequence[DatasetVideo],
    generator: torch.Generator,
    detector: Detector | None = None,
    count: int = 256,
) -> Tensor:
    """Pick faces at random, in random order: uint8 ``[N, 112, 112, 3]``, RGB.

    N is `count`, or all faces if there are not so many. At most 32 of the videos are read; images
    that cannot be read are passed over.

    Raises InputError if no face can be read.
    """
    some = torch.randperm(len(videos), generator=generator)[:32].tolist()
    picked: list[np.ndarray] = []
    # Reservoir sampling: every face has the same chance, and only `count` are ever held.
    for seen, crop in enumerate(chain.from_iterable(_crops(videos[i], detector) for i in some)):
        place = int(torch.randint(seen + 1, (), generator=generator))
        if seen < count:
            picked.insert(place, crop)
        elif place < count:
            picked[place] = crop
    if not picked:
        raise InputError(f"{videos[0].source.parent}: expected faces that can be read, found none")
    return torch.from_numpy(np.stack(picked))


def _crops(video: DatasetVideo, detector: Detector | None) -> Iterator[np.ndarray]:
    try:
        if not video.source.is_dir():
            reader = VideoReader(video.source)
            seen = observe_faces(reader, detector or CenterFace(), side=video.side)
            yield from (face.crop for face in seen if face.crop is not None)
            return
        folder = AlignedFolder(video.source)
    except InputError:
        return  # extraction reports it
    for number in folder.images:
        try:
            yield folder.read(number)
        except InputError:
            continue
