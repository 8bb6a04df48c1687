"""`mimamo predict` taken apart: its own functions, one stage after the other, each timed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.stages import Stopwatch
from mimamo.faces import CenterFace, FaceTracker, align_face
from mimamo.features import phase_frames
from mimamo.inference import predict_sequence
from mimamo.network import MIMAMONet, ResNet50
from mimamo.predictions.plot import save_plot
from mimamo.predictions.rules import fill_missing
from mimamo.predictions.table import Predictions, write_predictions
from mimamo.video import VideoReader

STAGES = ("decode", "detection", "ResNet50", "phase", "network", "writing")
BATCH = 32  # faces per pass, as `mimamo predict` takes by default


def predict_in_stages(
    video: Path,
    network: MIMAMONet,
    spatial: Callable[[np.ndarray], Tensor],
    out_dir: Path,
    watch: Stopwatch,
) -> np.ndarray:
    """Predict a video as `mimamo predict` does, without overlap; return its values ``[T, 2]``.

    Detection includes loading the detector, tracking and alignment. Phase is the resizing to small
    grey frames, their windows and what else surrounds the network.
    """
    watch.begin()
    with watch.stage("detection"):
        tracker = FaceTracker(CenterFace())
    times, found, crops, features, greys = [], [], [], [], []

    def flush() -> None:
        batch = np.stack(crops)
        crops.clear()
        with watch.stage("ResNet50"):
            features.append(spatial(batch))
        with watch.stage("phase"):
            greys.append(phase_frames(batch, network.config.phase_size))

    frames = iter(VideoReader(video))
    while True:
        with watch.stage("decode"):
            frame = next(frames, None)
        if frame is None:
            break
        with watch.stage("detection"):
            face = tracker(frame.image, frame.time)
            if face is not None:
                crops.append(align_face(frame.image, face.landmarks))
        times.append(frame.time)
        found.append(face is not None)
        if len(crops) == BATCH:
            flush()
    if crops:
        flush()

    values = np.empty((0, 2), np.float32)
    if features:
        values = _predict(network, torch.cat(features), np.concatenate(greys), watch)
    with watch.stage("writing"):
        predictions = Predictions(np.array(times), np.array(found), fill_missing(values, found))
        write_predictions(out_dir / "staged.csv", predictions)
        save_plot(out_dir / "staged.png", predictions, "staged")
    return predictions.values


def plain_spatial(backbone: ResNet50, device: str) -> Callable[[np.ndarray], Tensor]:
    """Features by the backbone as it is: float32, default memory layout."""

    def spatial(crops: np.ndarray) -> Tensor:
        images = backbone.preprocess(torch.from_numpy(crops).to(device))
        return backbone(images).cpu()

    return spatial


def _predict(
    network: MIMAMONet, features: Tensor, greys: np.ndarray, watch: Stopwatch
) -> np.ndarray:
    """Predict, telling the network's time from that of all around it by its forward hooks."""
    running = []

    def enter(*_: object) -> None:
        running.append(watch.stage("network"))
        running[-1].__enter__()

    def leave(*_: object) -> None:
        running.pop().__exit__(None, None, None)

    hooks = [network.register_forward_pre_hook(enter), network.register_forward_hook(leave)]
    with watch.stage("phase"):
        values = predict_sequence(network, features, greys)
    for hook in hooks:
        hook.remove()
    seconds = watch.runs[-1]
    seconds["phase"] -= seconds["network"]
    return values
