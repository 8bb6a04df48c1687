"""Spatial features that somebody has already, in the place of a backbone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.plain_faces import MISSING

from mimamo import InputError, load_checkpoint
from mimamo.check import check_folder
from mimamo.cli import main
from mimamo.data import Cache
from mimamo.evaluate import evaluate_runs, submit
from mimamo.extract import extract
from mimamo.faces import CenterFace
from mimamo.model.given_features import GivenFeatures
from mimamo.predict import predict_many
from mimamo.predict.live import LivePredictor
from mimamo.train import TrainingConfig, train

FRAMES = np.array([n for n in range(1, 38) if n not in MISSING])  # of the video "gaps"
Give = Callable[..., Path]


@pytest.fixture
def give(tmp_path: Path) -> Give:
    """Features of both videos, whose values say which frame they are of: `[frame, 0.5, …]`."""

    def give(name: str = "mae", width: int = 3) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        np.save(folder / "gaps.npy", rows(FRAMES, width))
        np.save(folder / "plain.npy", rows(np.arange(1, 21), width))
        return folder

    return give


def rows(frames: np.ndarray, width: int = 3) -> np.ndarray:
    values = np.full((len(frames), width), 0.5)
    values[:, 0] = frames
    return values


def video(cache: Path, name: str = "gaps"):
    return next(video for video in Cache(cache).videos if video.name == name)


def of_frames(path: Path, name: str = "gaps") -> list[int]:
    """Whose features the cache has, after a look at whether the faces are of the same."""
    cached = video(path, name)
    frames = cached.features[:][:, 0].int()
    torch.testing.assert_close(frames, cached.numbers)
    torch.testing.assert_close((cached.frames[:].float().mean((1, 2)) / 4).round().int(), frames)
    return frames.tolist()


class TestFiles:
    def test_a_row_a_face(self, data: Path, tmp_path: Path, give: Give) -> None:
        result = extract(data, tmp_path / "cache", features=[give()], strict=True)
        assert (result.made, result.frames) == (2, 52)
        assert of_frames(tmp_path / "cache") == FRAMES.tolist()
        manifest = Cache(tmp_path / "cache").manifest
        assert manifest.backbone == {
            "kind": "features", "folders": [["mae", 3]],
            "given": str(tmp_path / "mae"), "given_times": "",
        }  # fmt: skip
        assert (manifest.feature_dim, len(manifest.weights_sha256)) == (3, 64)
        assert check_folder(tmp_path / "cache") == []

    def test_of_a_video_without_a_face_nobody_has_any(
        self, data: Path, tmp_path: Path, give: Give
    ) -> None:
        (data / "cropped_aligned/faceless").mkdir()
        extract(data, tmp_path / "cache", features=[give()])
        assert Cache(tmp_path / "cache").faceless == {"faceless"}

    def test_a_row_a_frame(self, data: Path, tmp_path: Path, give: Give) -> None:
        np.save(give() / "gaps.npy", rows(np.arange(1, 38)).astype(np.float32))
        extract(data, tmp_path / "cache", features=[tmp_path / "mae"], strict=True)
        assert of_frames(tmp_path / "cache") == FRAMES.tolist()

    @pytest.mark.parametrize("numbers", ["frames", "numbers"])
    @pytest.mark.parametrize("suffix", ["npz", "safetensors"])
    def test_rows_with_numbers(
        self, data: Path, tmp_path: Path, give: Give, suffix: str, numbers: str
    ) -> None:
        (give() / "gaps.npy").unlink()
        some = np.random.default_rng().permutation(np.arange(5, 50))
        arrays = {"features": rows(some), numbers: some, "logits": np.zeros((45, 8))}
        (tmp_path / "mae/Train_Set").mkdir()  # is looked into too
        path = tmp_path / f"mae/Train_Set/gaps.{suffix}"
        if suffix == "npz":
            np.savez(path, **arrays)
        else:
            tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
            save_file(tensors | {"features": tensors["features"].bfloat16()}, path)
        result = extract(data, tmp_path / "cache", features=[tmp_path / "mae"])
        assert result.problems == (f"{path}: has no row of 1 face of 32; left out",)
        assert of_frames(tmp_path / "cache") == [n for n in FRAMES if n >= 5]

    def test_a_file_a_frame(self, data: Path, tmp_path: Path, give: Give) -> None:
        (give() / "gaps.npy").unlink()
        folder = tmp_path / "mae/gaps"
        folder.mkdir()
        for number in range(1, 31):
            row = rows(np.array([number]))
            np.save(folder / f"{number:05d}.npy", row if number % 2 else row[0])
        (folder / "notes.txt").write_text("are left alone")
        result = extract(data, tmp_path / "cache", features=[tmp_path / "mae"])
        assert result.problems == (f"{folder}: has no row of 7 faces of 32; left out",)
        assert of_frames(tmp_path / "cache") == [n for n in FRAMES if n <= 30]

    def test_side_by_side(self, data: Path, tmp_path: Path, give: Give) -> None:
        first, second = give("mae", 3), give("clip", 2)
        np.savez(second / "plain.npz", rows(np.arange(3, 21), 2), frames=np.arange(3, 21))
        (second / "plain.npy").unlink()
        extract(data, tmp_path / "cache", features=[first, second])
        manifest = Cache(tmp_path / "cache").manifest
        assert manifest.backbone["folders"] == [["mae", 3], ["clip", 2]]
        assert manifest.feature_dim == 5
        assert of_frames(tmp_path / "cache", "plain") == list(range(3, 21))
        features = video(tmp_path / "cache").features[:]
        torch.testing.assert_close(features[:, 3], features[:, 0])
        with pytest.raises(
            InputError, match=r"made with folders \[\['mae', 3\], .* not \[\['clip', 2"
        ):
            extract(data, tmp_path / "cache", features=[second, first])

    def test_faces_found_in_films(self, tmp_path: Path, film, raw: Path) -> None:
        film(raw / "videos/face.mp4", "x.xx")
        (raw / "annotations/Train_Set/face.txt").write_text("valence,arousal\n" + "0,0\n" * 4)
        (tmp_path / "mae").mkdir()
        np.save(tmp_path / "mae/face.npy", rows(np.arange(1, 5)))
        extract(raw, tmp_path / "cache", features=[tmp_path / "mae"], strict=True)
        cached = video(tmp_path / "cache", "face")
        assert len(cached) in (3, 4)
        assert cached.features[:][:, 0].tolist() == cached.numbers.tolist()

    def test_a_face_that_cannot_be_read_has_none(
        self, data: Path, tmp_path: Path, give: Give
    ) -> None:
        (data / "cropped_aligned/gaps/00020.jpg").write_bytes(b"none")
        np.save(give() / "gaps.npy", rows(FRAMES[FRAMES != 20]))
        extract(data, tmp_path / "cache", features=[tmp_path / "mae"])
        assert of_frames(tmp_path / "cache") == FRAMES[FRAMES != 20].tolist()


class TestChanges:
    def test_only_what_changed_is_made_again(self, data: Path, tmp_path: Path, give: Give) -> None:
        folder = give()
        for made, kept in ((2, 0), (0, 2)):
            result = extract(data, tmp_path / "cache", features=[folder])
            assert (result.made, result.kept) == (made, kept)
        np.save(folder / "gaps.npy", rows(np.arange(1, 38)) + 0.25)
        lines: list[str] = []
        result = extract(data, tmp_path / "cache", features=[folder], report=lines.append)
        assert (result.made, result.kept) == (1, 1)
        assert any(line.endswith("gaps.safetensors: its source has changed; made again")
                   for line in lines)  # fmt: skip
        assert video(tmp_path / "cache").features[:][0, 1] == 0.75

    def test_a_file_by_frame(self, data: Path, tmp_path: Path, give: Give) -> None:
        (give() / "gaps.npy").unlink()
        folder = tmp_path / "mae/gaps"
        folder.mkdir()
        for number in FRAMES:
            np.save(folder / f"{number}.npy", rows(np.array([number])))
        extract(data, tmp_path / "cache", features=[tmp_path / "mae"])
        np.save(folder / "20.npy", rows(np.array([20])) + 0.25)
        assert extract(data, tmp_path / "cache", features=[tmp_path / "mae"]).made == 1

    def test_other_places_are_the_same_other_widths_are_not(
        self, data: Path, tmp_path: Path, give: Give
    ) -> None:
        folder = give()
        extract(data, tmp_path / "cache", features=[folder])
        (tmp_path / "moved").mkdir()
        moved = folder.rename(tmp_path / "moved/mae")
        assert extract(data, tmp_path / "cache", features=[moved]).kept == 2
        give(width=4)
        with pytest.raises(
            InputError, match=r"made with folders \[\['mae', 3\]\], not \[\['mae', 4\]\]; g"
        ):
            extract(data, tmp_path / "cache", features=[folder])


PLAIN = np.arange(1, 21)  # frames of the video "plain"
BAD = [
    (lambda f: np.save(f / "plain.npy", rows(PLAIN[:9])),
     "plain.npy: expected a row for each of 18 faces or 20 frames, or frame numbers, got 9 rows"),
    (lambda f: np.save(f / "plain.npy", rows(PLAIN, 5)), "plain.npy: expected 3 features a row"),
    (lambda f: np.save(f / "plain.npy", PLAIN / 1), "plain.npy: expected real numbers [N, D], "),
    (lambda f: np.save(f / "plain.npy", rows(PLAIN).astype(int)), "plain.npy: expected real num"),
    (lambda f: np.save(f / "plain.npy", rows(PLAIN) * 1e9), "plain.npy: expected features that ar"),
    (lambda f: np.save(f / "plain.npy", rows(PLAIN) * np.nan), "plain.npy: expected features that"),
    (lambda f: (f / "plain.npy").write_bytes(b"x"), "plain.npy: expected a file of arrays, got a"),
    (lambda f: (f / "plain.npy").unlink(), "expected one file (.npy, .npz, .safetensors) or folder "
                                           "of features of plain, found none; not used"),
    (lambda f: np.savez(f / "plain.npz", rows(PLAIN)), "plain, found plain.npy and plain.npz; not"),
    (lambda f: numbered(f, PLAIN - 1), "plain.npz: expected frame numbers from 1 to 10000000"),
    (lambda f: numbered(f, PLAIN // 2 + 1), "plain.npz: expected one row a frame, got two of f"),
    (lambda f: numbered(f, PLAIN / 1), "plain.npz: expected a frame number for each of 20 rows"),
    (lambda f: numbered(f, PLAIN[1:]), "plain.npz: expected a frame number for each of 20 rows"),
    (lambda f: numbered(f, PLAIN + 100), "plain.npz: has no row of any of 18 faces"),
    (lambda f: by_frame(f, {}), "plain: expected files by frame, such as 00001.npy, found none"),
    (lambda f: by_frame(f, {"1": 3, "2": 4}), "2.npy: expected 3 features, as in others, got 4"),
    (lambda f: by_frame(f, {"1": 3, "01": 3}), "plain: expected one row a frame, got two of f"),
]  # fmt: skip


def numbered(folder: Path, numbers: np.ndarray) -> None:
    (folder / "plain.npy").unlink()
    np.savez(folder / "plain.npz", features=rows(PLAIN), frames=numbers)


def by_frame(folder: Path, widths: dict[str, int]) -> None:
    (folder / "plain.npy").unlink()
    (folder / "plain").mkdir()
    for name, width in widths.items():
        np.save(folder / f"plain/{name}.npy", np.zeros(width))


@pytest.mark.parametrize(("spoil", "message"), BAD, ids=range(len(BAD)))
def test_a_video_whose_features_are_wrong_is_not_used(
    spoil: Callable[[Path], object], message: str, data: Path, tmp_path: Path, give: Give
) -> None:
    for number in (7, 8):
        (data / f"cropped_aligned/plain/{number:05d}.jpg").unlink()
    spoil(give())
    result = extract(data, tmp_path / "cache", features=[tmp_path / "mae"])
    (line,) = result.skipped
    assert line.startswith(str(tmp_path / "mae"))
    assert message in line
    assert "\n" not in line
    assert list(Cache(tmp_path / "cache").skipped) == ["plain"]


class TestWhatWasAskedFor:
    def test_one_of_both(self, data: Path, tmp_path: Path, give: Give, capsys) -> None:
        for more, got in (([], "neither"), (["--backbone", "small", "--features", "x"], "both")):
            assert main(["extract", str(data), "--out", str(tmp_path / "cache"), *more]) == 2
            error = capsys.readouterr().err
            assert error == f"mimamo: error: expected either --backbone or --features, got {got}\n"
        assert not (tmp_path / "cache").exists()

    def test_no_folder(self, data: Path, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="none: expected a folder of features, found none"):
            extract(data, tmp_path / "cache", features=[tmp_path / "none"])
        with pytest.raises(InputError, match="features: expected at least one folder, got none"):
            extract(data, tmp_path / "cache", features=[])

    def test_no_features_at_all(self, data: Path, tmp_path: Path) -> None:
        (tmp_path / "mae").mkdir()
        message = r"mae: expected features of the videos, such as gaps\.npy, found none"
        with pytest.raises(InputError, match=message):
            extract(data, tmp_path / "cache", features=[tmp_path / "mae"])

    def test_a_note_on_features_is_no_backbone(
        self, data: Path, tmp_path: Path, give: Give
    ) -> None:
        extract(data, tmp_path / "cache", features=[give()])
        message = r"expected weights of a backbone, got a note on features of mae \(3\)"
        with pytest.raises(InputError, match=message):
            extract(data, tmp_path / "other", backbone=tmp_path / "cache/backbone.safetensors")


@pytest.mark.parametrize(
    "folders",
    [[], "mae", [["mae"]], [["mae", 0]], [["mae", True]], [["mae", 1 << 17]], [[3, 3]], {"mae": 3},
     [["mae", 40_000], ["clip", 40_000]]],
)  # fmt: skip
def test_what_cannot_be_features(folders) -> None:
    with pytest.raises(InputError, match=r"^folders: expected names, and numbers of features"):
        GivenFeatures(folders)


class TestTraining:
    """On the learnable data set, whose features here are its labels and noise."""

    @pytest.fixture
    def cache(self, learnable: Path, small_cache: Path, tmp_path: Path) -> Path:
        random = np.random.default_rng(0)
        for name in ("mae", "other"):
            (tmp_path / name).mkdir()
            for cached in Cache(small_cache).videos:
                labels = cached.sequence.labels.nan_to_num().numpy()
                noise = random.normal(size=(len(cached), 2))
                np.save(tmp_path / name / f"{cached.name}.npy", np.hstack([labels, noise]))
        extract(learnable, tmp_path / "cache", features=[tmp_path / "mae"], strict=True)
        return tmp_path / "cache"

    def test_a_run_remembers_which(
        self,
        cache: Path,
        small_cache: Path,
        learnable: Path,
        tmp_path: Path,
        tiny_config: TrainingConfig,
        film,
    ) -> None:
        config = replace(tiny_config, epochs=1)
        run = train(cache, tmp_path / "run", config=config).out
        assert load_checkpoint(run).backbone.settings == {
            "kind": "features", "folders": [["mae", 4]],
        }  # fmt: skip
        assert check_folder(run) == []
        held_out = {"subsets": ["Validation_Set"]}
        extract(learnable, tmp_path / "again", features=[tmp_path / "mae"], **held_out)
        assert evaluate_runs([run], tmp_path / "again").summary.faces.count == 168
        submit([run], tmp_path / "again", tmp_path / "out", subset="Validation_Set")
        assert len(list((tmp_path / "out").glob("*.txt"))) == 3

        extract(learnable, tmp_path / "others", features=[tmp_path / "other"], **held_out)
        begins = rf"^{re.escape(str(run))}/best\.safetensors: these weights take features of mae "
        for other in (tmp_path / "others", small_cache):
            with pytest.raises(InputError, match=rf"{begins}\(4\), but {other} was made with"):
                evaluate_runs([run], other)
        path, checkpoint = film(tmp_path / "film.mp4", "xx"), load_checkpoint(run)
        message = rf"{begins}\(4\), which are not computed from pictures"
        with pytest.raises(InputError, match=message):
            predict_many([path], checkpoint, tmp_path / "predicted")
        with pytest.raises(InputError, match=message):
            LivePredictor(checkpoint, CenterFace())

        backbone = cache / "backbone.safetensors"
        with pytest.raises(
            InputError, match=r"best\.safetensors: these weights take features of no"
        ):
            load_checkpoint(run, backbone)

    def test_they_cannot_be_tuned(
        self, cache: Path, tmp_path: Path, tiny_config: TrainingConfig
    ) -> None:
        config = replace(tiny_config, spatial="finetune")
        with pytest.raises(InputError, match=r"cache: holds features of mae \(4\), without the"):
            train(cache, tmp_path / "run", config=config)

    def test_a_small_backbone_can_be_trained_beside_them(
        self, cache: Path, tmp_path: Path, tiny_config: TrainingConfig
    ) -> None:
        config = replace(tiny_config, epochs=1, spatial="small")
        run = train(cache, tmp_path / "run", config=config).out
        evaluate_runs([run], cache)
