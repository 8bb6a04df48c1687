"""From a data set to its cache: the right numbers, resumed, shared, and what is wrong told."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mimamo import InputError
from mimamo.data import AffWild2, Cache, ClipDataset
from mimamo.data.cache import CachedVideo, video_path
from mimamo.extraction import ExtractResult, extract
from mimamo.extraction.backbone import sample_crops
from mimamo.extraction.shards import Shard
from mimamo.network import ResNet50, save_backbone

GREY_STEP = 4  # the image of frame n is a plain grey of 4n, which survives JPEG
MISSING = (1, 2, 3, 11, 12)


def plain(number: int, size: int = 112) -> np.ndarray:
    return np.full((size, size, 3), GREY_STEP * number, np.uint8)


def number_in(values: torch.Tensor) -> list[int]:
    return (values.float() / GREY_STEP).round().int().tolist()


@pytest.fixture
def data(tmp_path: Path, add_video) -> Path:
    """`gaps`: 37 frames; 1-3, 11, 12 without an image; 4, 15-17 not annotated. `plain`: 20."""
    root = tmp_path / "data"
    numbers = [n for n in range(1, 38) if n not in MISSING]
    annotations = [(n / 100, -n / 100) for n in range(1, 38)]
    annotations[4 - 1] = (-5, -5)
    annotations[15 - 1 : 17] = [(-5, 0.5), (0.5, -5), (-5, -5)]
    add_video(root, "Train_Set", "gaps", {n: plain(n) for n in numbers}, annotations)
    add_video(root, "Validation_Set", "plain", {n: plain(n) for n in range(1, 21)}, [(0, 0)] * 20)
    return root


@pytest.fixture
def run(data: Path, tmp_path: Path):
    """Extracts without features; what it reported is in `run.lines`."""

    def run(**settings) -> ExtractResult:
        run.lines = []
        settings = {"backbone": "small", "report": run.lines.append} | settings
        return extract(data, tmp_path / "cache", **settings)

    return run


class TestWhatIsInIt:
    def test_images_meet_their_own_annotations(self, run, tmp_path: Path) -> None:
        result = run(strict=True)
        assert (result.made, result.frames, result.problems) == (2, 52, ())
        video = Cache(tmp_path / "cache").subset("Train_Set")[0]
        expected = [n for n in range(1, 38) if n not in MISSING]
        assert video.numbers.tolist() == expected
        assert number_in(video.frames[:, 24, 24]) == expected
        annotated = [n not in (4, 15, 16, 17) for n in expected]
        assert video.sequence.annotated.tolist() == annotated
        for number, label, counts in zip(expected, video.sequence.labels, annotated, strict=True):
            if counts:
                assert label.tolist() == pytest.approx([number / 100, -number / 100])
            else:
                assert label.isnan().all()
        assert (video.frame_count, video.counted) == (37, False)

    def test_clips_of_it_show_the_frames_their_labels_are_of(self, run, tmp_path: Path) -> None:
        run()
        video = Cache(tmp_path / "cache").subset("Train_Set")[0]
        clips = list(ClipDataset([video.sequence], length=8, stride=4, num_phase=4))
        seen = set()
        for clip in clips:
            numbers = number_in(clip.frames[2:-2, 24, 24])
            for number, label, counts in zip(numbers, clip.labels, clip.mask, strict=True):
                if counts:
                    assert label[0].item() == pytest.approx(number / 100)
                    seen.add(number)
        assert seen == set(range(5, 38)) - {11, 12, 15, 16, 17}
        # Frame 4 has an image but no annotation: it is context, and the video's first frame.
        assert number_in(clips[0].frames[:4, 24, 24]) == [4, 4, 5, 6]

    def test_features_are_the_backbones(self, run, data: Path, tmp_path: Path) -> None:
        backbone = ResNet50(image_size=32, seed=3)
        run(backbone=backbone, batch_size=7)
        video = Cache(tmp_path / "cache").subset("Validation_Set")[0]
        image = cv2.imread(str(data / "cropped_aligned/plain/00007.jpg"))[..., ::-1].copy()
        with torch.no_grad():
            crops = torch.from_numpy(image)[None]
            expected = backbone.eval()(backbone.preprocess(crops))[0]
        error = (video.features[6].float() - expected).norm() / expected.norm()
        assert error < 1e-3
        assert video.features.dtype == torch.float16

    def test_a_video_longer_than_a_batch_is_whole(
        self, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run()
        expected = Cache(tmp_path / "cache").videos[0]
        frames = expected.frames.clone()
        shutil.rmtree(tmp_path / "cache")
        monkeypatch.setattr("mimamo.extraction.video._READ_AHEAD", 5)
        run()
        assert torch.equal(Cache(tmp_path / "cache").videos[0].frames, frames)

    def test_faces_without_annotations_are_the_test_set(
        self, run, data: Path, tmp_path: Path
    ) -> None:
        (data / "annotations/Validation_Set/plain.txt").unlink()
        run(strict=True)
        (video,) = Cache(tmp_path / "cache").subset("Test_Set")
        assert (len(video), len(video.annotations), video.annotated_frames) == (20, 0, 0)

    def test_only_some_subsets(self, run, tmp_path: Path) -> None:
        assert run(subsets=["Validation_Set"]).made == 1
        assert [v.name for v in Cache(tmp_path / "cache").videos] == ["plain"]

    def test_raw_videos_go_through_the_face_path(self, tmp_path: Path, film) -> None:
        root = tmp_path / "raw"
        for subset in ("Train_Set", "Validation_Set"):
            (root / "annotations" / subset).mkdir(parents=True)
        (root / "videos").mkdir()
        film(root / "videos" / "face.mp4", "..xxxx.x")
        lines = [f"{n / 10},0" for n in range(8)]
        (root / "annotations/Train_Set/face.txt").write_text("\n".join(["valence,arousal", *lines]))
        extract(root, tmp_path / "cache", backbone="small", strict=True)
        (video,) = Cache(tmp_path / "cache").videos
        assert video.numbers.tolist() == [3, 4, 5, 6, 8]
        assert (video.frame_count, video.counted) == (8, True)
        np.testing.assert_allclose(
            video.sequence.labels[:, 0], [0.2, 0.3, 0.4, 0.5, 0.7], atol=1e-6
        )

    def test_the_video_beside_the_faces_tells_their_number(
        self, run, data: Path, tmp_path: Path, film
    ) -> None:
        (data / "videos").mkdir()
        film(data / "videos" / "plain.mp4", "." * 20)
        run(strict=True)
        video = Cache(tmp_path / "cache").subset("Validation_Set")[0]
        assert (video.frame_count, video.counted) == (20, True)


class TestBadInput:
    """Told with file and line, counted, the rest kept; fatal with `strict`."""

    def check(self, run, pattern: str, tmp_path: Path, *, skipped: bool = False) -> Cache:
        with pytest.raises(InputError, match=pattern):
            run(strict=True)
        result = run()
        lines = result.skipped if skipped else result.problems
        assert len(lines) == 1
        assert re.search(pattern, lines[0])
        assert lines[0] in run.lines
        assert f"{int(skipped)} not used" in run.lines[-2]
        assert f"{int(not skipped)} problems" in run.lines[-2]
        return Cache(tmp_path / "cache")

    def test_an_image_that_cannot_be_read(self, run, data: Path, tmp_path: Path) -> None:
        path = data / "cropped_aligned/gaps/00007.jpg"
        path.write_bytes(path.read_bytes()[:200])
        cache = self.check(run, r"gaps/00007\.jpg: .*; left out", tmp_path)
        assert 7 not in cache.videos[0].numbers.tolist()
        assert len(cache.videos[0]) == 31

    def test_an_image_of_another_size(self, run, data: Path, tmp_path: Path) -> None:
        cv2.imwrite(str(data / "cropped_aligned/gaps/00007.jpg"), plain(7, 56))
        cache = self.check(run, r"gaps/00007\.jpg: 56x56 pixels instead of 112x112", tmp_path)
        assert number_in(cache.videos[0].frames[:, 24, 24])[3] == 7

    def test_an_image_that_is_not_square(self, run, data: Path, tmp_path: Path) -> None:
        cv2.imwrite(str(data / "cropped_aligned/gaps/00007.jpg"), plain(7)[:90])
        cache = self.check(run, r"gaps/00007\.jpg: expected .* got 112x90; left out", tmp_path)
        assert len(cache.videos[0]) == 31

    @pytest.mark.parametrize("line", ["2,0", "0,-1.01", "a,0", "0;0", ""])
    def test_a_malformed_line(self, run, data: Path, tmp_path: Path, line: str) -> None:
        path = data / "annotations/Validation_Set/plain.txt"
        path.write_text("valence,arousal\n0,0\n" + line + "\n" + "0,0\n" * 18)
        cache = self.check(run, r"plain\.txt:3: expected valence,arousal", tmp_path)
        assert cache.videos[1].annotated_frames == 19

    def test_annotations_shorter_than_the_frames(self, run, data: Path, tmp_path: Path) -> None:
        path = data / "annotations/Validation_Set/plain.txt"
        path.write_text("valence,arousal\n" + "0,0\n" * 15)
        pattern = r"plain\.txt:16: shorter than the frames: .* 15 frames, .* 20 \(.*00020\.jpg"
        cache = self.check(run, pattern, tmp_path)
        assert cache.videos[1].annotated_frames == 15

    def test_annotations_longer_than_the_frames(self, run, data: Path, tmp_path: Path) -> None:
        path = data / "annotations/Validation_Set/plain.txt"
        path.write_text("valence,arousal\n" + "0,0\n" * 23)
        cache = self.check(run, r"plain\.txt:22: longer than the frames: 3 annotated", tmp_path)
        assert cache.videos[1].annotated_frames == 20
        assert len(cache.videos[1].annotations) == 23

    def test_faces_beyond_the_video(self, run, data: Path, tmp_path: Path, film) -> None:
        (data / "videos").mkdir()
        film(data / "videos" / "plain.mp4", "." * 18)
        self.check(run, r"plain/00020\.jpg: is numbered beyond the 18 frames of .*mp4", tmp_path)

    def test_a_missing_header(self, run, data: Path, tmp_path: Path) -> None:
        (data / "annotations/Validation_Set/plain.txt").write_text("0,0\n" * 20)
        cache = self.check(run, r"plain\.txt:1: expected the header", tmp_path, skipped=True)
        assert [v.name for v in cache.videos] == ["gaps"]
        assert list(cache.skipped) == ["plain"]

    def test_a_video_without_an_annotated_frame(self, run, data: Path, tmp_path: Path) -> None:
        path = data / "annotations/Validation_Set/plain.txt"
        path.write_text("valence,arousal\n" + "-5,-5\n" * 20)
        self.check(run, r"plain\.txt: no frame is annotated", tmp_path, skipped=True)

    def test_a_frame_number_twice(self, run, data: Path, tmp_path: Path) -> None:
        cv2.imwrite(str(data / "cropped_aligned/plain/5.png"), plain(5))
        self.check(run, r"5\.png: 00005\.jpg has the same number", tmp_path, skipped=True)

    def test_a_folder_without_images(self, run, data: Path, tmp_path: Path) -> None:
        for path in (data / "cropped_aligned/plain").iterdir():
            path.rename(path.with_name("x" + path.name))
        self.check(run, r"plain: expected images named by number", tmp_path, skipped=True)

    def test_what_is_mended_is_taken_up(self, run, data: Path, tmp_path: Path) -> None:
        path = data / "annotations/Validation_Set/plain.txt"
        good = path.read_text()
        path.write_text("0,0\n")
        assert len(run().skipped) == 1
        path.write_text(good)
        result = run()
        assert (result.made, result.kept, result.skipped) == (1, 1, ())
        cache = Cache(tmp_path / "cache")
        assert (len(cache.videos), cache.skipped) == (2, {})

    def test_features_that_are_not_finite_end_it(self, run) -> None:
        backbone = ResNet50(image_size=32, seed=0)
        torch.nn.init.constant_(backbone.stem.bn.weight, 1e30)
        with pytest.raises(InputError, match=r"^backbone: features of .* are not finite"):
            run(backbone=backbone)


class TestResume:
    def test_what_is_there_is_kept(self, run, tmp_path: Path) -> None:
        run()
        before = {p: p.stat().st_mtime_ns for p in (tmp_path / "cache/videos").iterdir()}
        result = run()
        assert (result.made, result.kept, result.frames) == (0, 2, 52)
        assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "cache/videos").iterdir()}

    def test_a_file_cut_short_is_made_again(self, run, tmp_path: Path) -> None:
        run()
        path = video_path(tmp_path / "cache", "plain")
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        assert (run().made, path.read_bytes()) == (1, whole)
        assert any("plain.safetensors: cut short" in line for line in run.lines)

    def test_changed_annotations_are_read_again(self, run, data: Path, tmp_path: Path) -> None:
        run()
        path = data / "annotations/Validation_Set/plain.txt"
        path.write_text("valence,arousal\n" + "0.5,0.5\n" * 20)
        assert run().made == 1
        labels = Cache(tmp_path / "cache").videos[1].sequence.labels
        assert (labels == 0.5).all()

    def test_other_weights_are_refused(self, run, tmp_path: Path) -> None:
        files = []
        for seed in (0, 1):
            files.append(tmp_path / f"{seed}.safetensors")
            save_backbone(files[-1], ResNet50(image_size=32, seed=seed))
        run(backbone=files[0])
        before = {p: p.read_bytes() for p in (tmp_path / "cache").rglob("*") if p.is_file()}
        with pytest.raises(
            InputError, match=r"cache: made with other weights, SHA-256 \w{12}…, not"
        ):
            run(backbone=files[1])
        with pytest.raises(InputError, match="made with other weights"):
            run(backbone="small")
        assert {p: p.read_bytes() for p in (tmp_path / "cache").rglob("*") if p.is_file()} == before
        assert run(backbone=files[0]).kept == 2

    def test_the_same_file_with_other_weights_is_refused(self, run, tmp_path: Path) -> None:
        path = tmp_path / "w.safetensors"
        save_backbone(path, ResNet50(image_size=32, seed=0))
        run(backbone=path)
        save_backbone(path, ResNet50(image_size=32, seed=1))
        with pytest.raises(InputError, match="made with other weights"):
            run(backbone=path)

    def test_random_weights_are_those_of_the_first_run(self, run, tmp_path: Path) -> None:
        run(backbone="random", image_size=32)
        assert run(backbone="random", image_size=32).kept == 2
        with pytest.raises(InputError, match="made with other weights"):
            run(backbone="random", image_size=32, seed=1)

    def test_a_folder_of_something_else_is_refused(self, run, tmp_path: Path) -> None:
        (tmp_path / "cache").mkdir()
        (tmp_path / "cache/thesis.txt").write_text("years of work")
        with pytest.raises(InputError, match=r"expected a cache or an empty folder.*thesis"):
            run()
        assert [p.name for p in (tmp_path / "cache").iterdir()] == ["thesis.txt"]

    def test_killed_anywhere_it_goes_on_to_the_same_bytes(
        self, run, data: Path, tmp_path: Path, add_video
    ) -> None:
        for number in range(12):
            images = {n: plain(n) for n in range(1, 60)}
            add_video(data, "Train_Set", f"more-{number}", images, [(0.1, 0.2)] * 59)
        expected = tmp_path / "expected"
        extract(data, expected, backbone="small")
        arguments = [sys.executable, "-m", "mimamo", "extract", str(data), "--backbone", "small"]
        killed = 0
        for delay in (1.6, 1.8, 2.0):
            command = [*arguments, "--out", str(tmp_path / "cache")]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            time.sleep(delay)
            killed += process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
            for path in (tmp_path / "cache").glob("videos/more*.safetensors"):
                assert path.read_bytes() == (expected / "videos" / path.name).read_bytes()
        run()
        found = {p.name: p.read_bytes() for p in (tmp_path / "cache/videos").iterdir()}
        assert found == {p.name: p.read_bytes() for p in (expected / "videos").iterdir()}
        assert killed


class TestShards:
    def test_they_share_the_videos(self, run, data: Path, tmp_path: Path, add_video) -> None:
        for number, count in enumerate((30, 5, 40, 10)):
            images = {n: plain(n) for n in range(1, count + 1)}
            add_video(data, "Train_Set", f"more-{number}", images, [(0, 0)] * count)
        first = run(shard=Shard(0, 2))
        with pytest.raises(InputError, match="incomplete"):
            Cache(tmp_path / "cache")
        second = run(shard=Shard(1, 2))
        assert first.made + second.made == 6
        assert abs(first.frames - second.frames) <= 10
        assert len(Cache(tmp_path / "cache").videos) == 6

    def test_torchrun_starts_them(self, data: Path, tmp_path: Path) -> None:
        out = tmp_path / "cache"
        command = [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("-m", "mimamo", "extract", str(data), "--backbone", "small", "--out", str(out)),
        ]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        assert "process 1 of 2" in done.stdout
        assert "process 2 of 2" in done.stdout
        assert len(Cache(out).videos) == 2


class TestFullDisk:
    @pytest.fixture
    def small_disk(self, tmp_path: Path):
        """A file system of 3 MB, where one may be mounted."""
        place = tmp_path / "disk"
        place.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], capture_output=True
        )
        if mounted.returncode:
            pytest.skip("a file system may not be mounted here, which needs root")
        yield place
        subprocess.run(["umount", str(place)], check=True)

    def test_it_is_named_and_what_is_there_stays_whole(
        self, data: Path, small_disk: Path, add_video
    ) -> None:
        for number in range(3):
            images = {n: plain(n % 60) for n in range(1, 400)}
            add_video(data, "Train_Set", f"long-{number}", images, [(0, 0)] * 399)
        lines: list[str] = []
        out = small_disk / "cache"
        with pytest.raises(
            InputError, match=r"long-\d\.safetensors: cannot be written: .*[Nn]o space"
        ):
            extract(data, out, backbone="small", report=lines.append)
        assert any("need about" in line and "are free" in line for line in lines)
        files = list((out / "videos").iterdir())
        assert not [path for path in files if path.name.startswith(".")]
        assert len(files) >= 1
        for path in files:
            CachedVideo.load(path)
        for path in (data / "cropped_aligned").glob("long-[12]/*"):
            path.unlink()
        for number in (1, 2):
            (data / f"annotations/Train_Set/long-{number}.txt").unlink()
        for path in (out / "videos").glob("long-[12]*"):
            path.unlink()
        shutil.rmtree(data / "cropped_aligned/long-1")
        shutil.rmtree(data / "cropped_aligned/long-2")
        assert extract(data, out, backbone="small").skipped == ()
        assert len(Cache(out).videos) == 3


class TestSampleCrops:
    def sample(self, data: Path, count: int, seed: int = 0) -> list[int]:
        generator = torch.Generator().manual_seed(seed)
        crops = sample_crops(AffWild2(data).videos(), generator, count=count)
        assert crops.dtype == torch.uint8
        return number_in(crops[:, 50, 50, 0])

    def test_they_come_in_random_order_and_once(self, data: Path) -> None:
        samples = [self.sample(data, 9, seed) for seed in range(30)]
        assert all(len(sample) == 9 for sample in samples)
        assert all(sample != sorted(sample) for sample in samples)
        assert len({number for sample in samples for number in sample}) > 25

    def test_the_seed_decides(self, data: Path) -> None:
        assert self.sample(data, 9, 1) == self.sample(data, 9, 1)
        assert self.sample(data, 9, 1) != self.sample(data, 9, 2)

    def test_no_more_than_there_are_and_broken_ones_passed_over(self, data: Path) -> None:
        (data / "cropped_aligned/plain/00003.jpg").write_bytes(b"")
        assert len(self.sample(data, 1000)) == 51
