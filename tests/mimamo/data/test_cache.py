"""The cache's files: whole or refused, and small enough."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mimamo import InputError
from mimamo.data.cache import Cache, Manifest, save_skipped, skipped_path, video_path
from mimamo.data.cached_video import CachedVideo

D, S = 2048, 48


def a_video(frames: int = 40, name: str = "video", subset: str = "Train_Set") -> CachedVideo:
    generator = torch.Generator().manual_seed(frames)
    numbers = torch.arange(1, 2 * frames, 2, dtype=torch.int32)
    return CachedVideo(
        name=name,
        subset=subset,
        features=torch.rand(frames, D, generator=generator).half(),
        frames=torch.randint(0, 256, (frames, S, S), generator=generator).to(torch.uint8),
        numbers=numbers,
        annotations=torch.stack([numbers.repeat_interleave(2) / 100_000] * 2, dim=1).float(),
        frame_count=2 * frames,
        counted=True,
        unit="frame",
        source="/there",
        problems=("one: thing",),
        fingerprint="f00",
        stamp="5ta",
        made_with={"weights_sha256": "5ha", "precision": "float32", "phase_size": S},
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A cache of two videos and one that is skipped."""
    (tmp_path / "videos").mkdir()
    for name in ("a", "b"):
        a_video(name=name).save(video_path(tmp_path, name))
    save_skipped(skipped_path(tmp_path, "c"), "c.txt: no frame is annotated", faceless=False)
    names = dict.fromkeys("abc", "Train_Set")
    backbone = {"precision": "float32", "given": "a model"}
    Manifest("Aff-Wild2", "frame", "/data", backbone, "5ha", D, S, names).save(tmp_path)
    return tmp_path


class TestVideo:
    def test_it_comes_back_as_it_was(self, tmp_path: Path) -> None:
        video = a_video()
        video.save(tmp_path / "v.safetensors")
        again = CachedVideo.load(tmp_path / "v.safetensors")
        for name in ("features", "frames", "numbers", "annotations"):
            assert torch.equal(getattr(again, name)[:], getattr(video, name))
            assert getattr(again, name).dtype == getattr(video, name).dtype
        rest = ("name", "subset", "frame_count", "counted", "unit", "problems", "fingerprint")
        for name in (*rest, "stamp", "made_with"):
            assert getattr(again, name) == getattr(video, name)

    def test_labels_are_those_of_the_frames_with_a_face(self) -> None:
        video = a_video(5)
        assert video.sequence.labels[:, 0].tolist() == pytest.approx([1e-5, 3e-5, 5e-5, 7e-5, 9e-5])

    def test_all_frames_of_an_utterance_have_its_label(self) -> None:
        video = replace(a_video(5), unit="utterance", annotations=torch.tensor([[0.5, -0.25]]))
        assert video.sequence.labels.tolist() == [[0.5, -0.25]] * 5
        assert video.annotated_frames == 5

    def test_the_whole_of_affwild2_fits_in_17_gb(self, tmp_path: Path) -> None:
        path = tmp_path / "v.safetensors"
        video = a_video(1000)
        replace(video, annotations=video.annotations[:1000]).save(path)
        assert path.stat().st_size / 1000 * 2_650_000 < 17.1e9

    def test_reading_it_does_not_load_it(self, tmp_path: Path) -> None:
        path = tmp_path / "v.safetensors"
        a_video(20_000).save(path)  # 128 MB

        def resident() -> int:
            return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

        before = resident()
        video = CachedVideo.load(path)
        assert video.features[10_000:10_064].float().mean() > 0.4
        assert resident() - before < 30e6


class TestCutShort:
    @pytest.mark.parametrize("left", [0, 5, 500, 200_000, -1])
    def test_a_cut_file_is_named(self, root: Path, left: int) -> None:
        path = video_path(root, "a")
        path.write_bytes(path.read_bytes()[:left])
        with pytest.raises(InputError) as error:
            Cache(root)
        assert str(error.value).startswith(f"{path}: cut short or damaged")
        assert "mimamo extract" in str(error.value)

    def test_a_missing_file_is_named(self, root: Path) -> None:
        video_path(root, "b").unlink()
        with pytest.raises(InputError, match=r"incomplete: 1 of 3 videos missing, such as b"):
            Cache(root)

    def test_another_file_in_its_place(self, root: Path) -> None:
        shutil.copy(video_path(root, "a"), video_path(root, "b"))
        with pytest.raises(InputError, match=r"b\.safetensors: holds Train_Set/a, not"):
            Cache(root)

    def test_arrays_of_another_size(self, root: Path) -> None:
        video = a_video(name="a")
        replace(video, frames=video.frames[:, :32, :32]).save(video_path(root, "a"))
        with pytest.raises(InputError, match=r"a\.safetensors: frames: expected .*48.* got .*32"):
            Cache(root)


