"""Evaluating runs: on what, with which networks, and what is refused."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from support.pages import content_of

from mimamo import InputError, concordance_cc, load_checkpoint
from mimamo.data import Cache
from mimamo.evaluate import Ensemble, evaluate_runs
from mimamo.extract import extract
from mimamo.model.checkpoint import update_info
from mimamo.predict.clips import Cut, predict_sequence
from mimamo.predict.given_weights import checkpoints_in
from mimamo.train import TrainingConfig, train
from mimamo.train.trained_model import FaceImages


class TestNumbers:
    def test_they_are_those_of_the_training(self, small_run: Path, small_cache: Path) -> None:
        best = max(
            csv.DictReader((small_run / "history.csv").open()),
            key=lambda row: float(row["valence"]) + float(row["arousal"]),
        )
        result = evaluate_runs([small_run], small_cache, stride=16)  # as the published code
        assert result.summary.faces.valence == pytest.approx(float(best["valence"]), abs=1e-6)
        assert result.summary.faces.arousal == pytest.approx(float(best["arousal"]), abs=1e-6)

    @pytest.mark.slow
    def test_from_scratch(self, resnet_run: Path, resnet_cache: Path) -> None:
        network = load_checkpoint(resnet_run).network
        predicted, labels = [], []
        for video in Cache(resnet_cache).subset("Validation_Set"):
            values = predict_sequence(network, video.features, video.frames, 16, 16)
            predicted.append(values.astype(np.float64).clip(-1, 1))  # as it would be written
            labels.append(video.annotations.numpy().astype(np.float64))
        expected = concordance_cc(np.concatenate(predicted), np.concatenate(labels), dim=0)
        faces = evaluate_runs([resnet_run], resnet_cache, stride=16).summary.faces
        assert [faces.valence, faces.arousal] == pytest.approx(expected, abs=1e-9)
        assert faces.count == 168

    def test_an_ensemble_is_the_mean(
        self, small_run: Path, small_cache: Path, tmp_path: Path, small_config: TrainingConfig
    ) -> None:
        other = train(small_cache, tmp_path / "other", config=replace(small_config, seed=1)).out
        cache = Cache(small_cache)
        videos = cache.subset("Validation_Set")
        together = Ensemble([small_run, other], cache).predict(videos)
        alone = [Ensemble([path], cache).predict(videos) for path in (small_run, other)]
        for name, values in together.items():
            np.testing.assert_allclose(values, (alone[0][name] + alone[1][name]) / 2, atol=1e-6)
            assert not np.allclose(alone[0][name], alone[1][name], atol=1e-3)

    def test_rescaled_predictions_have_the_labels_spread(
        self, small_run: Path, small_cache: Path
    ) -> None:
        info = load_checkpoint(small_run).info
        labels = np.concatenate([v.annotations for v in Cache(small_cache).subset("Train_Set")])
        assert info["labels"]["std"] == pytest.approx(labels.std(0).tolist(), rel=1e-5)
        plain = evaluate_runs([small_run], small_cache).summary.faces
        scaled = evaluate_runs([small_run], small_cache, rescaled=True).summary.faces
        assert plain.valence != scaled.valence


class TestSubsets:
    def test_a_cross_validation_predicts_out_of_fold(
        self, small_folds: Path, small_cache: Path
    ) -> None:
        expected = json.loads((small_folds / "summary.json").read_text())["annotated_with_face"]
        faces = evaluate_runs([small_folds], small_cache).summary.faces
        assert faces.count == expected["count"] == 336
        assert faces.valence == pytest.approx(expected["valence"], abs=1e-9)

    def test_a_fold_is_evaluated_on_what_it_held_out(
        self, small_folds: Path, small_cache: Path
    ) -> None:
        result = evaluate_runs([small_folds / "fold-1"], small_cache)
        assert len(result.summary.videos) == 2

    def test_videos_trained_on_are_a_warning(self, small_run: Path, small_cache: Path) -> None:
        lines: list[str] = []
        evaluate_runs([small_run], small_cache, subset="all", report=lines.append)
        assert lines[0] == "warning: trained on 3 of 6 videos here"
        lines.clear()
        evaluate_runs([small_run], small_cache, report=lines.append)
        assert not any("warning" in line for line in lines)

    def test_what_only_looks_like_a_fold_is_none(
        self, small_folds: Path, small_cache: Path, tmp_path: Path
    ) -> None:
        out = shutil.copytree(small_folds, tmp_path / "folds")
        for name in ("fold-old", "fold-1-old", "fold-01"):
            shutil.copytree(out / "fold-1", out / name)
        assert [path.parent.name for path in checkpoints_in(out)] == ["fold-1", "fold-2", "fold-3"]

    def test_training_that_is_not_finished_is_a_warning(
        self, small_run: Path, small_cache: Path, tmp_path: Path
    ) -> None:
        out = shutil.copytree(small_run, tmp_path / "run")
        state = out / "state.safetensors"
        with safe_open(state, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            ((key, text),) = (file.metadata() or {}).items()
        lines: list[str] = []
        for finished in (True, False):
            note = json.loads(text) | {"finished": finished}
            save_file(tensors, state, {key: json.dumps(note)})
            evaluate_runs([out], small_cache, report=lines.append)
            warned = f"warning: {out}: its training is not finished; its best network so far"
            assert (warned in lines) is not finished

    def test_folds_that_are_not_there_are_a_warning(
        self, small_folds: Path, small_cache: Path, tmp_path: Path
    ) -> None:
        out = shutil.copytree(small_folds, tmp_path / "folds")
        lines: list[str] = []
        for number, gone in ((2, "fold 2 is"), (1, "folds 1, 2 are")):
            shutil.rmtree(out / f"fold-{number}")
            evaluate_runs([out], small_cache, report=lines.append)
            assert lines[0] == f"warning: {out}: of 3 folds {gone} not there"
            lines.clear()
        for whole in (small_folds, out / "fold-3"):
            evaluate_runs([whole], small_cache, report=lines.append)
        assert not any("warning" in line for line in lines)

    def test_a_network_that_has_seen_what_is_held_out_is_refused(
        self, small_folds: Path, small_cache: Path, tmp_path: Path
    ) -> None:
        """As with a cache of other videos, whose folds are others."""
        run = shutil.copytree(small_folds / "fold-1", tmp_path / "run")
        best = run / "best.safetensors"
        update_info(best, {"training": load_checkpoint(best).info["training"] | {"fold": "2/3"}})
        match = rf"^{best}: was trained on 2 of 2 videos that {small_cache} holds out for it, such"
        with pytest.raises(InputError, match=match):
            evaluate_runs([run], small_cache)
        assert evaluate_runs([run], small_cache, subset="all").summary.faces.count == 336

    def test_one_without_videos(self, small_run: Path, small_cache: Path) -> None:
        with pytest.raises(InputError, match="Test_Set: expected annotated videos"):
            evaluate_runs([small_run], small_cache, subset="Test_Set")


class TestPage:
    def test_it_holds_predictions_and_truth(
        self, small_run: Path, small_cache: Path, tmp_path: Path
    ) -> None:
        evaluate_runs([small_run], small_cache, out=tmp_path, page=True)
        videos = content_of(tmp_path / "evaluation.html")["videos"]
        held_out = [x for x in Cache(small_cache).videos if x.subset == "Validation_Set"]
        assert [video["name"] for video in videos] == [video.name for video in held_out]
        for video, cached in zip(videos, held_out, strict=True):
            (person,) = video["people"]
            truth = cached.annotations.T.double().numpy()
            np.testing.assert_allclose(np.array(person["truth"]), truth, atol=1e-6)
            assert np.array(person["values"]).shape == truth.shape
            assert (video["film"], video["timed"]) == (None, False)

    def test_it_needs_a_folder(self, small_run: Path, small_cache: Path) -> None:
        with pytest.raises(InputError, match="page: expected a folder to write it to"):
            evaluate_runs([small_run], small_cache, page=True)


class TestStreams:
    @pytest.mark.parametrize("kind", [pytest.param("resnet", marks=pytest.mark.slow), "small"])
    def test_a_blinded_stream_sees_nothing(self, kind: str, request: pytest.FixtureRequest) -> None:
        run, cache = (request.getfixturevalue(f"{kind}_{what}") for what in ("run", "cache"))
        cache = Cache(cache)
        videos = cache.subset("Validation_Set")
        both, spatial, temporal = (
            Ensemble([run], cache, streams=streams) for streams in ("both", "spatial", "temporal")
        )
        name = videos[0].name
        seen = [ensemble.predict(videos)[name] for ensemble in (both, spatial, temporal)]
        for one, other in combinations(seen, 2):
            assert not np.allclose(one, other, atol=1e-4)
        # What a stream that can see is shown makes a difference, and what a blind one is does not.
        appearance = replace(videos[0], features=videos[0].features[:].flip(0).clone())
        motion = replace(videos[0], frames=videos[0].frames[:].flip(0).clone())
        if kind == "small":  # it sees the frames
            changed = spatial.predict([motion])[name]
            assert not np.allclose(changed, seen[1], atol=1e-4)
        else:
            np.testing.assert_allclose(spatial.predict([motion])[name], seen[1], atol=1e-5)
            assert not np.allclose(spatial.predict([appearance])[name], seen[1], atol=1e-4)
        assert np.array_equal(temporal.predict([appearance])[name], seen[2])
        assert not np.allclose(temporal.predict([motion])[name], seen[2], atol=1e-4)

    def test_a_small_backbone_blind_to_motion_sees_every_face(
        self, small_run: Path, small_cache: Path
    ) -> None:
        """By the parts: its features of the true faces, and phases of one that stands still."""
        cache = Cache(small_cache)
        video = cache.subset("Validation_Set")[0]
        checkpoint = load_checkpoint(small_run)
        with torch.no_grad():
            backbone = checkpoint.backbone.eval()
            features = backbone(backbone.prepare(video.frames[:]))
        still = video.frames[:].float().mean(0).round().byte().repeat(len(video), 1, 1)
        expected = predict_sequence(checkpoint.network, features, still, 16, 16)
        disjoint = Cut(16)
        found = Ensemble([small_run], cache, streams="spatial", cut=disjoint).predict([video])[
            video.name
        ]
        np.testing.assert_allclose(found, expected, atol=1e-5)

    @pytest.mark.slow
    def test_a_stream_it_does_not_have(
        self, resnet_cache: Path, tmp_path: Path, small_config: TrainingConfig
    ) -> None:
        network = replace(small_config.network, streams="spatial")
        config = replace(small_config, spatial="cached", network=network, epochs=1)
        run = train(resnet_cache, tmp_path / "run", config=config).out
        with pytest.raises(InputError, match="has only the spatial stream, not the temporal"):
            evaluate_runs([run], resnet_cache, streams="temporal")
        assert evaluate_runs([run], resnet_cache, streams="spatial").networks == 1


class TestFinetuned:
    """A ResNet50 that was trained sees the images, as the cache's features are not its own."""

    @pytest.fixture(scope="class")
    @staticmethod
    def finetuned(
        tmp_path_factory: pytest.TempPathFactory, resnet_cache: Path, small_config: TrainingConfig
    ) -> Path:
        config = replace(small_config, spatial="finetune", epochs=1, clip_length=8, stride=8)
        out = tmp_path_factory.mktemp("finetuned") / "run"
        return train(resnet_cache, out, config=config).out

    @pytest.mark.slow
    def test_it_predicts_what_validation_did(self, finetuned: Path, resnet_cache: Path) -> None:
        (epoch,) = csv.DictReader((finetuned / "history.csv").open())
        faces = evaluate_runs([finetuned], resnet_cache, stride=8).summary.faces
        assert faces.valence == pytest.approx(float(epoch["valence"]), abs=1e-5)
        assert faces.arousal == pytest.approx(float(epoch["arousal"]), abs=1e-5)

    @pytest.mark.slow
    def test_its_features_in_a_cache_are_taken_from_there(
        self, finetuned: Path, resnet_cache: Path, learnable: Path, tmp_path: Path
    ) -> None:
        extract(learnable, tmp_path / "cache", backbone=finetuned / "best.safetensors")
        cache = Cache(tmp_path / "cache")
        ensemble = Ensemble([finetuned], cache)
        assert ensemble.members[0].backbone is None
        video = cache.subset("Validation_Set")[0]
        expected = Ensemble([finetuned], Cache(resnet_cache)).predict([video])[video.name]
        # float16 in the cache
        assert np.abs(ensemble.predict([video])[video.name] - expected).max() < 0.02

    def test_it_needs_folders_of_images(self, small_cache: Path, tmp_path: Path) -> None:
        video = Cache(small_cache).subset("Validation_Set")[0]
        (tmp_path / "film.mp4").touch()
        for name, found in (("film.mp4", "a video"), ("gone", "none")):
            moved = replace(video, source=str(tmp_path / name))
            message = f"{name}: expected the folder of .*, got {found}; a ResNet50 that is trained"
            with pytest.raises(InputError, match=message):
                FaceImages([moved])

    @pytest.mark.slow
    def test_it_can_be_blinded(self, finetuned: Path, resnet_cache: Path) -> None:
        cache = Cache(resnet_cache)
        video = cache.subset("Validation_Set")[0]
        blind = Ensemble([finetuned], cache, streams="temporal").predict([video])[video.name]
        assert not np.allclose(blind, Ensemble([finetuned], cache).predict([video])[video.name])


