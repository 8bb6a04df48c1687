"""The rendered video: a second reading of the input with the face and the predictions drawn in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np
import torch

from mimamo.data.clips import context_indices
from mimamo.faces.alignment import align_face
from mimamo.features.temporal import phase_windows
from mimamo.network.config import MIMAMOConfig
from mimamo.predictions.panels import Faces, Renderer
from mimamo.predictions.table import Predictions
from mimamo.video import AlignedFolder, VideoReader, VideoWriter

_CHUNK = 64  # frames whose motion is computed, and held, at a time


def render_video(
    path: str | os.PathLike[str],
    video: VideoReader | AlignedFolder,
    predictions: Predictions,
    faces: Faces,
    frames: np.ndarray,
    config: MIMAMOConfig,
    advance: Callable[[], object] = lambda: None,
) -> None:
    """Write an MP4 of `video` with its face, the face's motion and the predictions so far.

    Args:
        path: the MP4 to write.
        video: is read once more, from its start.
        predictions: of every frame of `video`.
        faces: where they were found; not looked at for a folder of aligned faces.
        frames: uint8 ``[F, S, S]``, the grey faces of the frames with a face.
        config: of the phase differences.
        advance: is called after every frame.

    Raises:
        InputError: `video` can no longer be read, or `path` cannot be written.
    """
    motion = motion_maps(frames, config)
    renderer = Renderer(video.name, predictions, faces, config.nbands)
    with VideoWriter(path, video.fps) as writer:
        for index, image, crop in _pictures(video, predictions.found, faces):
            shown = next(motion) if predictions.found[index] else None
            writer.write(renderer.draw(index, image, crop, shown))
            advance()


def motion_maps(frames: np.ndarray, config: MIMAMOConfig) -> Iterator[np.ndarray]:
    """Yield what moved into each frame: the middle of its window's phase differences.

    Args:
        frames: grey faces in order, uint8 ``[F, S, S]``.
        config: of the phase differences.

    Yields:
        For each frame the difference to the frame before it as the network sees it at level 1,
        float32 ``[nbands, S, S]``, radians.
    """
    middle = max(0, config.num_phase // 2 - 1)
    for start in range(0, len(frames), _CHUNK):
        length = min(_CHUNK, len(frames) - start)
        around = context_indices(start, length, config.num_phase, len(frames))
        level = phase_windows(torch.from_numpy(frames[around]), config, context=True)[0]
        bands = level.unflatten(1, (config.nbands, config.num_phase))
        yield from bands[:, :, middle].numpy()


def _pictures(
    video: VideoReader | AlignedFolder, found: np.ndarray, faces: Faces
) -> Iterator[tuple[int, np.ndarray | None, np.ndarray | None]]:
    """Yield every frame's index, its image and its aligned face, None where there is none."""
    if isinstance(video, AlignedFolder):
        crops = iter(video)
        for index in range(len(found)):
            crop = next(crops)[1] if found[index] else None
            yield index, crop, crop
        return
    # strict=False: a file that grew since its first reading ends with its predictions.
    for frame, has_face in zip(video, found, strict=False):
        crop = align_face(frame.image, faces.landmarks[frame.index]) if has_face else None
        yield frame.index, frame.image, crop
