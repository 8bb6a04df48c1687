"""What is wrong with a data set is told, counted and left out, and a full disk is named."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import cv2
import pytest
import torch
from support.plain_faces import number_in, plain

from mimamo import InputError
from mimamo.data import AffWild2, Cache
from mimamo.data.cached_video import CachedVideo
from mimamo.extract import extract
from mimamo.model import ResNet50
from mimamo.shards import Shard


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
        assert f"faces, {'0 problems' if skipped else '1 problem'}, " in run.lines[-2]
        return Cache(tmp_path / "cache")

    def test_an_image_that_cannot_be_read(self, run, data: Path, tmp_path: Path) -> None:
        path = data / "cropped_aligned/gaps/00007.jpg"
        path.write_bytes(path.read_bytes()[:200])
        cache = self.check(run, r"gaps/00007\.jpg: .*; left out", tmp_path)
        assert 7 not in cache.videos[0].numbers.tolist()
        assert len(cache.videos[0]) == 31

    def test_an_image_that_is_a_link_to_nothing(self, run, data: Path, tmp_path: Path) -> None:
        path = data / "cropped_aligned/gaps/00007.jpg"
        path.unlink()
        path.symlink_to("nowhere")
        cache = self.check(run, r"7\.jpg: cannot be read as an image: No such file", tmp_path)
        assert len(cache.videos[0]) == 31
        assert run().kept == 2

    @pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
    def test_an_image_that_is_no_file(self, run, data: Path, tmp_path: Path, make) -> None:
        """Reading a pipe would wait for ever."""
        path = data / "cropped_aligned/gaps/00007.jpg"
        path.unlink()
        make(path)
        cache = self.check(run, r"7\.jpg: expected an image, got a (device|folder)", tmp_path)
        assert len(cache.videos[0]) == 31
        assert run().kept == 2

    def test_an_image_of_another_size(self, run, data: Path, tmp_path: Path) -> None:
        cv2.imwrite(str(data / "cropped_aligned/gaps/00007.jpg"), plain(7, 56))
        cache = self.check(run, r"gaps/00007\.jpg: 56x56 pixels instead of 112x112", tmp_path)
        assert number_in(cache.videos[0].frames[:][:, 24, 24])[3] == 7

    def test_an_image_that_is_not_square(self, run, data: Path, tmp_path: Path) -> None:
        cv2.imwrite(str(data / "cropped_aligned/gaps/00007.jpg"), plain(7)[:90])
        pattern = r"gaps/00007\.jpg: 112x90 pixels .*; the middle square resized"
        cache = self.check(run, pattern, tmp_path)
        assert number_in(cache.videos[0].frames[:][:, 24, 24])[3] == 7

    def test_an_image_that_is_not_square_may_be_refused(self, run, data: Path, tmp_path) -> None:
        """Also by a cache that has it: how faces are read is part of what it is made of."""
        cv2.imwrite(str(data / "cropped_aligned/gaps/00007.jpg"), plain(7)[:90])
        assert run().made == 2
        dataset = AffWild2(data, crop="refuse")
        result = extract(dataset, tmp_path / "cache", backbone="small")
        assert "got 112x90; left out" in result.problems[0]
        assert len(Cache(tmp_path / "cache").videos[0]) == 31

    @pytest.mark.parametrize("line", ["2,0", "0,-1.01", "a,0", "0;0", ""])
    def test_a_malformed_line(self, run, data: Path, tmp_path: Path, line: str) -> None:
        path = data / "annotations/Validation_Set/plain.txt"
        path.write_text("valence,arousal\n0,0\n" + line + "\n" + "0,0\n" * 18)
        cache = self.check(run, r"plain\.txt:3: expected valence,arousal", tmp_path)
        assert cache.videos[1].annotated_frames == 19

    def test_annotations_shorter_than_the_frames(self, run, data: Path, tmp_path: Path) -> None:
        path = data / "annotations/Validation_Set/plain.txt"
        path.write_text("valence,arousal\n" + "0,0\n" * 15)
        pattern = r"plain\.txt:16: shorter than the frames: .* 15 of 20 frames \(.*00020\.jpg"
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

    def test_a_video_that_cannot_be_read_beside_its_faces(
        self, run, data: Path, tmp_path: Path
    ) -> None:
        (data / "videos").mkdir()
        (data / "videos/plain.mp4").write_bytes(b"no video")
        pattern = r"plain\.mp4: expected a video, .*; the last image of .*/plain counts as"
        cache = self.check(run, pattern, tmp_path)
        assert [len(video) for video in cache.videos] == [32, 20]

    def test_a_missing_header(self, run, data: Path, tmp_path: Path) -> None:
        (data / "annotations/Validation_Set/plain.txt").write_text("0,0\n" * 20)
        cache = self.check(run, r"plain\.txt:1: expected the header", tmp_path, skipped=True)
        assert [v.name for v in cache.videos] == ["gaps"]
        assert list(cache.skipped) == ["plain"]

    def test_a_video_without_an_annotated_frame(self, run, data: Path, tmp_path: Path) -> None:
        path = data / "annotations/Validation_Set/plain.txt"
        path.write_text("valence,arousal\n" + "-5,-5\n" * 20)
        self.check(run, r"plain\.txt: no frame is annotated", tmp_path, skipped=True)

    @pytest.mark.parametrize("lines", ["", "-5,-5\n" * 20])
    def test_a_test_video_without_an_annotated_frame_is_predicted(
        self, run, data: Path, tmp_path: Path, lines: str
    ) -> None:
        """The test set's annotations are handed out empty."""
        path = data / "annotations/Test_Set/plain.txt"
        path.parent.mkdir()
        (data / "annotations/Validation_Set/plain.txt").unlink()
        path.write_text("valence,arousal\n" + lines)
        result = run(strict=True)
        assert (result.made, result.skipped) == (2, ())
        (video,) = Cache(tmp_path / "cache").subset("Test_Set")
        assert (len(video), video.annotated_frames) == (20, 0)

    def test_a_frame_number_twice(self, run, data: Path, tmp_path: Path) -> None:
        cv2.imwrite(str(data / "cropped_aligned/plain/5.png"), plain(5))
        self.check(run, r"5\.png: 00005\.jpg has the same number", tmp_path, skipped=True)

    def test_a_folder_without_images(self, run, data: Path, tmp_path: Path) -> None:
        for path in (data / "cropped_aligned/plain").iterdir():
            path.rename(path.with_name("x" + path.name))
        self.check(run, r"plain: expected images named by number", tmp_path, skipped=True)

    def test_annotations_without_faces(self, run, data: Path, tmp_path: Path) -> None:
        path = data / "annotations/Train_Set/faceless.txt"
        path.write_text("valence,arousal\n0,0\n")
        cache = self.check(run, r"Train_Set/faceless\.txt: no faces in .*; not used", tmp_path)
        assert [v.name for v in cache.videos] == ["gaps", "plain"]

    def test_faces_without_annotations_beside_annotated_ones_are_no_problem(
        self, run, data: Path
    ) -> None:
        shutil.copytree(data / "cropped_aligned/plain", data / "cropped_aligned/plain_right")
        said: list[str] = []
        assert not run(strict=True, report=said.append).problems
        assert any("plain_right: beside annotated faces" in line for line in said)

    def test_what_is_left_out_is_counted_by_one_process_and_fatal_in_each(
        self, run, data: Path
    ) -> None:
        (data / "annotations/Train_Set/faceless.txt").write_text("valence,arousal\n0,0\n")
        assert [len(run(shard=Shard(n, 2)).problems) for n in range(2)] == [1, 0]
        for n in range(2):
            with pytest.raises(InputError, match="no faces in"):
                run(shard=Shard(n, 2), strict=True)

    def test_a_data_set_asked_twice_counts_once(self, data: Path, tmp_path: Path) -> None:
        (data / "annotations/Train_Set/faceless.txt").write_text("valence,arousal\n0,0\n")
        dataset = AffWild2(data)
        for _ in range(2):
            assert len(extract(dataset, tmp_path / "cache", backbone="small").problems) == 1

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

    def test_one_face_is_too_few_for_random_weights(self, tmp_path: Path, add_video) -> None:
        """It was a traceback: of one there is no variance."""
        add_video(tmp_path / "one", "Train_Set", "a", {1: plain(3)}, [(0, 0)])
        with pytest.raises(InputError, match="expected two faces or more for random weights, got"):
            extract(tmp_path / "one", tmp_path / "cache", backbone="random", image_size=32)

    def test_features_that_are_not_finite_end_it(self, run) -> None:
        backbone = ResNet50(image_size=32, seed=0)
        torch.nn.init.constant_(backbone.stem.bn.weight, 1e30)
        with pytest.raises(InputError, match=r"^backbone: features of .* are not finite"):
            run(backbone=backbone)


class TestFullDisk:
    def test_it_is_named_and_what_is_there_stays_whole(
        self, data: Path, small_disk, add_video
    ) -> None:
        for number in range(3):
            images = {n: plain(n % 60) for n in range(1, 400)}
            add_video(data, "Train_Set", f"long-{number}", images, [(0, 0)] * 399)
        out = small_disk(3_000_000) / "cache"
        with pytest.raises(
            InputError, match=r"long-\d\.safetensors: cannot be written: .*[Nn]o space"
        ):
            extract(data, out, backbone="small")
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
