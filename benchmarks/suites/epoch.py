"""An epoch over as many frames as Aff-Wild2 has, kept on the GPU; told from some of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks.paired_timing import Budget, Outcome, Side, compared, paired_timing, summary
from benchmarks.rows import Row
from benchmarks.suites import Settings, SuiteRun
from benchmarks.suites.clips import moving_texture
from benchmarks.suites.train import random_video
from mimamo.data.batches import ResidentClips
from mimamo.model import MIMAMONet
from mimamo.train import TrainedModel, Trainer, TrainingConfig
from mimamo.train.processes import Processes
from phasenet import reference

FRAMES = 1_930_000  # annotated frames of Aff-Wild2's training and validation sets
STRIDE = 32
CLIPS = (FRAMES - 64) // STRIDE + 2  # the last one aligned to the end, as `clip_starts` has it
VIDEO = 3500  # frames of a generated video
TWO_MINUTES = 120.0
STEPS, WARM_UP = 200, 20


def run(settings: Settings) -> SuiteRun:
    """Time steps of the published recipe on a resident cache and extrapolate to an epoch.

    Elsewhere than on a GPU only `--quick` measures anything, a few steps of a small network, to
    see that it works.
    """
    _, frames, steps, _ = _sizes(settings)
    inputs = {"frames": FRAMES, "clips of an epoch": CLIPS, "steps": steps}
    return list(rows(settings)), inputs | {"frames on the device": frames}


def rows(settings: Settings) -> Iterator[Row]:
    """The rows one by one, what is of the GPU first."""
    config, frames, steps, warm_up = _sizes(settings)
    batches = -(-CLIPS // config.batch_size)
    common: dict[str, Any] = {
        "work": "training, an epoch of 1.93 M frames on the device, bf16",
        "size": f"batch {config.batch_size}, {batches} steps",
    }
    ours = published = Outcome(threads=settings.threads, gap=settings.gpu_gap)
    if not ours.gap:
        settings.tell(f"epoch: {frames} frames to {settings.device}")
        times, memory = _steps(config, settings.device, frames, steps, warm_up)
        ours = Outcome.of(batches * times, settings.threads)
        most = f"{memory / 2**30:.1f} GiB of GPU memory at most"
        common["note"] = f"extrapolated from {steps} steps; {most}"
    bound = Outcome.of([TWO_MINUTES])
    yield compared(
        ours, bound, id="epoch/two_minutes", against="two minutes", kind="cost", target=1.0,
        **common,
    )  # fmt: skip
    if not ours.gap:
        settings.tell("epoch: published loader")
        taken = CLIPS * np.array(_published_clip(settings))
        published = Outcome(summary(taken, len(taken)), [float(np.median(taken))])
    loader = (
        "the published loader's phases on one CPU core (a pyramid for each frame of each window)"
    )
    yield compared(
        ours, published, id="epoch/published_loader", against=f"{loader}, without its images",
        **common,
    )  # fmt: skip


def _sizes(settings: Settings) -> tuple[TrainingConfig, int, int, int]:
    """The recipe, frames on the device, steps that are timed and those before them."""
    config = TrainingConfig(precision="bfloat16")
    if not settings.quick:
        return config, FRAMES, STEPS, WARM_UP
    network = replace(config.network, channels=(4, 4, 8))
    return replace(config, batch_size=2, clip_length=4, stride=4, network=network), 40, 3, 1


def _steps(
    config: TrainingConfig, device: str, frames: int, steps: int, warm_up: int
) -> tuple[np.ndarray, int]:
    """Seconds of each step, and the most GPU memory that was taken, bytes."""
    # One video is generated, and stands for all.
    video = random_video(min(VIDEO, frames), config.network.feature_dim).sequence
    videos = [video] * -(-frames // len(video))
    clips = ResidentClips(videos, device, length=config.clip_length, stride=config.stride)
    torch.manual_seed(0)
    model = TrainedModel(MIMAMONet(config.network))
    trainer = Trainer(model, clips, [], config, Processes(torch.device(device)))
    ends: list[float] = []

    def on_step(done: int, loss: float) -> None:  # the loss is on the CPU: the step is over
        ends.append(perf_counter())
        if len(ends) == 1 + warm_up + steps:
            raise _EnoughError

    with suppress(_EnoughError):
        for _ in trainer.epochs(on_step):
            pass
    memory = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    return np.diff(ends)[warm_up:], memory


class _EnoughError(Exception):
    """Enough steps are measured."""


def _published_clip(settings: Settings) -> list[float]:
    """Seconds a clip takes with a pyramid for each frame of each window, on one thread."""
    config = TrainingConfig()
    length = 4 if settings.quick else config.clip_length
    clip = moving_texture(length + config.network.num_phase)
    call = partial(
        reference.phase_difference_windows, clip, config.network.num_phase,
        unwrap="published", boundary="valid",
    )  # fmt: skip
    found = paired_timing({"clip": Side(call)}, 1, Budget(2, 0.01))["clip"]
    return [seconds * config.clip_length / length for seconds in found.rounds]
