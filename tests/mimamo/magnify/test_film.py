"""Films with magnified motion, from the command on."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from support import films

from mimamo.cli import main
from mimamo.errors import InputError
from mimamo.magnify import MagnifySettings, magnify_film
from mimamo.magnify.frames import magnified
from mimamo.magnify.space_time import Slice, _shown
from mimamo.video import VideoReader, VideoWriter
from phasenet import magnify_motion

LENGTH = 40


def pictures(length: int = LENGTH, size: tuple[int, int] = (48, 64)) -> list[np.ndarray]:
    """A bar that swings by a fifth of a pixel, and grey around it."""
    x = np.arange(size[1])
    at = 30 + 0.2 * np.sin(2 * np.pi * 3 * np.arange(length) / 30)
    bars = [128 + 90 * np.exp(-(((x - a) / 3) ** 2)) for a in at]
    return [np.repeat(np.rint(bar)[None, :, None], 3, 2).repeat(size[0], 0).astype(np.uint8)
            for bar in bars]  # fmt: skip


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "in.mp4"
    with VideoWriter(path, 30) as writer:
        for image in pictures():
            writer.write(image)
    return path


def call(*arguments: object) -> int:
    return main([str(x) for x in arguments])


def test_the_command_writes_film_and_slice(film, tmp_path, capsys):
    out = tmp_path / "out.mp4"
    code = call(
        "magnify", film, "--factor", 10, "--band", 1, 8, "--out", out, "--side-by-side",
        "--slice", "y=20", "--orientations", 4, "--bands-per-octave", 1,
    )  # fmt: skip
    assert code == 0
    assert capsys.readouterr().out.splitlines() == [str(out), str(tmp_path / "out.slice.png")]
    frames = list(VideoReader(out))
    assert [f.time for f in frames] == pytest.approx([f.time for f in VideoReader(film)])
    assert frames[0].image.shape == (48, 128, 3)
    assert (tmp_path / "out.slice.png").stat().st_size > 5000
    # The bar's middle, in the film as it was and beside it.
    place = np.arange(64) - 30
    swings = []
    for half in (slice(0, 64), slice(64, 128)):
        bars = np.stack([f.image[24, half, 0].astype(float) for f in frames]) - 128
        bars[np.abs(bars) < 8] = 0
        swings.append(np.ptp((bars * place).sum(1) / bars.sum(1)))
    assert swings[1] > 5 * swings[0]


@pytest.mark.parametrize("temporal", ["fir", "iir"])
def test_scenes_are_magnified_by_themselves(tmp_path, temporal):
    """Else what was before a cut lies over what follows it."""
    rng = np.random.default_rng(0)
    scenes = [np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((8, 8, 1))) for _ in range(2)]
    path, said = tmp_path / "in.mp4", []
    with VideoWriter(path, 30) as writer:
        for number in range(40):
            writer.write(scenes[number // 20].astype(np.uint8))
    settings = MagnifySettings(20, 0, 15, temporal, nbands=4, bands_per_octave=1)
    magnify_film(path, tmp_path / "out.mp4", settings, warn=said.append)
    assert said == [f"{path}: 1 cut, the first at 0.7 s; each scene is magnified by itself"]
    before, after = ([f.image for f in VideoReader(x)] for x in (path, tmp_path / "out.mp4"))
    assert np.abs(np.array(before, float) - after).mean((1, 2, 3)).max() < 10


def test_frames_that_come_unevenly_are_said(tmp_path):
    path, said = tmp_path / "in.mp4", []
    with VideoWriter(path, 30) as writer:
        for number, image in enumerate(pictures(12)):
            writer.write(image, number / 30 + number // 3 * 0.2)
    settings = MagnifySettings(2, 0, 3, "iir", nbands=2, bands_per_octave=1)
    magnify_film(path, tmp_path / "out.mp4", settings, warn=said.append)
    [line] = said
    assert line.startswith(f"{path}: its frames are 0.033 to 0.233 s apart, so frequencies are")


def test_a_film_too_short_for_the_band_is_said(tmp_path, film):
    said, told = [], []
    settings = MagnifySettings(5, 1, 4, nbands=2, bands_per_octave=1, limit=0.5)
    magnify_film(
        film, tmp_path / "out.mp4", settings, warn=said.append, progress=lambda *x: told.append(x)
    )
    assert said == [
        f"{film}: 1 scene shorter than 2 periods of 1 Hz, which are 2 s; there motion does not "
        "become 5 times as large"
    ]
    assert told == sorted(told)
    assert told[-1] == ("magnifying", LENGTH, LENGTH)


@pytest.mark.parametrize("temporal", ["fir", "iir"])
def test_progress_is_told_before_frames_come(temporal):
    """The filter without delay computes many at a time."""
    told: list[float] = []
    options = {"fps": 30, "low": 4, "high": 15, "nbands": 2, "progress": told.append}
    frames = magnified(iter(pictures(20, (16, 16))), 3, temporal=temporal, **options)
    next(frames)
    assert told[-1] >= (20 if temporal == "fir" else 1)
    assert len(list(frames)) == 19
    assert told[-1] == 20


def test_another_package_of_that_name_is_named(tmp_path):
    (tmp_path / "phasenet").mkdir()
    (tmp_path / "phasenet/__init__.py").write_text("")
    code = "import mimamo.magnify"
    paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    found = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths},
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    last = found.stderr.strip().splitlines()[-1]
    assert "phasenet: expected the package that mimamo comes with, found another" in last


@pytest.mark.parametrize("length", [3, 40, 100])
def test_frames_that_come_are_those_of_the_whole_film(length, monkeypatch):
    monkeypatch.setattr("phasenet.magnification._STEP", 7)
    frames = pictures(length, (17, 40))
    options = {"fps": 30, "low": 6, "high": 12, "nbands": 3, "attenuate": True}
    whole = torch.stack([torch.from_numpy(x).permute(2, 0, 1) for x in frames])
    expected = magnify_motion(whole, 5, color=True, **options).permute(0, 2, 3, 1).numpy()
    got = np.stack(list(magnified(iter(frames), 5, **options)))
    assert got.shape == expected.shape
    assert int(np.abs(got.astype(int) - expected).max()) <= 1
    stream = np.stack(list(magnified(iter(frames), 5, temporal="iir", **options)))
    assert stream.shape == expected.shape


@pytest.mark.slow
def test_the_face_alone(tmp_path):
    source, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    with VideoWriter(source, 30) as writer:
        for image in films.face_frames("xxxxxxxx"):
            writer.write(image)
    settings = MagnifySettings(3, 2, 10, faces=True, nbands=2, bands_per_octave=1)
    assert magnify_film(source, out, settings).files == [out]
    frames = [f.image for f in VideoReader(out)]
    assert len(frames) == 8
    assert frames[0].shape == (256, 256, 3)
    with VideoWriter(source, 30) as writer:
        for image in films.face_frames("---"):
            writer.write(image)
    with pytest.raises(InputError, match="no face found"):
        magnify_film(source, tmp_path / "none.mp4", settings)
    assert not (tmp_path / "none.mp4").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--band", 8, 1], "low, high: expected low < high <= fps / 2 = 15 Hz, got 8 and 1"),
        (["--band", 1, 16], "low, high: expected"),
        (["--slice", "z=3"], "--slice: expected x=COLUMN or y=ROW, got 'z=3'"),
        (["--slice", "x=64"], "--slice: expected x from 0 to 63, got 64"),
        (["--factor", "nan"], "factor: expected a finite number"),
    ],
)
def test_what_is_refused_leaves_nothing(film, tmp_path, capsys, given, message):
    usual = {"--factor": [3], "--band": [1, 8], "--out": [tmp_path / "out.mp4"]}
    usual[given[0]] = given[1:]
    options = [x for name, values in usual.items() for x in (name, *values)]
    assert call("magnify", film, *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(x.name for x in tmp_path.iterdir()) == ["in.mp4"]


def test_no_file_is_lost(film, tmp_path, capsys):
    out = tmp_path / "out.mp4"
    out.write_text("mine")
    options = ["--factor", 3, "--band", 1, 8]
    assert call("magnify", film, *options, "--out", out) == 2
    assert "exists; give another --out or --overwrite" in capsys.readouterr().err
    assert call("magnify", film, *options, "--out", film, "--overwrite") == 2
    assert "is the input and would be written to" in capsys.readouterr().err
    assert out.read_text() == "mine"


def test_slices():
    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    assert np.array_equal(Slice.parsed("x=2").of(image), image[:, 2])
    assert np.array_equal(Slice.parsed("y=3").of(image), image[3])


def test_a_slice_shows_each_frame_until_the_next():
    times = np.array([0.0, 0.04, 0.08, 0.2, 0.24])  # two are missing
    assert _shown(times).tolist() == [0, 1, 2, 2, 2, 3, 4]
    even = 5 + np.arange(300) / 29.97
    assert _shown(even).tolist() == list(range(300))
    assert _shown(even[:1]).tolist() == [0]
