"""`mimamo predict` on a GPU: frames a second, beside faces found on the CPU, and its stages."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import torch

from benchmarks.paired_timing import Outcome, compared, reason
from benchmarks.rows import Row
from benchmarks.suites import Settings
from mimamo.errors import InputError
from mimamo.predict.stage_times import StageTimes

RATE = 1000.0  # frames a second to reach
FRAMES, TIMES = 300, 20  # of the rendered film, and how often the long one repeats it
ROUNDS, SECONDS = 5, 30.0  # of the long film: at most, and after which none is begun
PAIRS = 2  # rounds of the short one, on which faces are found on the CPU as well
WORK = "mimamo predict, one video without its plot"
OPENCV = "the same, faces found and aligned on the CPU, frame by frame"


def rows(settings: Settings) -> Iterator[Row]:
    """The rows; a gap where there is no GPU, or what reads or renders a video is missing."""
    row: dict[str, Any] = {"id": "cuda/predict/rate", "work": WORK, "against": f"{RATE:g} frames/s"}
    gap = settings.gpu_gap
    try:
        if not gap:
            yield from _measured(settings, row)
    except (ImportError, InputError) as error:
        gap = reason(error)
    if gap:
        yield Row(size="640x360", threads=settings.threads, gap=gap, **row)


def _measured(settings: Settings, row: dict[str, Any]) -> Iterator[Row]:
    # Not every GPU machine has what these need.
    from benchmarks.gpu.stages import alone, in_words
    from benchmarks.suites.reading import repeated
    from mimamo.demo.synth.video import write_video
    from mimamo.faces import CenterFace, Detector
    from mimamo.faces.batched_centerface import BatchedCenterFace
    from mimamo.model import MIMAMONet, ResNet50
    from mimamo.model.checkpoint import Checkpoint
    from mimamo.predict import PredictSettings, predict_video

    frames, times, rounds = (12, 2, 1) if settings.quick else (FRAMES, TIMES, ROUNDS)
    torch.manual_seed(0)
    backbone = ResNet50(image_size=64 if settings.quick else 224, seed=0).eval()
    checkpoint = Checkpoint(MIMAMONet().eval(), backbone)
    ours = BatchedCenterFace(settings.device)
    detectors: dict[str, Detector] = {"ours": ours, "opencv": CenterFace()}
    with tempfile.TemporaryDirectory() as folder:

        def predict(video: Path, detector: str) -> StageTimes:
            options = PredictSettings(
                detector=detectors[detector], device=settings.device, plot=False, overwrite=True
            )
            result = predict_video(video, checkpoint, folder, options)
            assert result.times
            return result.times

        settings.tell("predict: rendering a video")
        short, long = Path(folder) / "rendered.mp4", Path(folder) / "repeated.mp4"
        write_video(short, frames=frames, fps=8 if settings.quick else 30)
        repeated(short, long, times)
        settings.tell("predict: the command on a long film")
        predict(short, "ours")  # warms up
        runs: list[StageTimes] = []
        while not runs or (len(runs) < rounds and sum(x.elapsed for x in runs) < SECONDS):
            runs.append(predict(long, "ours"))
        settings.tell("predict: its stages, each alone")
        stages = alone(short, checkpoint, ours, settings.device)
        size = f"{{}} frames of 640x360, ResNet50 at {backbone.image_size}"
        yield compared(
            Outcome.of([x.elapsed for x in runs], settings.threads),
            Outcome.of([frames * times / RATE]),
            kind="cost", target=1.0, size=size.format(frames * times),
            note=f"{reduce(add, runs).summary()}; {in_words(stages, frames)}", **row,
        )  # fmt: skip
        settings.tell("predict: the command with both detectors")
        pairs: dict[str, list[StageTimes]] = {name: [] for name in detectors}
        for _ in range(1 if settings.quick else PAIRS):
            for name, of_side in pairs.items():
                of_side.append(predict(short, name))
    found = {
        name: Outcome.of([x.elapsed for x in of_side], settings.threads)
        for name, of_side in pairs.items()
    }
    yield compared(
        found["ours"], found["opencv"], id="cuda/predict/opencv", work=WORK, against=OPENCV,
        size=size.format(frames), note=f"{OPENCV}: {reduce(add, pairs['opencv']).summary()}",
    )  # fmt: skip
