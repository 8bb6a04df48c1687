"""The rendered video: a second reading of the input with face, motion and predictions drawn in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from mimamo.data.clips import context_indices
from mimamo.faces.alignment import align_face
from mimamo.faces.observe import Faces
from mimamo.model.config import MIMAMOConfig
from mimamo.model.features import phase_windows
from mimamo.predict.render.panels import Renderer
from mimamo.predict.table import Predictions
from mimamo.video import AlignedFolder, VideoReader, VideoWriter
from phasenet import local_motion

_CHUNK = 64  # frames whose motion is computed, and held, at a time


@dataclass(frozen=True, eq=False)
class FaceMotion:
    """Of one frame, as the network sees it at level 1.

    Attributes:
        window: float32 ``[nbands, P, S, S]``, the phase differences around the frame, radians.
        field: float32 ``[2, S, S]``, motion since the frame before along x and y, pixels of the
            grey face; zero in the first frame.
        weight: float32 ``[S, S]``, what `field` is worth, 0 to 1, see `phasenet.local_motion`.
    """

    window: np.ndarray
    field: np.ndarray
    weight: np.ndarray

    @property
    def middle(self) -> int:
        """The difference of the window between the frame before and this one."""
        return max(0, self.window.shape[1] // 2 - 1)

    @property
    def difference(self) -> np.ndarray:
        """The phase difference to the frame before, float32 ``[nbands, S, S]``, radians."""
        return self.window[:, self.middle]


def face_motions(frames: np.ndarray, config: MIMAMOConfig) -> Iterator[FaceMotion]:
    """Yield how the face moves into each frame.

    Args:
        frames: grey faces in order, uint8 ``[F, S, S]``.
        config: of the phase differences.
    """
    for start in range(0, len(frames), _CHUNK):
        length = min(_CHUNK, len(frames) - start)
        around = context_indices(start, length, config.num_phase, len(frames))
        level = phase_windows(torch.from_numpy(frames[around]), config, context=True)[0]
        windows = level.unflatten(1, (config.nbands, config.num_phase)).numpy()
        # The frame before the first is the first itself.
        before = torch.from_numpy(frames[[max(0, start - 1), *range(start, start + length)]])
        fields, weights = (x.numpy() for x in local_motion(before, nbands=2, return_weight=True))
        parts = zip(windows, fields, weights, strict=True)
        yield from (FaceMotion(*part) for part in parts)


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
    motions = face_motions(frames, config)
    renderer = Renderer(video.name, predictions, faces, config.nbands, config.num_phase)
    with VideoWriter(path, video.fps) as writer:
        for index, image, crop in _pictures(video, predictions.found, faces):
            shown = next(motions) if predictions.found[index] else None
            writer.write(renderer.draw(index, image, crop, shown))
            advance()


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