class TestDamaged:
    def test_annotations_of_another_shape(self, root: Path) -> None:
        video = a_video(name="a")
        replace(video, annotations=video.annotations[:, :1]).save(video_path(root, "a"))
        with pytest.raises(InputError, match=r"annotations: expected \[F, 2\], got \[80, 1\]"):
            Cache(root)

    @pytest.mark.parametrize("numbers", [[0, 1, 2], [1, 2, 2], [3, 2, 4], [-1, 5, 6]])
    def test_numbers_that_do_not_rise(self, root: Path, numbers: list[int]) -> None:
        video = replace(a_video(3, "a"), numbers=torch.tensor(numbers, dtype=torch.int32))
        video.save(video_path(root, "a"))
        with pytest.raises(InputError, match=r"a\.safetensors: damaged: numbers: expected to rise"):
            Cache(root)

    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [("videos", ["a"], "dict"), ("backbone", "resnet50", "dict"), ("phase_size", "48", "int")],
    )
    def test_a_manifest_with_other_things(
        self, root: Path, name: str, value: object, expected: str
    ) -> None:
        path = root / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
        with pytest.raises(InputError) as error:
            Cache(root)
        assert str(error.value).startswith(
            f"{path}: damaged: {name}: expected {expected}, got {value!r}; delete it and run"
        )

    @pytest.mark.parametrize(
        "name",
        [
            *("../evil", "a/../../x", "/tmp/x", "", ".", "..", "a//b", "a/", "a\0b"),
            *("\ud800", "x" * 5000, "é" * 128, "a/" * 2000 + "a"),
        ],
        ids=lambda name: f"{name!a:.20}",
    )
    def test_a_name_that_leads_elsewhere_or_nowhere(self, root: Path, name: str) -> None:
        """A manifest may be somebody else's, and what is named in it becomes files."""
        path = root / "manifest.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content | {"videos": {**content["videos"], name: "Test_Set"}}))
        with pytest.raises(InputError, match="expected names of files below it, got") as error:
            Cache(root)
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < len(str(root)) + 200
        with pytest.raises(InputError, match="expected names of files below it"):
            video_path(root, name)

    @pytest.mark.parametrize("content", [b"", b"c.txt: no \xe9", b"{}", b"[1]"])
    def test_a_reason_that_is_damaged(self, root: Path, content: bytes) -> None:
        path = skipped_path(root, "c")
        path.write_bytes(content)
        with pytest.raises(InputError) as error:
            Cache(root)
        assert str(error.value) == f"{path}: damaged; run `mimamo extract` again"

    @pytest.mark.parametrize("faceless", [True, False])
    def test_a_reason_says_whether_there_is_only_no_face(self, root: Path, faceless: bool) -> None:
        save_skipped(skipped_path(root, "c"), "c: gar kein Gesicht; „c“", faceless=faceless)
        cache = Cache(root)
        assert cache.skipped == {"c": "c: gar kein Gesicht; „c“"}
        assert cache.faceless == ({"c"} if faceless else set())


class TestMadeWithOtherThings:
    @pytest.mark.parametrize(
        ("other", "message"),
        [
            ({"weights_sha256": "5hb"}, "made with weights_sha256 5hb, not 5ha"),
            ({"precision": "bfloat16"}, "made with precision bfloat16, not float32"),
            ({"image_size": 64}, "made with image_size 64, not none"),
        ],
    )
    def test_a_video_is_refused_by_name(self, root: Path, other: dict, message: str) -> None:
        video = a_video(name="b")
        path = video_path(root, "b")
        replace(video, made_with=video.made_with | other).save(path)
        with pytest.raises(InputError) as error:
            Cache(root)
        assert str(error.value) == f"{path}: {message}; run `mimamo extract` again"

    def test_a_file_that_does_not_say_it(self, root: Path) -> None:
        replace(a_video(name="b"), made_with={}).save(video_path(root, "b"))
        with pytest.raises(InputError, match=r"b\.safetensors: made with .* none, not .*extract"):
            Cache(root)


class TestManifest:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "expected a cache made by `mimamo extract`"),
            ("{", "expected JSON"),
            ("[]", "expected cache format 1, got None"),
            ('{"format": 2}', "expected cache format 1, got 2; it may need a newer version of"),
            ('{"format": 1}', "damaged"),
        ],
    )
    def test_what_is_none(self, root: Path, content: str | None, message: str) -> None:
        (root / "manifest.json").unlink()
        if content is not None:
            (root / "manifest.json").write_text(content)
        with pytest.raises(InputError, match=message):
            Cache(root)

    def test_it_tells_of_skipped_videos(self, root: Path) -> None:
        cache = Cache(root)
        assert [video.name for video in cache.videos] == ["a", "b"]
        assert cache.skipped == {"c": "c.txt: no frame is annotated"}
        assert json.loads((root / "manifest.json").read_text())["weights_sha256"] == "5ha"

    def test_a_subset_without_videos(self, root: Path) -> None:
        with pytest.raises(InputError, match="expected videos of Test_Set, found only Train_Set"):
            Cache(root).subset("Test_Set")
