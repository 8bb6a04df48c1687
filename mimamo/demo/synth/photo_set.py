"""Writes a small data set in the layout of Aff-Wild2: clips of the animated face with their truth.

The aligned faces come about as they do from a video: a frame is rendered, the detector's landmarks
are smoothed over time and the face is aligned by them. Only where to look for the face is known.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from mimamo.data.annotations import HEADER, NOT_ANNOTATED
from mimamo.data.dataset import TEST, TRAIN, VALIDATION
from mimamo.demo.synth.motion import Performance, SceneRanges, perform
from mimamo.demo.synth.render import render
from mimamo.faces.alignment import align_face
from mimamo.faces.centerface import CenterFace
from mimamo.faces.detection import Detection, Detector
from mimamo.faces.tracking import LandmarkFilter, look_closer
from mimamo.files import output_folder, replacing

UNSEEN = TEST  # annotated like the others, but neither trained nor validated on

_FRAME_SIZE = (320, 288)  # what the detector sees of a frame when it looks closer
_JPEG_QUALITY = 95

TRAINING_RANGES = SceneRanges()
UNSEEN_RANGES = SceneRanges(
    gain=(0.65, 1.25), slope=0.18, side_light=0.28, warmth=(-0.08, 0.08), zoom=(1.35, 1.85)
)
RANGES: Mapping[str, SceneRanges] = {
    TRAIN: TRAINING_RANGES,
    VALIDATION: UNSEEN_RANGES,
    UNSEEN: UNSEEN_RANGES,
}


@dataclass(frozen=True)
class RenderedClip:
    """One video of the set, as written.

    valence, arousal: float64 [T] in [-1, 1], the truth. found: bool [T], frames that have an image.
    annotated: bool [T], frames whose annotation is not -5.
    """

    name: str
    subset: str
    valence: np.ndarray
    arousal: np.ndarray
    found: np.ndarray
    annotated: np.ndarray


def write_dataset(
    root: str | os.PathLike[str],
    clips: Mapping[str, int],
    *,
    frames: int = 150,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[RenderedClip]:
    """Render a data set; the same arguments give the same files, whatever the `workers`.

    Args:
        root: its folder, made if need be: ``annotations/<subset>/<clip>.txt`` and
            ``cropped_aligned/<clip>/00001.jpg``, …
        clips: how many of each subset: `TRAIN`, `VALIDATION`, `UNSEEN`. Light and distance of the
            latter two vary more than in the first.
        frames: of each clip, at 30 a second.
        seed: of everything random.
        workers: threads; the machine's number of cores if None.
        progress: called with the number of clips done and of all.

    Raises:
        InputError: `root` cannot be written to.
    """
    root = output_folder(root)
    order = list(RANGES)
    jobs = [
        (subset, number, np.random.default_rng([seed, order.index(subset), number]))
        for subset in clips
        for number in range(clips[subset])
    ]
    done = count(1)

    def work(job: tuple[str, int, np.random.Generator]) -> RenderedClip:
        subset, number, rng = job
        name = f"{subset.split('_')[0].lower()}_{number + 1:02d}"
        clip = _write_clip(root, name, subset, frames, rng)
        if progress:
            progress(next(done), len(jobs))
        return clip

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        return list(pool.map(work, jobs))


def aligned_faces(
    performance: Performance, detector: Detector, rng: np.random.Generator
) -> list[np.ndarray | None]:
    """Render the frames and cut out the aligned faces.

    Returns:
        One for each frame: uint8 [112, 112, 3] RGB, or None if the detector does not find it.
    """
    smooth = LandmarkFilter()
    crops: list[np.ndarray | None] = []
    scenes = zip(performance.expressions, performance.cameras, performance.lights, strict=True)
    for index, (expression, camera, light) in enumerate(scenes):
        drawn = render(expression, camera, light, rng)
        points = drawn.landmarks.astype(np.float32)
        box = np.concatenate([points.min(axis=0), points.max(axis=0)])
        face = look_closer(detector, drawn.image, Detection(box, points, 1.0))
        if face is None:
            smooth.reset()
            crops.append(None)
        else:
            steady = smooth(face.landmarks, index / performance.fps)
            crops.append(align_face(drawn.image, steady))
    return crops


def _write_clip(
    root: Path, name: str, subset: str, frames: int, rng: np.random.Generator
) -> RenderedClip:
    performance = perform(rng, frames, ranges=RANGES[subset], size=_FRAME_SIZE)
    found, annotated = gaps(rng, frames)
    folder = output_folder(root / "cropped_aligned" / name)
    # A detector must not be shared between threads, so every clip has its own.
    for index, crop in enumerate(aligned_faces(performance, CenterFace(), rng)):
        found[index] &= crop is not None
        if crop is not None and found[index]:
            write_jpeg(folder / f"{index + 1:05d}.jpg", crop)
    write_annotations(root, subset, name, performance.valence, performance.arousal, annotated)
    return RenderedClip(name, subset, performance.valence, performance.arousal, found, annotated)


def write_annotations(
    root: Path,
    subset: str,
    name: str,
    valence: np.ndarray,
    arousal: np.ndarray,
    annotated: np.ndarray,
) -> None:
    """Write a video's annotation file; frames that are not `annotated` say -5."""
    lines = [HEADER]
    for known, *values in zip(annotated, valence, arousal, strict=True):
        texts = [f"{value:.4f}" if known else f"{NOT_ANNOTATED}" for value in values]
        lines.append(",".join(texts))
    folder = output_folder(root / "annotations" / subset)
    with replacing(folder / f"{name}.txt") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="ascii")


def gaps(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw which frames have a face and which an annotation: bool [T] each.

    As in the real data: the face is lost for a moment, some videos begin without one, and some
    frames are not annotated.
    """
    found, annotated = np.ones(frames, bool), np.ones(frames, bool)
    lost = rng.integers(frames // 4, frames // 2)
    found[lost : lost + rng.integers(2, 9)] = False
    if rng.random() < 1 / 3:
        found[: rng.integers(2, 7)] = False
    if rng.random() < 1 / 2:
        skipped = rng.integers(frames // 2, frames)
        annotated[skipped : skipped + rng.integers(3, 13)] = False
    return found, annotated


def write_jpeg(path: Path, image: np.ndarray) -> None:
    """Write an image, uint8 [H, W, 3] RGB."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    ok, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not ok:
        raise RuntimeError(f"{path}: OpenCV cannot encode JPEG")
    path.write_bytes(encoded.tobytes())
