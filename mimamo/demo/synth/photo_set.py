"""A small data set of the animated photograph, in the layout of Aff-Wild2.

Faces are aligned as those of a video are, by the detector's landmarks, smoothed over time; only
where to look for the face is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from mimamo.data.dataset import TEST, TRAIN, VALIDATION
from mimamo.demo.synth.motion import perform
from mimamo.demo.synth.photo_face import render
from mimamo.demo.synth.set_writer import Counting, Drawn, SyntheticVideo, write_set
from mimamo.faces import CenterFace, Detection, align_face
from mimamo.faces.tracking import LandmarkFilter, look_closer
from mimamo.progress import silent

# How much light and distance differ from clip to clip: more in those that are not trained on.
SPREADS = {TRAIN: 1.0, VALIDATION: 1.2, TEST: 1.2}


def write_photo_set(
    root: Path,
    clips: Mapping[str, int],
    *,
    frames: int,
    seed: int = 0,
    workers: int | None = None,
    progress: Counting = silent,
) -> int:
    """Render so many clips of each subset, `frames` at 30 a second; return the number of faces.

    Clips are called ``train_01``, …. The same arguments give the same files, as for `write_set`,
    which raises what this does.
    """
    videos = [
        SyntheticVideo(
            name=f"{subset.split('_')[0].lower()}_{number + 1:02d}",
            subset=subset,
            seed=(seed, place, number),
            draw=partial(_draw, frames=frames, spread=spread),
        )
        for place, (subset, spread) in enumerate(SPREADS.items())
        for number in range(clips.get(subset, 0))
    ]
    return write_set(root, videos, workers, progress)


def _draw(rng: np.random.Generator, frames: int, spread: float) -> Drawn:
    played = perform(rng, np.arange(frames) / 30, spread=spread, size=(320, 288))

    detector, smooth = CenterFace(), LandmarkFilter()  # neither can be shared between threads

    def face(index: int) -> np.ndarray:
        image, points = render(*played.scenes[index], rng)
        box = np.concatenate([points.min(axis=0), points.max(axis=0)])
        seen = look_closer(detector, image, Detection(box, points, 1.0))
        landmarks = points if seen is None else seen.landmarks
        return align_face(image, smooth(landmarks, index / 30))

    return played.values, face
