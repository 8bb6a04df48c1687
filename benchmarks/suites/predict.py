"""`mimamo predict` on a video: frames per second, and where the time goes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.contest import Outcome, Parity, Side, compared, contest
from benchmarks.pipeline import STAGES, plain_spatial, predict_in_stages
from benchmarks.rows import Row
from benchmarks.settings import Settings, SuiteRun
from benchmarks.stages import Stopwatch, share_row
from benchmarks.timing import Budget
from mimamo.features import SpatialFeatures
from mimamo.network import MIMAMONet, ResNet50
from mimamo.network.checkpoint import Checkpoint
from mimamo.predict import PredictSettings, predict_video
from mimamo.predictions.progress import Progress
from mimamo.predictions.rules import NO_FACE
from mimamo.synth import write_video
from mimamo.video import VideoReader
from tests.support.parity import relative_error

PLAIN = "the same functions one after the other, ResNet50 in float32 without channels_last"
SHARE = "the whole of mimamo predict"
TARGETS = {"phase": 0.03}


def run(settings: Settings) -> SuiteRun:
    """Time the whole command, a plain sequential pipeline, and the stages by themselves."""
    cv2.setNumThreads(settings.threads)
    with tempfile.TemporaryDirectory() as folder:
        video = settings.video or _rendered(Path(folder), settings)
        frames, size = _count(video)
        origin = "rendered" if settings.video is None else "given"
        inputs = {"video": f"{origin}, {size[0]}x{size[1]}, {frames} frames"}
        if settings.operator_gap:
            return SuiteRun([_gap(settings, frames)], inputs)
        watch = Stopwatch(settings.device)
        with torch.inference_mode():
            found = contest(
                _sides(settings, video, Path(folder), watch),
                settings.threads,
                Budget(1 if settings.quick else 3, 0.01),
            )
    return SuiteRun(_rows(found, watch, frames, settings), inputs)


def _sides(settings: Settings, video: Path, folder: Path, watch: Stopwatch) -> dict[str, Side]:
    device = settings.device
    image_size = 64 if settings.quick else 224
    torch.manual_seed(0)
    network = MIMAMONet().eval().to(device)
    # Two copies of the same random weights: SpatialFeatures changes the memory layout of its own.
    ours, plain = (ResNet50(image_size=image_size, seed=0).eval() for _ in range(2))
    own, simple = SpatialFeatures(ours, device), plain_spatial(plain.to(device), device)
    predict = PredictSettings(device=device, overwrite=True)
    expected: list[np.ndarray] = []

    def whole() -> np.ndarray:
        result = predict_video(video, Checkpoint(network, ours), folder, predict, Progress())
        return result.predictions.values

    def agreement(values: np.ndarray) -> Parity:
        seen = expected[0] != NO_FACE  # frames before the first face would hide the others
        got, want = (torch.from_numpy(array[seen]) for array in (values, expected[0]))
        return Parity(relative_error(got, want))

    return {
        "plain": Side(
            lambda: predict_in_stages(video, network, simple, folder, Stopwatch(device)),
            expected.append,
        ),
        "whole": Side(whole, agreement),
        "stages": Side(lambda: predict_in_stages(video, network, own, folder, watch), agreement),
    }


def _rows(
    found: dict[str, Outcome], watch: Stopwatch, frames: int, settings: Settings
) -> list[Row]:
    size = _size(frames, settings)
    whole, plain = found["whole"], found["plain"]
    per_second = frames / whole.sample.median
    rows = [
        compared(
            whole, plain, id="predict/whole", work="mimamo predict, one video", against=PLAIN,
            size=size, target=2.5,
            note=f"{per_second:.1f} frames/s; error: of the predictions, against the plain ones",
        )
    ]  # fmt: skip
    for stage in STAGES:
        rows.append(
            share_row(
                f"predict/stage/{stage}", f"mimamo predict, {stage}", SHARE, size,
                settings.threads, seconds=watch.seconds(stage), whole=whole.sample,
                target=TARGETS.get(stage),
                note="the stage's own functions, timed without overlap",
            )
        )  # fmt: skip
    return rows


def _gap(settings: Settings, frames: int) -> Row:
    return Row(
        id="predict/whole", work="mimamo predict, one video", against=PLAIN,
        size=_size(frames, settings), threads=settings.threads, target=2.5,
        gap=settings.operator_gap,
    )  # fmt: skip


def _size(frames: int, settings: Settings) -> str:
    return f"{frames} frames, ResNet50 at {64 if settings.quick else 224}"


def _rendered(folder: Path, settings: Settings) -> Path:
    settings.tell("predict: rendering a video")
    path = folder / "rendered.mp4"
    # At 8 frames/s the camera finds the face within the few frames of a quick run.
    write_video(path, frames=12 if settings.quick else 150, fps=8 if settings.quick else 30)
    settings.tell("predict: the whole, and stage by stage")
    return path


def _count(video: Path) -> tuple[int, tuple[int, int]]:
    reader = VideoReader(video)
    return sum(1 for _ in reader), reader.size
