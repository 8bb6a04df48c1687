"""The plain pipeline that `mimamo predict` is compared with: one stage after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mimamo.faces import CenterFace, observe_faces, phase_frames
from mimamo.model import MIMAMONet, ResNet50
from mimamo.predict.clips import predict_sequence
from mimamo.predict.render.plot import save_plot
from mimamo.predict.table import Predictions, fill_missing, write_predictions
from mimamo.video import VideoReader

BATCH = 32  # faces per pass


def predict_plainly(
    video: Path, network: MIMAMONet, spatial: Callable[[np.ndarray], Tensor], out_dir: Path
) -> np.ndarray:
    """Predict a video and write its table and plot; return the values ``[T, 2]``.

    What the command did before its stages overlapped: faces are found, then their features are
    computed by batches, and the network follows. Each step has all threads.
    """
    faces = list(observe_faces(VideoReader(video), CenterFace()))
    numbers = np.array([face.face for face in faces])
    found = numbers > 0
    crops = [face.crop for face in faces if face.crop is not None]
    values = np.empty((0, 2), np.float32)
    if crops:
        batches = [np.stack(crops[i : i + BATCH]) for i in range(0, len(crops), BATCH)]
        features = torch.cat([spatial(batch) for batch in batches])
        size = network.config.phase_size
        greys = np.concatenate([phase_frames(batch, size) for batch in batches])
        values = np.empty((len(crops), 2), np.float32)
        for number in np.unique(numbers[found]):  # nothing runs from one face to the next
            own = numbers[found] == number
            values[own] = predict_sequence(network, features[own], greys[own])
    times = [face.time for face in faces]
    predictions = Predictions(np.array(times), numbers, fill_missing(values, found))
    write_predictions(out_dir / "plain.csv", predictions)
    save_plot(out_dir / "plain.png", predictions, "plain")
    return predictions.values


def plain_spatial(
    backbone: ResNet50, device: str, memory_format: torch.memory_format
) -> Callable[[np.ndarray], Tensor]:
    """Features by the backbone as it is, in float32, BatchNorm by itself; it is moved in place."""
    backbone = backbone.eval().to(device, memory_format=memory_format)

    @torch.inference_mode()
    def spatial(crops: np.ndarray) -> Tensor:
        images = backbone.preprocess(torch.from_numpy(crops).to(device))
        return backbone(images.contiguous(memory_format=memory_format)).cpu()

    return spatial
