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
ROUNDS = 5
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
    from mimamo.demo.synth.video import write_video
    from mimamo.faces import CenterFace
    from mimamo.faces.batched_centerface import BatchedCenterFace
    from mimamo.model import MIMAMONet, ResNet50
    from mimamo.model.checkpoint import Checkpoint
    from mimamo.predict import PredictSettings, predict_video

    frames, rounds = (12, 1) if settings.quick else (300, ROUNDS)
    torch.manual_seed(0)
    backbone = ResNet50(image_size=64 if settings.quick else 224, seed=0).eval()
    checkpoint = Checkpoint(MIMAMONet().eval(), backbone)
    detectors = {"ours": BatchedCenterFace(settings.device), "opencv": CenterFace()}
    times: dict[str, list[StageTimes]] = {name: [] for name in detectors}
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "rendered.mp4"
        settings.tell("predict: rendering a video")
        write_video(video, frames=frames, fps=8 if settings.quick else 30)
        settings.tell("predict: the command with both detectors")
        for _ in range(1 + rounds):
            for name, detector in detectors.items():
                options = PredictSettings(
                    detector=detector, device=settings.device, plot=False, overwrite=True
                )
                result = predict_video(video, checkpoint, folder, options)
                times[name].append(result.times)
    warm = {name: of_side[1:] for name, of_side in times.items()}
    found = {
        name: Outcome.of([one.elapsed for one in of_side], settings.threads)
        for name, of_side in warm.items()
    }
    ours, size = found["ours"], f"{frames} frames of 640x360, ResNet50 at {backbone.image_size}"
    bound = Outcome.of([frames / RATE])
    yield compared(
        ours, bound, kind="cost", target=1.0, size=size, note=reduce(add, warm["ours"]).summary(),
        **row,
    )  # fmt: skip
    yield compared(
        ours, found["opencv"], id="cuda/predict/opencv", work=WORK, against=OPENCV, size=size,
        note=f"{OPENCV}: {reduce(add, warm['opencv']).summary()}",
    )  # fmt: skip
