"""Damage to a cache is named, whatever was damaged and whenever."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.damage import flipped, flips

from mimamo import InputError
from mimamo.data import CachedVideo
from mimamo.data.cache import Cache, Manifest, video_path
from mimamo.data.clips import ClipDataset
from mimamo.files import replacing
from mimamo.tensor_file import TensorFile

D, S = 16, 8


def a_video(name: str, frames: int = 500) -> CachedVideo:
    generator = torch.Generator().manual_seed(frames)
    return CachedVideo(
        name=name,
        subset="Train_Set",
        features=torch.rand(frames, D, generator=generator).half(),
        frames=torch.randint(0, 256, (frames, S, S), generator=generator).to(torch.uint8),
        numbers=torch.arange(1, frames + 1, dtype=torch.int32),
        annotations=torch.rand(frames, 2, generator=generator),
        frame_count=frames,
        counted=True,
        unit="frame",
        source="/there",
        problems=("one: thing",),
        fingerprint="f00",
        stamp="5ta",
        made_with={"weights_sha256": "5ha", "phase_size": S},
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A cache of two videos."""
    (tmp_path / "videos").mkdir()
    for name in ("a", "b"):
        a_video(name).save(video_path(tmp_path, name))
    names = dict.fromkeys("ab", "Train_Set")
    Manifest("Aff-Wild2", "frame", "/data", {"given": "w.pth"}, "5ha", D, S, names).save(tmp_path)
    return tmp_path


def says(video: CachedVideo) -> tuple:
    tensors = ("features", "frames", "numbers", "annotations")
    rest = ("name", "subset", "frame_count", "problems", "fingerprint", "stamp", "made_with")
    parts = [getattr(video, name)[:].numpy().tobytes() for name in tensors]
    return *parts, *(getattr(video, name) for name in rest)


class TestBits:
    @pytest.mark.parametrize("part", ["header", "arrays"])
    def test_none_is_flipped_in_silence(self, root: Path, part: str) -> None:
        path = video_path(root, "a")
        whole, expected = path.read_bytes(), says(CachedVideo.load(path))
        header = 8 + int.from_bytes(whole[:8], "little")
        begin, end = (0, header) if part == "header" else (header, len(whole))
        messages = []
        for place, bit in flips(end - begin, 300):
            path.write_bytes(flipped(whole, begin + place, bit))
            try:
                assert says(CachedVideo.load(path)) == expected  # white space of the header
            except InputError as error:
                messages.append(str(error))
        assert all(line.startswith(f"{path}: ") and "\n" not in line for line in messages)
        assert len(messages) == 300 if part == "arrays" else len(messages) > 280

    def test_nor_a_page_lost(self, root: Path) -> None:
        path = video_path(root, "a")
        whole = path.read_bytes()
        for begin in range(0, len(whole) - 4096, 4096):
            path.write_bytes(whole[:begin] + bytes(4096) + whole[begin + 4096 :])
            with pytest.raises(InputError, match=r"a\.safetensors: .*run `mimamo extract` again"):
                Cache(root)

    def test_nor_one_of_the_manifest(self, root: Path) -> None:
        path = root / "manifest.json"
        whole, expected = path.read_bytes(), Manifest.load(root)
        messages = []
        for place, bit in flips(len(whole), 300):
            path.write_bytes(flipped(whole, place, bit))
            try:
                assert Manifest.load(root) == expected  # white space
            except InputError as error:
                messages.append(str(error))
        assert all(line.startswith(str(root)) for line in messages)
        assert len(messages) > 240