class TestFiles:
    def test_table_summary_and_plot(
        self, small_run: Path, small_cache: Path, tmp_path: Path
    ) -> None:
        result = evaluate_runs([small_run], small_cache, out=tmp_path / "out")
        rows = list(csv.DictReader((tmp_path / "out/videos.csv").open()))
        assert [row["video"] for row in rows] == [f"Validation_Set-{n}" for n in range(3)]
        assert sum(int(row["frames"]) for row in rows) == 168
        summary = json.loads((tmp_path / "out/summary.json").read_text())
        assert summary["annotated_with_face"]["valence"] == result.summary.faces.valence
        assert (tmp_path / "out/evaluation.png").read_bytes().startswith(b"\x89PNG")

    @pytest.mark.parametrize("name", ["summary.json", "videos.csv", "evaluation.png"])
    def test_what_is_there_is_replaced_only_if_asked(
        self, small_run: Path, small_cache: Path, tmp_path: Path, name: str
    ) -> None:
        path = tmp_path / name  # such as a cross-validation's
        path.write_text("earlier")
        message = f"^{re.escape(str(path))}: exists; give another --out or --overwrite$"
        with pytest.raises(InputError, match=message):
            evaluate_runs([small_run], small_cache, out=tmp_path)
        assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(name, "earlier")]
        evaluate_runs([small_run], small_cache, out=tmp_path, overwrite=True)
        assert not path.read_bytes().startswith(b"earlier")


class TestRefused:
    @pytest.mark.slow
    def test_a_cache_from_other_weights(self, resnet_run: Path, small_cache: Path) -> None:
        with pytest.raises(InputError, match=r"its backbone \(SHA-256 .* is not the one"):
            evaluate_runs([resnet_run], small_cache)

    def test_a_checkpoint_of_something_else(
        self, weights: Path, resnet_cache: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "c.safetensors"
        shutil.copy(weights, path)
        update_info(path, {"training": {}, "labels": {"std": [1]}})
        with pytest.raises(InputError, match="expected a checkpoint of `mimamo train`"):
            evaluate_runs([path], resnet_cache)

    def test_a_folder_without_a_run(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="expected a run or a cross-validation"):
            checkpoints_in(tmp_path)
