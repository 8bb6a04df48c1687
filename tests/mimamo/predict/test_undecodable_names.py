"""A folder of faces, or a data set's video, whose name is no UTF-8."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import pytest
from support.plain_faces import plain

from mimamo import MIMAMOConfig, MIMAMONet, save_checkpoint
from mimamo.check import check_folder
from mimamo.cli import main
from mimamo.data import Cache
from mimamo.extract import extract
from mimamo.model import SmallBackbone

NAME = os.fsdecode(b"caf\xe9")


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    try:
        (tmp_path / NAME).mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    (tmp_path / NAME).rmdir()
    return tmp_path


def test_it_is_predicted(odd: Path, capsys: pytest.CaptureFixture) -> None:
    weights, faces = odd / "w.safetensors", odd / NAME
    network = MIMAMONet(MIMAMOConfig(feature_dim=128, channels=(4, 4, 4), hidden=4, rnn_hidden=4))
    save_checkpoint(weights, network, SmallBackbone())
    faces.mkdir()
    for number in range(1, 4):
        (faces / f"{number}.png").write_bytes(cv2.imencode(".png", plain(number))[1].tobytes())
    out = odd / "out"
    assert main(["predict", str(faces), "--weights", str(weights), "--out", str(out)]) == 0
    assert (
        f"{out}/caf\\xe9.csv: face found in 3 of 3 frames (aligned faces" in capsys.readouterr().out
    )
    assert sorted(path.name for path in out.iterdir()) == [f"{NAME}.csv", f"{NAME}.png"]


def test_it_is_extracted(odd: Path, add_video) -> None:
    data, cache = odd / "data", odd / "cache"
    add_video(data, "Train_Set", "x", {n: plain(n) for n in range(1, 4)}, [(0, 0)] * 3)
    (data / "cropped_aligned/x").rename(data / "cropped_aligned" / NAME)
    (data / "annotations/Train_Set/x.txt").rename(data / f"annotations/Train_Set/{NAME}.txt")
    assert extract(data, cache, backbone="small").made == 1
    (video,) = Cache(cache).videos
    assert (video.name, len(video)) == (NAME, 3)
    assert check_folder(cache) == []
    assert extract(data, cache, backbone="small").kept == 1
