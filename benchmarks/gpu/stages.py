"""How long each stage of a prediction takes by itself, the GPU waited for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import torch

from mimamo.device import choose_precision
from mimamo.faces import FaceTracks
from mimamo.faces.batched_centerface import BatchedCenterFace
from mimamo.faces.small_grey import small_grey
from mimamo.model.checkpoint import Checkpoint
from mimamo.predict.clips import (
    OVERLAPPING,
    ClipStream,
    EmbeddedClips,
    embed_clips,
    evaluating,
    read_out_clips,
)
from mimamo.predict.networks import joined
from mimamo.predict.stage_times import StageTimes
from mimamo.progress import silent
from mimamo.threads import decoders
from mimamo.video import VideoReader


class WaitedFor(StageTimes):
    """Times of stages before and after each of which `wait` is called, so that it has its own."""

    def __init__(self, wait: Callable[[], object]) -> None:
        super().__init__(seconds=defaultdict(float))
        self._wait = wait

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._wait()
        with super().stage(name):
            yield
            self._wait()


def alone(
    film: Path, checkpoint: Checkpoint, detector: BatchedCenterFace, device: str
) -> dict[str, float]:
    """Seconds of each stage of predicting a film, one after the other on all its frames.

    The pictures decoded, the crops and the features are kept from stage to stage, so a film for
    this is short. The film's faces are taken for one person's.
    """
    times = WaitedFor(torch.cuda.synchronize if device == "cuda" else silent)
    frames = list(times.making("decode", VideoReader(film, threads=decoders(device))))
    tracks, crops = FaceTracks(detector), []
    at_once = detector.frames_at_once(frames[0].image.shape)
    for start in range(0, len(frames), at_once):
        some = frames[start : start + at_once]
        with times.stage("detection"):
            batch = tracks.prepare([frame.image for frame in some])
            views = zip(batch.views, some, strict=True)
            found = [tracks.follow(view, frame.time) for view, frame in views]
        with times.stage("crops"):
            numbers = [number for number, faces in enumerate(found) for _ in faces]
            crops.append(batch.align(numbers, [face for faces in found for _, face in faces]))
    images = torch.cat(crops)
    spatial, (member,) = joined(checkpoint, device, dtype=choose_precision("auto", device))
    network, length = member.network, member.clip_length
    with times.stage("backbone"):
        features = torch.cat([spatial(some) for some in images.split(spatial.batch_size)])
    with times.stage("phase"):
        grey = small_grey(images, network.config.phase_size)
    clips = ClipStream(network.config.num_phase, length)
    parts = EmbeddedClips(*OVERLAPPING.of(length))
    with evaluating(network):
        for clip in chain(clips.push(features, grey), clips.finish()):
            (rows,) = embed_clips(network, [clip], times)
            for part in parts.push(clip, rows):
                read_out_clips(network, [part], times)
    return dict(times.seconds)


def in_words(seconds: dict[str, float], frames: int) -> str:
    """What `alone` gives, in one line."""
    each = ", ".join(f"{name} {1000 * own / frames:.3f}" for name, own in seconds.items())
    return f"each stage alone, the GPU waited for, ms a frame: {each}"
