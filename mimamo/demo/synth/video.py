"""Renders a video of the animated face with its truth: what the demo predicts from raw pixels."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np

from mimamo.demo.synth.motion import perform
from mimamo.demo.synth.photo_face import render
from mimamo.demo.synth.set_writer import Counting
from mimamo.progress import silent
from mimamo.video.writer import VideoWriter

_AWAY = 235.0  # how far down the camera tilts, in pixels of the photograph: to the space suit
_TURN = 0.35  # seconds the camera takes for it


@dataclass(frozen=True)
class VideoTruth:
    """What is known of a rendered video.

    times: float64 [T], seconds. in_view: bool [T], whether the whole face is in the picture.
    values: float64 [T, 2], valence and arousal.
    """

    times: np.ndarray
    in_view: np.ndarray
    values: np.ndarray


def write_video(
    path: str | os.PathLike[str],
    *,
    frames: int = 300,
    fps: float = 30.0,
    size: tuple[int, int] = (640, 360),
    seed: int = 0,
    progress: Counting = silent,
) -> VideoTruth:
    """Render an MP4 in which the camera comes to the face and once looks away from it.

    Args:
        path: the MP4 to write.
        frames, fps, size: of the video; size is (width, height).
        seed: of everything random; the same arguments give the same video.
        progress: called with the number of frames done and of all.

    Raises:
        InputError: `path` cannot be written.
    """
    rng = np.random.default_rng([seed, 1000])  # apart from the seeds of `write_photo_set`
    times = np.arange(frames) / fps
    played = perform(rng, times, spread=0.5, zoom=1.82, size=size)
    tilts = camera_tilt(times).tolist()
    in_view = np.zeros(frames, bool)
    with VideoWriter(path, fps) as writer:
        for index, (expression, camera, light) in enumerate(played.scenes):
            x, y = camera.center
            camera = replace(camera, center=(x, y + _AWAY * tilts[index]))
            image, landmarks = render(expression, camera, light, rng)
            in_view[index] = bool((landmarks > 0).all() and (landmarks < size).all())
            writer.write(image)
            progress(index + 1, frames)
    return VideoTruth(times, in_view, played.values)


def camera_tilt(times: np.ndarray) -> np.ndarray:
    """How far the camera looks away at `times` (s): 1 away, 0 at the face, smooth between.

    It begins away, finds the face within half a second, and after 60 % of the video is away again
    for 7 % of it.
    """
    total = times[-1] if len(times) else 0.0
    leave = 0.6 * total
    back = leave + _TURN + 0.07 * total
    return 1 - _smooth_step(times - 0.1) + _smooth_step(times - leave) - _smooth_step(times - back)


def _smooth_step(times: np.ndarray) -> np.ndarray:
    t = np.clip(times / _TURN, 0, 1)
    return t * t * (3 - 2 * t)
