"""An extraction that was stopped goes on; several processes share one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from support.digests import digests
from support.plain_faces import number_in, plain
from support.waiting import waiting

from mimamo import InputError
from mimamo.data import Cache
from mimamo.data.cache import video_path
from mimamo.extract import extract
from mimamo.model import ResNet50, save_backbone
from mimamo.shards import Shard


def count_calls(monkeypatch: pytest.MonkeyPatch, name: str, *modules: str) -> list[object]:
    """A list that grows by one with each call of a function from these modules of extraction."""
    calls: list[object] = []
    for module in (import_module(f"mimamo.extract.{module}") for module in modules):
        function = getattr(module, name)

        def call(*args: object, function=function):
            calls.append(args)
            return function(*args)

        monkeypatch.setattr(module, name, call)
    return calls


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

    def test_a_damaged_manifest_is_made_again_once_it_is_deleted(self, run, tmp_path: Path) -> None:
        run()
        path = tmp_path / "cache/manifest.json"
        whole = path.read_text()
        path.write_text(whole[:-9])
        with pytest.raises(InputError, match=r"manifest\.json: expected JSON.*; delete it and run"):
            run()
        path.unlink()
        assert (run().kept, path.read_text()) == (2, whole)

    def test_changed_annotations_are_read_again(self, run, data: Path, tmp_path: Path) -> None:
        run()
        path = data / "annotations/Validation_Set/plain.txt"
        path.write_text("valence,arousal\n" + "0.5,0.5\n" * 20)
        assert run().made == 1
        labels = Cache(tmp_path / "cache").videos[1].sequence.labels
        assert (labels == 0.5).all()

    @pytest.mark.parametrize("times", ["new", "those it had"])
    def test_an_image_replaced_by_one_of_equal_size_is_read_again(
        self, run, data: Path, tmp_path: Path, times: str
    ) -> None:
        run()
        path = data / "cropped_aligned/plain/00007.jpg"
        was, other = path.stat(), (data / "cropped_aligned/plain/00009.jpg").read_bytes()
        assert len(other) == was.st_size
        path.write_bytes(other)
        if times != "new":  # as `cp --preserve` and unpacking an archive leave them
            os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
        result = run()
        assert (result.made, result.kept) == (1, 1)
        assert any("plain.safetensors: its source has changed" in line for line in run.lines)
        grey = Cache(tmp_path / "cache").subset("Validation_Set")[0].frames[:][:, 24, 24]
        assert number_in(grey)[6] == 9

    def test_files_that_only_look_new_are_kept_and_read_once(
        self, run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run()
        before = {video.name: video.fingerprint for video in Cache(tmp_path / "cache").videos}
        for path in (data / "cropped_aligned/plain").iterdir():
            path.touch()
        result = run()
        assert (result.made, result.kept) == (0, 2)
        said = [line for line in run.lines if "moved, copied or touched, not changed; kept" in line]
        assert [Path(line.split(":")[0]).name for line in said] == ["plain.safetensors"]
        assert {v.name: v.fingerprint for v in Cache(tmp_path / "cache").videos} == before
        monkeypatch.delattr("mimamo.extract.source._content")
        assert run().kept == 2

    def test_other_files_beside_the_images_do_not_matter(self, run, data: Path) -> None:
        run()
        (data / "cropped_aligned/plain/Thumbs.db").touch()
        result = run()
        assert (result.kept, result.problems) == (2, ())
        before = run.lines.index(next(line for line in run.lines if line.startswith("faces of")))
        assert len(run.lines[before + 1 :]) == 2  # the table, then the account

    def test_a_video_given_later_tells_the_number_of_frames(
        self, run, tmp_path: Path, film
    ) -> None:
        def numbers() -> list[tuple[int, bool]]:
            return [(v.frame_count, v.counted) for v in Cache(tmp_path / "cache").videos]

        run()
        films = tmp_path / "films"
        films.mkdir()
        film(films / "plain.mp4", "." * 20)
        result = run(videos=films)
        assert (result.made, result.kept, numbers()) == (1, 1, [(37, False), (20, True)])
        assert any("plain.safetensors: its source has changed" in line for line in run.lines)
        assert run(videos=films).kept == 2
        film(films / "plain.mp4", "." * 25)
        result = run(videos=films)
        assert (result.made, result.kept, numbers()) == (1, 1, [(37, False), (25, True)])
        (films / "plain.mp4").write_bytes(b"no video")
        result = run(videos=films)
        assert (result.made, result.kept, numbers()) == (1, 1, [(37, False), (20, False)])
        assert "plain.mp4: expected a video" in result.problems[0]
        assert run(videos=films).kept == 2
        run()
        assert numbers() == [(37, False), (20, False)]

    def test_a_videos_header_is_read_once_and_not_again(
        self, run, data: Path, film, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (data / "videos").mkdir()
        film(data / "videos/plain.mp4", "." * 20)
        opened = count_calls(monkeypatch, "VideoReader", "source", "video")
        run()
        assert len(opened) == 1
        run()
        assert len(opened) == 1

    @pytest.mark.slow
    def test_other_weights_are_refused(self, run, tmp_path: Path) -> None:
        files = []
        for seed in (0, 1):
            files.append(tmp_path / f"{seed}.safetensors")
            save_backbone(files[-1], ResNet50(image_size=32, seed=seed))
        run(backbone=files[0])
        before = digests(tmp_path / "cache")
        with pytest.raises(
            InputError, match=r"cache: made with weights_sha256 \w{24}, not \w{24}; give another"
        ):
            run(backbone=files[1])
        with pytest.raises(InputError, match="made with image_size 32, not 48"):
            run(backbone="small")
        assert digests(tmp_path / "cache") == before
        assert run(backbone=files[0]).kept == 2

    @pytest.mark.slow
    def test_another_precision_is_refused(self, run, tmp_path: Path) -> None:
        path = tmp_path / "w.safetensors"
        save_backbone(path, ResNet50(image_size=32, seed=0))
        for backbone in (path, "random"):
            shutil.rmtree(tmp_path / "cache", ignore_errors=True)
            run(backbone=backbone, image_size=32)
            with pytest.raises(InputError, match="made with precision float32, not bfloat16"):
                run(backbone=backbone, image_size=32, precision="bfloat16")

    @pytest.mark.slow
    def test_a_file_of_weights_is_read_by_each_process_and_hashed_once(
        self, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "w.safetensors"
        save_backbone(path, ResNet50(image_size=32, seed=0))
        read = count_calls(monkeypatch, "load_backbone", "backbone")
        hashed = count_calls(monkeypatch, "weights_hash", "preparation")
        for index in range(2):
            run(backbone=path, shard=Shard(index, 2))
        assert (len(read), len(hashed)) == (2, 1)
        (tmp_path / "cache/backbone.safetensors").unlink()
        run(backbone=path)
        assert (len(read), len(hashed)) == (3, 1)
        assert (tmp_path / "cache/backbone.safetensors").exists()
        path.touch()  # it may hold other weights by now
        assert run(backbone=path).kept == 2
        assert (len(read), len(hashed)) == (4, 2)

    @pytest.mark.slow
    def test_the_same_file_with_other_weights_is_refused(self, run, tmp_path: Path) -> None:
        path = tmp_path / "w.safetensors"
        save_backbone(path, ResNet50(image_size=32, seed=0))
        run(backbone=path)
        save_backbone(path, ResNet50(image_size=32, seed=1))
        with pytest.raises(InputError, match="made with weights_sha256"):
            run(backbone=path)

    @pytest.mark.slow
    def test_videos_of_other_weights_are_made_again(self, run, tmp_path: Path) -> None:
        backbones = [ResNet50(image_size=32, seed=seed) for seed in (0, 1)]
        run(backbone=backbones[1])
        videos = tmp_path / "cache/videos"
        expected = digests(videos)
        shutil.rmtree(tmp_path / "cache")
        run(backbone=backbones[0])
        (tmp_path / "cache/manifest.json").unlink()
        assert run(backbone=backbones[1]).made == 2
        assert digests(videos) == expected
        said = [
            line for line in run.lines if re.search("made with weights_sha256 .*made again", line)
        ]
        assert len(said) == 2

    @pytest.mark.slow
    def test_videos_of_another_precision_are_made_again(self, run, tmp_path: Path) -> None:
        backbone = ResNet50(image_size=32, seed=0)
        run(backbone=backbone, precision="bfloat16")
        (tmp_path / "cache/manifest.json").unlink()
        assert run(backbone=backbone).made == 2
        assert (
            f"{video_path(tmp_path / 'cache', 'plain')}: made with precision bfloat16, not "
            + ("float32; made again")
            in run.lines
        )

    @pytest.mark.slow
    def test_random_weights_are_those_of_the_first_run(self, run, tmp_path: Path) -> None:
        run(backbone="random", image_size=32)
        assert run(backbone="random", image_size=32).kept == 2
        path = tmp_path / "cache/backbone.safetensors"
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        with pytest.raises(InputError, match=r"backbone\.safetensors: .*; delete it and run"):
            run(backbone="random", image_size=32)
        path.unlink()
        assert run(backbone="random", image_size=32).kept == 2
        assert path.read_bytes() == whole
        with pytest.raises(InputError, match="made with weights_sha256"):
            run(backbone="random", image_size=32, seed=1)

    def test_a_folder_of_something_else_is_refused(self, run, tmp_path: Path) -> None:
        (tmp_path / "cache").mkdir()
        (tmp_path / "cache/thesis.txt").write_text("years of work")
        with pytest.raises(InputError, match=r"expected a cache or an empty folder.*thesis"):
            run()
        assert [p.name for p in (tmp_path / "cache").iterdir()] == ["thesis.txt"]

    @pytest.mark.slow
    def test_killed_while_it_works_it_goes_on_to_the_same_bytes(
        self, run, data: Path, tmp_path: Path, add_video
    ) -> None:
        for number in range(12):
            images = {n: plain(n) for n in range(1, 60)}
            add_video(data, "Train_Set", f"more-{number}", images, [(0.1, 0.2)] * 59)
        extract(data, tmp_path / "expected", backbone="small")
        expected = digests(tmp_path / "expected/videos")
        words = ("extract", data, "--backbone", "small", "--out", tmp_path / "cache")
        for last in ("7/14 ", "13/14 "):  # a fresh run, and one that goes on
            command = waiting(last, *words)
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                made = next((line for line in process.stdout if re.match(r"\d+/14 ", line)), None)
                process.send_signal(signal.SIGKILL)
            assert made is not None
            assert process.returncode == -signal.SIGKILL
            # Such as it leaves when it is killed while writing.
            half = video_path(tmp_path / "expected", "plain").read_bytes()[:-100]
            left = tmp_path / "cache/videos/.plain.0a1b2c3d.safetensors"
            left.write_bytes(half)
            left.chmod(0o600)
            found = digests(tmp_path / "cache/videos")
            whole = {name: of for name, of in found.items() if not name.startswith(".")}
            assert 0 < len(whole) < len(expected)
            assert whole.items() <= expected.items()
            with pytest.raises(InputError, match=rf"{14 - len(whole)} of 14 videos missing"):
                Cache(tmp_path / "cache")
        result = run()
        assert (result.made, result.kept) == (14 - len(whole), len(whole))
        assert digests(tmp_path / "cache/videos") == expected


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

    @pytest.mark.slow
    def test_each_refuses_a_cache_of_other_things(self, run, tmp_path: Path) -> None:
        run(backbone=ResNet50(image_size=32, seed=0), shard=Shard(0, 2))
        before = digests(tmp_path / "cache")
        for message, settings in {
            "made with weights_sha256": {"backbone": ResNet50(image_size=32, seed=1)},
            "made with image_size 32, not 48": {"backbone": "small"},
            "made with precision float32, not bfloat16": {"precision": "bfloat16"},
            "made with phase_size 48, not 32": {"phase_size": 32},
        }.items():
            settings = {"backbone": ResNet50(image_size=32, seed=0)} | settings
            with pytest.raises(InputError, match=message):
                run(shard=Shard(1, 2), **settings)
        assert digests(tmp_path / "cache") == before

    @pytest.mark.parametrize(("rank", "size"), [("x", "2"), ("2", "2"), ("-1", "2"), ("0", "")])
    def test_one_that_is_none_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, rank: str, size: str
    ) -> None:
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("WORLD_SIZE", size)
        with pytest.raises(InputError, match=rf"RANK, WORLD_SIZE: .* got '{rank}' and '{size}'"):
            Shard.from_environment()

    @pytest.mark.slow
    def test_torchrun_starts_them(self, data: Path, tmp_path: Path) -> None:
        out = tmp_path / "cache"
        command = [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2"),
            *("-m", "mimamo", "extract", str(data), "--backbone", "small", "--out", str(out)),
        ]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        assert "process 1 of 2" in done.stdout
        assert "process 2 of 2" in done.stdout
        assert len(Cache(out).videos) == 2
