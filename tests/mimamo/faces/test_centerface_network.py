"""CenterFace's network in torch: what OpenCV's engine computes, and files that are not its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mimamo.errors import InputError
from mimamo.faces.centerface import bundled_model
from mimamo.faces.centerface_network import CenterFaceNetwork
from mimamo.faces.onnx_weights import read_weights


@pytest.fixture(scope="module")
def network() -> CenterFaceNetwork:
    return CenterFaceNetwork(bundled_model())


@pytest.mark.parametrize("shape", [(64, 64), (96, 64), (192, 320)])
def test_is_that_of_opencv(network, detector, shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    expected = np.concatenate(detector._run(image))
    got = network(torch.from_numpy(image).permute(2, 0, 1)[None].float())[0].numpy()
    assert got.shape == expected.shape == (15, shape[0] // 4, shape[1] // 4)
    scales = np.abs(expected).max(axis=(1, 2), keepdims=True)
    assert (np.abs(got - expected) / scales).max() < 1e-4


def test_a_picture_is_not_changed_by_those_beside_it(network):
    pictures = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 255
    together = network(pictures)
    for one, picture in zip(together, pictures, strict=True):
        torch.testing.assert_close(one, network(picture[None])[0], rtol=1e-4, atol=1e-4)


class TestFile:
    def test_weights_are_in_the_order_of_their_use(self):
        shapes = [array.shape for array in read_weights(bundled_model())]
        assert shapes[:3] == [(32, 3, 3, 3), (32,), (32, 1, 3, 3)]
        assert shapes[-1] == (10,)

    @pytest.mark.parametrize(
        "content",
        [
            b"not a network",
            b"\x3a\xff\xff\xff\xff\x0f",  # a graph longer than the file
            b"\x3a" + 20 * b"\xff",  # whose length has no end
            b"\x3a\x05\x2a\x03\x08\xff\x80",  # whose tensor ends within a number
            b"\x3b",  # a kind of field that there is not
            # A tensor of a size that no array has, and one of fewer bytes than its shape says.
            b"\x3a\x12\x2a\x10\x08" + 9 * b"\xff" + b"\x01\x10\x01\x42\x01a",
            b"\x3a\x0b\x2a\x09\x08\x07\x10\x01\x42\x01a\x4a\x00",
        ],
    )
    def test_something_else(self, tmp_path, content):
        path = tmp_path / "other.onnx"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"other\.onnx: expected an ONNX file, got something"):
            read_weights(path)

    def test_cut_off(self, tmp_path):
        path, whole = tmp_path / "half.onnx", bundled_model().read_bytes()
        for length in np.linspace(1, len(whole) - 1, 7).astype(int):
            path.write_bytes(whole[:length])
            with pytest.raises(InputError, match=r"half\.onnx: expected an ONNX file"):
                CenterFaceNetwork(path)

    def test_of_another_network(self, tmp_path):
        path = tmp_path / "empty.onnx"
        path.write_bytes(b"")
        with pytest.raises(InputError, match=r"empty\.onnx: expected a CenterFace ONNX file"):
            CenterFaceNetwork(path)

    def test_missing(self, tmp_path):
        with pytest.raises(InputError, match=r"none\.onnx: cannot be read"):
            CenterFaceNetwork(tmp_path / "none.onnx")
