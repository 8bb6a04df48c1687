"""What training needs of each video, computed once before it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

import numpy as np
import torch
from torch import Tensor

from mimamo.data.affwild2 import AnnotatedVideo, match_annotations
from mimamo.data.clips import VideoSequence
from mimamo.errors import InputError
from mimamo.features.spatial import SpatialFeatures
from mimamo.features.temporal import phase_frames
from mimamo.network.resnet50 import ResNet50
from mimamo.video.folder import AlignedFolder

_READ_AHEAD = 256  # faces in memory at a time


def extract_features(
    videos: Sequence[AnnotatedVideo],
    backbone: ResNet50,
    *,
    phase_size: int = 48,
    dtype: torch.dtype = torch.float16,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> list[VideoSequence]:
    """Compute the spatial features and the grey frames of all faces of some videos.

    Frames without an image are left out; frames without annotation stay, marked as such.

    Args:
        videos: whose faces are read.
        backbone: computes the features; it is moved to `device`.
        phase_size: height and width of the grey frames, pixels.
        dtype: of the features, which are kept in memory: 4 KB a frame in float16.
        device: where the backbone runs.
        progress: called with the number of frames done and of all frames.

    Returns:
        One sequence per video, on the CPU.

    Raises:
        InputError: an image cannot be read, or features are not finite in `dtype`.
    """
    spatial = SpatialFeatures(backbone, device)
    total = sum(video.faces.frame_count for video in videos)
    done = 0
    sequences = []
    for video in videos:
        indices: list[int] = []
        features: list[Tensor] = []
        frames: list[np.ndarray] = []
        for batch, crops in _batches(video.faces):
            indices += batch
            features.append(spatial(crops).to(dtype))
            frames.append(phase_frames(crops, phase_size))
            if not features[-1].isfinite().all():
                raise InputError(
                    f"backbone: features of {video.faces.path} are not finite in {dtype}; "
                    "expected trained or calibrated weights"
                )
            if progress:
                progress(done + indices[-1] + 1, total)
        done += video.faces.frame_count
        labels = torch.from_numpy(match_annotations(video.annotations, indices))
        sequences.append(
            VideoSequence(
                name=video.name,
                features=torch.cat(features),
                frames=torch.from_numpy(np.concatenate(frames)),
                labels=labels,
                annotated=~labels.isnan().any(dim=1),
            )
        )
    return sequences


def sample_crops(
    videos: Sequence[AnnotatedVideo], generator: torch.Generator, count: int = 256
) -> Tensor:
    """Pick faces at random, in random order: uint8 ``[N, 112, 112, 3]``, RGB.

    N is `count`, or all faces if there are not so many. At most 32 of the videos are read.
    """
    some = torch.randperm(len(videos), generator=generator)[:32].tolist()
    picked: list[np.ndarray] = []
    # Reservoir sampling: every face has the same chance, and only `count` are ever held.
    for seen, (_, crop) in enumerate(chain.from_iterable(videos[i].faces for i in some)):
        place = int(torch.randint(seen + 1, (), generator=generator))
        if seen < count:
            picked.insert(place, crop)
        elif place < count:
            picked[place] = crop
    return torch.from_numpy(np.stack(picked))


def _batches(faces: AlignedFolder) -> Iterator[tuple[list[int], np.ndarray]]:
    """The faces of a folder, some at a time: frame indices, and uint8 ``[N, H, W, 3]``."""
    pairs = iter(faces)
    while batch := list(islice(pairs, _READ_AHEAD)):
        indices, crops = zip(*batch, strict=True)
        yield list(indices), np.stack(crops)
