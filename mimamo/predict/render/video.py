"""The rendered video: a second reading of the input with the face and the predictions drawn in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from mimamo.faces.alignment import align_face
from mimamo.faces.observe import Faces
from mimamo.model.config import MIMAMOConfig
from mimamo.predict.render.face_motion import face_motions
from mimamo.predict.render.panels import Renderer
from mimamo.predict.table import Predictions
from mimamo.progress import Report, silent
from mimamo.video import AlignedFolder, VideoWriter

if TYPE_CHECKING:
    from mimamo.video import Film


def render_video(
    path: str | os.PathLike[str],
    video: Film,
    predictions: Predictions,
    faces: Faces,
    frames: np.ndarray,
    config: MIMAMOConfig,
    advance: Callable[[], object] = lambda: None,
    warn: Report = silent,
) -> None:
    """Write an MP4 of `video` with its face, the face's motion and the predictions so far.

    Frames are shown at the times of `predictions`; the sound of a video file is taken over.

    Args:
        path: the MP4 to write.
        video: is read once more, from its start.
        predictions: of every frame of `video`.
        faces: where they were found; not looked at for a folder of aligned faces.
        frames: uint8 ``[F, S, S]``, the grey faces of the frames with a face.
        config: of the phase differences.
        advance: is called after every frame.
        warn: is called with a line where the sound cannot be taken over.

    Raises:
        InputError: `video` can no longer be read, or `path` cannot be written.
    """
    motions = face_motions(frames, config)
    renderer = Renderer(video.name, predictions, faces, config.nbands, config.num_phase)
    sound = video.path if video.path.is_file() else None
    with VideoWriter(path, video.fps, sound=sound, warn=warn) as writer:
        for index, image, crop in _pictures(video, predictions.found, faces):
            shown = next(motions) if predictions.found[index] else None
            writer.write(renderer.draw(index, image, crop, shown), predictions.times[index])
            advance()


def _pictures(
    video: Film, found: np.ndarray, faces: Faces
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
