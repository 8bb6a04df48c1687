"""The rendered video: a second reading of the input with faces and predictions drawn in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
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
    *,
    people: bool = False,
) -> None:
    """Write an MP4 of `video` with its faces, one's motion and the predictions so far.

    Of several faces in a frame, the motion is that of the lowest number. Frames are shown at the
    times of `predictions`; the sound of a video file is taken over.

    Args:
        path: the MP4 to write, whose name is the title.
        video: is read once more, from its start.
        predictions: of every frame of `video`.
        faces: where they were found, in the rows of `predictions`; not looked at for a folder of
            aligned faces.
        frames: uint8 ``[F, S, S]``, the grey faces of the rows with a face.
        config: of the phase differences.
        advance: is called after every frame.
        warn: is called with a line where the sound cannot be taken over.
        people: show several faces each in a colour.

    Raises:
        InputError: `video` can no longer be read, or `path` cannot be written.
    """
    face, found = predictions.face, predictions.face[predictions.found]
    # Motion is never that from one person's face to another's.
    motions = {x: face_motions(frames[found == x], config) for x in predictions.numbers}
    renderer = Renderer(
        Path(path).stem, predictions, faces, config.nbands, config.num_phase, people=people
    )
    sound = video.path if video.path.is_file() else None
    with VideoWriter(path, video.fps, sound=sound, warn=warn) as writer:
        for rows, image, crop in _pictures(video, predictions, faces):
            seen = [next(motions[face[row]]) for row in rows if face[row]]
            index = int(predictions.frames[rows[0]])
            shown = renderer.draw(index, image, crop, seen[0] if seen else None)
            writer.write(shown, predictions.times[rows[0]])
            advance()


def _pictures(
    video: Film, predictions: Predictions, faces: Faces
) -> Iterator[tuple[range, np.ndarray | None, np.ndarray | None]]:
    """Yield every frame's rows, its image and its first aligned face, None where there is none."""
    found = predictions.found
    if isinstance(video, AlignedFolder):
        crops = iter(video)
        for rows in predictions.rows_of_frames():
            crop = next(crops)[1] if found[rows[0]] else None
            yield rows, crop, crop
        return
    # strict=False: a file that grew since its first reading ends with its predictions.
    for frame, rows in zip(video, predictions.rows_of_frames(), strict=False):
        first = rows[0]
        crop = align_face(frame.image, faces.landmarks[first]) if found[first] else None
        yield rows, frame.image, crop
