"""An epoch over as many frames as Aff-Wild2 has, kept on the GPU; told from some of its steps."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from time import perf_counter

import numpy as np
import torch

from benchmarks.clips import moving_texture
from benchmarks.rows import Measured, Row
from benchmarks.settings import Settings, SuiteRun
from benchmarks.suites.train import random_video
from benchmarks.timing import spread
from mimamo.data.batches import ResidentClips
from mimamo.data.clips import VideoSequence
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
WORK = "training, an epoch of 1.93 M frames on the device, bf16"


def run(settings: Settings) -> SuiteRun:
    """Time steps of the published recipe on a resident cache and extrapolate to an epoch.

    Elsewhere than on a GPU only `--quick` measures anything, a few steps of a small network, to
    see that it works.
    """
    inputs = {"frames": FRAMES, "clips of an epoch": CLIPS}
    gap = settings.operator_gap
    if settings.device != "cuda" and not settings.quick:
        gap = "needs a GPU; not run on one yet"
    if gap:
        rows = [
            Row(
                f"epoch/{name}", WORK, against, "batch 16", settings.threads, kind=kind,
                target=target, gap=gap,
            )
            for name, against, kind, target in (
                ("two_minutes", "two minutes", "cost", 1.0),
                ("published_loader", "the published loader on one CPU core", "speedup", None),
            )
        ]  # fmt: skip
        return SuiteRun(rows, inputs)
    config = TrainingConfig(precision="bfloat16")
    frames, steps, warm_up = FRAMES, STEPS, WARM_UP
    if settings.quick:
        network = replace(config.network, channels=(4, 4, 8))
        config = replace(config, batch_size=2, clip_length=4, stride=4, network=network)
        frames, steps, warm_up = 40, 2, 1
    settings.tell(f"epoch: {frames} frames to {settings.device}")
    seconds, memory = _steps(config, settings, frames, steps, warm_up)
    batches = -(-CLIPS // config.batch_size)
    scaled = tuple(second * batches for second in seconds)
    ours = Measured(median(scaled), spread(scaled), len(scaled))
    settings.tell("epoch: published loader")
    clip = _published_clip(settings)
    peer = tuple(second * CLIPS for second in clip)
    size = f"batch {config.batch_size}, {batches} steps"
    note = f"extrapolated from {steps} steps; {memory / 2**30:.1f} GiB of GPU memory at most"
    low, high = np.quantile(scaled, [0.25, 0.75])
    published = median(peer)
    rows = [
        Row(
            "epoch/two_minutes", WORK, "two minutes", size, settings.threads,
            ours=ours, peer=Measured(TWO_MINUTES, 0.0, 1), kind="cost",
            ratio=ours.median / TWO_MINUTES, ratio_low=float(low) / TWO_MINUTES,
            ratio_high=float(high) / TWO_MINUTES, target=1.0, note=note,
        ),
        Row(
            "epoch/published_loader", WORK,
            "the published loader's phases on one CPU core (a pyramid for each frame of each "
            "window), without its images", size, settings.threads,
            ours=ours, peer=Measured(published, spread(peer), len(peer)),
            ratio=published / ours.median, ratio_low=published / float(high),
            ratio_high=published / float(low), note=note,
        ),
    ]  # fmt: skip
    return SuiteRun(rows, inputs | {"steps": steps, "frames on the device": frames})


def _steps(
    config: TrainingConfig, settings: Settings, frames: int, steps: int, warm_up: int
) -> tuple[tuple[float, ...], int]:
    """Seconds of each step, and the most GPU memory that was taken, bytes."""
    clips = ResidentClips(
        _videos(frames, config),
        settings.device,
        length=config.clip_length,
        stride=config.stride,
    )
    torch.manual_seed(0)
    model = TrainedModel(MIMAMONet(config.network))
    trainer = Trainer(model, clips, [], config, Processes(torch.device(settings.device)))
    times: list[float] = []
    last = perf_counter()

    def on_step(done: int, loss: float) -> None:  # the loss is on the CPU: the step is over
        nonlocal last
        now = perf_counter()
        times.append(now - last)
        last = now
        if len(times) == warm_up + steps:
            raise _EnoughError

    try:
        for _ in trainer.epochs(on_step):
            pass
    except _EnoughError:
        pass
    memory = torch.cuda.max_memory_allocated() if settings.device == "cuda" else 0
    return tuple(times[warm_up:]), memory


class _EnoughError(Exception):
    """Enough steps are measured."""


def _videos(frames: int, config: TrainingConfig) -> list[VideoSequence]:
    """Videos of so many frames in all; one is generated, and stands for all."""
    video = random_video(min(VIDEO, frames), config.network.feature_dim).sequence
    return [video] * -(-frames // len(video))


def _published_clip(settings: Settings) -> tuple[float, ...]:
    """Seconds a clip takes with a pyramid for each frame of each window, on one thread."""
    config, times = TrainingConfig(), []
    length = 4 if settings.quick else config.clip_length
    clip = moving_texture(length + config.network.num_phase)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(1 if settings.quick else 5):
            start = perf_counter()
            reference.phase_difference_windows(
                clip, config.network.num_phase, unwrap="published", boundary="valid"
            )
            times.append((perf_counter() - start) * config.clip_length / length)
    finally:
        torch.set_num_threads(threads)
    return tuple(times)
