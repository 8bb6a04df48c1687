"""From a data set to its cache: the right numbers."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from support.films import packets_of
from support.plain_faces import MISSING, number_in

from mimamo import InputError
from mimamo.data import AffWild2, Cache, ClipDataset
from mimamo.extract import extract
from mimamo.extract.backbone import sample_crops
from mimamo.model import ResNet50


class TestWhatIsInIt:
    def test_images_meet_their_own_annotations(self, run, tmp_path: Path) -> None:
        result = run(strict=True)
        assert (result.made, result.frames, result.problems) == (2, 52, ())
        video = Cache(tmp_path / "cache").subset("Train_Set")[0]
        expected = [n for n in range(1, 38) if n not in MISSING]
        assert video.numbers.tolist() == expected
        assert number_in(video.frames[:][:, 24, 24]) == expected
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
        error = (video.features[6:7].float() - expected).norm() / expected.norm()
        assert error < 1e-3
        assert video.features.dtype == torch.float16

    @pytest.mark.slow
    def test_in_bfloat16_they_are_nearly_the_same(self, run, data: Path, tmp_path: Path) -> None:
        backbone = ResNet50(image_size=32, seed=3)
        run(backbone=backbone)
        exact = Cache(tmp_path / "cache").videos[0].features[:].float()
        extract(data, tmp_path / "fast", backbone=backbone, precision="bfloat16")
        fast = Cache(tmp_path / "fast")
        assert fast.manifest.backbone["precision"] == "bfloat16"
        error = (fast.videos[0].features[:].float() - exact).norm() / exact.norm()
        assert 1e-4 < error < 0.05

    def test_a_video_longer_than_a_batch_is_whole(
        self, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run()
        expected = Cache(tmp_path / "cache").videos[0]
        frames = expected.frames[:]
        shutil.rmtree(tmp_path / "cache")
        monkeypatch.setattr("mimamo.extract.video._READ_AHEAD", 5)
        run()
        assert torch.equal(Cache(tmp_path / "cache").videos[0].frames[:], frames)

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
        assert run.lines[-2].startswith(f"{tmp_path}/cache: 1 video extracted, 0 kept")

    def test_a_subset_there_is_not_is_refused_beside_others(self, run, tmp_path: Path) -> None:
        message = "subsets: expected some of Train_Set, Validation_Set, got Test_Set, train"
        with pytest.raises(InputError, match=message):
            run(subsets=["Train_Set", "train", "Test_Set"])
        assert not (tmp_path / "cache").exists()

    def test_raw_videos_go_through_the_face_path(self, tmp_path: Path, film, raw: Path) -> None:
        film(raw / "videos" / "face.mp4", "..xxxx.x")
        lines = [f"{n / 10},0" for n in range(8)]
        (raw / "annotations/Train_Set/face.txt").write_text("\n".join(["valence,arousal", *lines]))
        extract(raw, tmp_path / "cache", backbone="small", strict=True)
        (video,) = Cache(tmp_path / "cache").videos
        assert video.numbers.tolist() == [3, 4, 5, 6, 8]
        assert (video.frame_count, video.counted) == (8, True)
        np.testing.assert_allclose(
            video.sequence.labels[:, 0], [0.2, 0.3, 0.4, 0.5, 0.7], atol=1e-6
        )

    def test_the_first_aff_wild_is_extracted_from_its_films(self, tmp_path: Path, film) -> None:
        root = tmp_path / "aff-wild"
        for part, first in (("valence", 0.1), ("arousal", -0.1)):
            (root / "annotations/train" / part).mkdir(parents=True)
            values = "".join(f"{first * n / 8:.4f}\n" for n in range(1, 9))
            (root / "annotations/train" / part / "105.txt").write_text(values)
        for subset, name, pattern in (("train", "105", "..xxxx.x"), ("test", "106", "xxxx")):
            (root / "videos" / subset).mkdir(parents=True)
            film(root / "videos" / subset / f"{name}.mp4", pattern)
        extract(root, tmp_path / "cache", backbone="small")
        cache = Cache(tmp_path / "cache")
        assert cache.manifest.layout == "Aff-Wild"
        train, test = cache.videos
        assert (train.subset, test.subset) == ("Train_Set", "Test_Set")
        numbers = train.numbers.tolist()
        assert 3 <= len(numbers) <= 5
        labels = train.sequence.labels.numpy()
        np.testing.assert_allclose(labels[:, 0], np.array(numbers) / 80, atol=1e-4)
        np.testing.assert_allclose(labels[:, 1], -np.array(numbers) / 80, atol=1e-4)
        assert len(test) == 4

    def test_frames_missing_in_a_raw_video_are_a_problem(
        self, tmp_path: Path, film, raw: Path
    ) -> None:
        cut = film(raw / "videos" / "face.mp4", "xxxxxxxx")
        cut.write_bytes(cut.read_bytes()[: packets_of(cut)[-1][0]])
        text = "\n".join(["valence,arousal", *(f"{n / 10},0" for n in range(7))])
        (raw / "annotations/Train_Set/face.txt").write_text(text)
        result = extract(raw, tmp_path / "cache", backbone="small")
        assert result.problems == (f"{cut}: frames missing after 0.2 s",)
        (video,) = Cache(tmp_path / "cache").videos
        assert video.numbers.tolist() == list(range(1, 8))
        with pytest.raises(InputError, match="frames missing after"):
            extract(raw, tmp_path / "strict", backbone="small", strict=True)

    def test_two_people_of_a_raw_video_have_a_side_each(
        self, tmp_path: Path, film, raw: Path
    ) -> None:
        film(raw / "videos" / "talk.mp4", "xxxxxx..|.xxxxxxx")
        text = "\n".join(["valence,arousal", *(f"{n / 10},0" for n in range(8))])
        for side in ("left", "right"):
            (raw / f"annotations/Train_Set/talk_{side}.txt").write_text(text)
        extract(raw, tmp_path / "cache", backbone="small", strict=True)
        left, right = Cache(tmp_path / "cache").videos
        assert (left.name, left.numbers.tolist()) == ("talk_left", [1, 2, 3, 4, 5, 6])
        assert (right.name, right.numbers.tolist()) == ("talk_right", [2, 3, 4, 5, 6, 7, 8])
        assert left.subject == right.subject == "talk"

    def test_the_video_beside_the_faces_tells_their_number(
        self, run, data: Path, tmp_path: Path, film
    ) -> None:
        (data / "videos").mkdir()
        film(data / "videos" / "plain.mp4", "." * 20)
        run(strict=True)
        video = Cache(tmp_path / "cache").subset("Validation_Set")[0]
        assert (video.frame_count, video.counted) == (20, True)


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