class TestWhatNoVideoHas:
    """Such a file may have the right checksum."""

    @pytest.mark.parametrize(
        ("part", "value", "message"),
        [
            ("features", torch.nan, "cut short or damaged (features: expected finite numbers)"),
            ("features", torch.inf, "cut short or damaged (features: expected finite numbers)"),
            ("annotations", 1e38, "damaged: annotations: expected valence and arousal in [-1, 1]"),
            ("annotations", -torch.inf, "damaged: annotations: expected valence and arousal in "),
            ("numbers", 20_000_000, "damaged: frame_count: expected up to 10000000, got 500"),
        ],
    )
    def test_it_is_named(self, root: Path, part: str, value: float, message: str) -> None:
        path, video = video_path(root, "a"), a_video("a")
        array = getattr(video, part).clone()
        array.view(-1)[-1] = value
        replace(video, **{part: array}).save(path)
        with pytest.raises(InputError) as error:
            Cache(root)
        assert str(error.value).startswith(f"{path}: {message}")
        assert "; run `mimamo extract` again" in str(error.value)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("frame_count", "x"), ("frame_count", None), ("frame_count", 10**12)),
            *(("unit", "day"), ("source", "/\ud800")),
        ],
    )
    def test_nor_what_its_note_says(self, root: Path, name: str, value: object) -> None:
        path = video_path(root, "a")
        replace(a_video("a"), **{name: value}).save(path)
        with pytest.raises(InputError, match=rf"a\.safetensors: damaged: {name}: "):
            Cache(root)


class TestWhileItIsUsed:
    def test_a_file_cut_short_is_named(self, root: Path) -> None:
        """Of a mapped file it was the end of the process."""
        sequence = Cache(root).videos[0].sequence
        clips = ClipDataset([sequence], length=8, stride=8, num_phase=2)
        assert clips[0].frames.shape == (10, S, S)
        path = video_path(root, "a")
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(InputError, match=r"a\.safetensors: was changed while it was used"):
            clips.gather([0, len(clips) - 1])

    def test_one_in_its_place_is_named(self, root: Path) -> None:
        video = Cache(root).videos[0]
        a_video("a", 600).save(video_path(root, "a"))
        with pytest.raises(InputError, match=r"a\.safetensors: was changed while it was used"):
            video.features[:]

    def test_one_that_was_written_into_is_named(self, root: Path) -> None:
        """Of the same size, in the same place."""
        video, path = Cache(root).videos[0], video_path(root, "a")
        written = path.stat()
        path.write_bytes(flipped(path.read_bytes(), written.st_size - 1, 0))
        os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns + 1))
        with pytest.raises(InputError, match=r"a\.safetensors: was changed while it was used"):
            video.features[:]

    def test_rows_are_those_of_the_array(self, root: Path) -> None:
        video, expected = CachedVideo.load(video_path(root, "a")), a_video("a")
        for rows in (slice(None), slice(3, 7), slice(7, 3), slice(490, 900), slice(-3, None)):
            assert torch.equal(video.features[rows], expected.features[rows])
        for some in ([5], [0, 0, 1, 1], [499, 2, 499], []):
            chosen = torch.tensor(some, dtype=torch.int64)
            assert torch.equal(video.frames[chosen], expected.frames[chosen])


class TestWithoutAChecksum:
    def test_a_video_is_named(self, root: Path) -> None:
        path = video_path(root, "a")
        note = TensorFile.open(path).note("mimamo_cache")
        del note["crc32"]
        save_file(load_file(path), path, {"mimamo_cache": json.dumps(note)})
        message = r"a\.safetensors: .*do not have its checksum\); run `mimamo extract` again"
        with pytest.raises(InputError, match=message):
            Cache(root)

    def test_a_manifest_is_named(self, root: Path) -> None:
        path = root / "manifest.json"
        content = json.loads(path.read_text())
        del content["crc32"]
        path.write_text(json.dumps(content))
        message = r"manifest\.json: .*do not have its checksum; delete it and run `mimamo extract`"
        with pytest.raises(InputError, match=message):
            Cache(root)


def test_a_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: done.append(os.fstat(handle).st_ino))
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("a")
        assert done == []
        expected = [temporary.stat().st_ino]
    assert done == expected
