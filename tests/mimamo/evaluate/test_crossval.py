"""Cross-validation: every video predicted by who has not seen it, in one job or several."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import safe_open
from support.digests import digests

from mimamo import InputError, load_checkpoint
from mimamo.data import Cache, subject_of
from mimamo.data.cache import Manifest, video_path
from mimamo.evaluate import Ensemble, crossval, join
from mimamo.evaluate.cross_validation import PREDICTIONS_KEY, _rows_of, read_predictions
from mimamo.evaluate.scores import Interval, Score, face_pairs, score
from mimamo.evaluate.summary import Summary, against_report
from mimamo.locks import locked
from mimamo.tensor_file import save_tensors
from mimamo.train import TrainingConfig
from mimamo.train.videos import Chosen, choose_videos


class TestOutOfFold:
    def test_every_video_is_predicted_by_who_has_not_seen_its_subject(
        self, small_folds: Path, small_cache: Path
    ) -> None:
        cache = Cache(small_cache)
        pairs, names = [], []
        for fold in (1, 2, 3):
            trained_on = load_checkpoint(small_folds / f"fold-{fold}").info["trained_on"]
            known = {subject_of(name) for name in trained_on}
            unseen = [video for video in cache.videos if video.subject not in known]
            names += [video.name for video in unseen]
            values = Ensemble([small_folds / f"fold-{fold}"], cache).predict(unseen)
            pairs += [face_pairs(video, values[video.name]) for video in unseen]
        assert sorted(names) == sorted(video.name for video in cache.videos)
        summary = json.loads((small_folds / "summary.json").read_text())["annotated_with_face"]
        expected = score(pairs)
        assert summary["count"] == expected.count == 336
        assert summary["valence"] == pytest.approx(expected.valence, abs=1e-6)
        assert summary["arousal"] == pytest.approx(expected.arousal, abs=1e-6)

    def test_run_and_predictions_note_the_same_of_the_fold(
        self, small_folds: Path, small_cache: Path
    ) -> None:
        for number in (1, 2, 3):
            expected = choose_videos(Cache(small_cache), f"{number}/3").identity
            for name, key in (("state", "mimamo_training"), ("held_out", "mimamo_held_out")):
                path = small_folds / f"fold-{number}" / f"{name}.safetensors"
                with safe_open(path, "np") as file:
                    assert json.loads(file.metadata()[key])["identity"] == expected

    def test_files(self, small_folds: Path) -> None:
        rows = list(csv.DictReader((small_folds / "folds.csv").open()))
        assert [row["fold"] for row in rows] == ["1", "2", "3", "all"]
        assert sum(int(row["frames"]) for row in rows[:3]) == int(rows[3]["frames"]) == 336
        videos = list(csv.DictReader((small_folds / "videos.csv").open()))
        assert len(videos) == 6
        for row in [*rows, *videos]:
            for name in ("valence", "arousal"):
                if row.get("fold") and not row[f"{name}_low"]:
                    continue  # of two videos that are the same, resamples are too
                low, high = float(row[f"{name}_low"]), float(row[f"{name}_high"])
                assert low < float(row[name]) < high
        assert (small_folds / "crossval.png").read_bytes().startswith(b"\x89PNG")

    def test_a_fold_of_one_subject_has_no_interval(self, tmp_path: Path) -> None:
        one = Score(4, 0.5, 0.5)
        single, several = Interval(None, None, 1), Interval((0.4, 0.6), (0.3, 0.7), 2)
        summary = Summary("frame", one, one, several, ())
        rows = _rows_of({"fold 1": (one, single), "fold 2": (one, several)}, summary)
        assert [row[0] for row in rows] == ["fold", "1", "2", "all"]
        ends = [row[4:] for row in rows]
        between = ["0.400000", "0.600000", "0.300000", "0.700000"]
        assert ends == [
            ["valence_low", "valence_high", "arousal_low", "arousal_high"],
            [""] * 4, between, between,
        ]  # fmt: skip


def test_the_mean_of_the_folds_is_beside_what_is_pooled(
    small_folds: Path, small_cache: Path, tmp_path: Path
) -> None:
    folds = shutil.copytree(small_folds, tmp_path / "folds")
    said: list[str] = []
    joined = join(small_cache, folds, 3, said.append)
    (line,) = [line for line in said if line.startswith("mean of the folds")]
    expected = [sum(getattr(f, n) for f in joined.folds) / 3 for n in ("valence", "arousal")]
    assert line.split()[4:] == ["336", *(f"{x:.3f}" for x in (*expected, sum(expected) / 2))]
    assert sum(line.startswith("technical report's valence 0.415, arousal 0.511:") for line in said)


def test_another_data_set_is_not_compared_with_the_report(
    small_folds: Path, small_cache: Path, tmp_path: Path
) -> None:
    folds = shutil.copytree(small_folds, tmp_path / "folds")
    cache = shutil.copytree(small_cache, tmp_path / "cache")
    replace(Manifest.load(cache), layout="Aff-Wild").save(cache)
    said: list[str] = []
    join(cache, folds, 3, said.append)
    assert any(line.startswith("mean of the folds") for line in said)
    assert not any("technical report" in line for line in said)


def test_which_number_meets_the_report() -> None:
    line = against_report({"pooled": Score(9, 0.415, 0.5), "mean of the folds": Score(9, 0.4, 0.4)})
    assert line == (
        "technical report's valence 0.415, arousal 0.511: pooled meets valence; mean of the folds "
        "meets neither"
    )


class TestFinetuned:
    @pytest.mark.slow
    def test_each_folds_own_backbone_predicts_what_it_held_out(
        self, resnet_cache: Path, small_config: TrainingConfig, tmp_path: Path
    ) -> None:
        config = replace(small_config, spatial="finetune", epochs=1, clip_length=8, stride=8)
        result = crossval(resnet_cache, tmp_path / "folds", folds=2, config=config)
        assert result.summary is not None
        assert result.summary.faces.count == 336


class TestResultsOfSomethingElse:
    @pytest.mark.parametrize("name", ["summary.json", "videos.csv"])
    def test_they_are_not_overwritten(
        self, small_cache: Path, small_config: TrainingConfig, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / name).write_text('{"settings": {"subset": "held-out"}}')  # an evaluation's
        message = "expected a cross-validation's results or none, got .* of something else"
        with pytest.raises(InputError, match=message):
            crossval(small_cache, tmp_path, folds=3, config=small_config)
        with pytest.raises(InputError, match=message):
            join(small_cache, tmp_path, folds=3)
        assert [path.name for path in tmp_path.iterdir()] == [name]


class TestJobs:
    @pytest.mark.slow
    def test_folds_can_be_trained_apart_and_joined(
        self, small_folds: Path, small_cache: Path, small_config: TrainingConfig, tmp_path: Path
    ) -> None:
        out = tmp_path / "folds"
        first = crossval(small_cache, out, folds=3, only=[3], config=small_config)
        assert first.missing == (1, 2)
        assert not (out / "folds.csv").exists()
        shutil.copytree(small_folds / "fold-1", out / "fold-1")  # from another machine
        assert crossval(small_cache, out, folds=3, only=[2], config=small_config).missing == ()
        for name in ("folds.csv", "videos.csv", "summary.json"):
            text = (out / name).read_text()
            assert text == (small_folds / name).read_text()

    @pytest.mark.slow
    def test_two_processes_train_it_and_the_first_joins_it(
        self, small_cache: Path, small_config: TrainingConfig, tmp_path: Path
    ) -> None:
        config = replace(small_config, epochs=1)
        config.save(tmp_path / "config.toml")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
                *("--nproc-per-node", "2"),
                *("-m", "mimamo", "crossval", str(small_cache), "--out", str(tmp_path / "folds")),
                *("--config", str(tmp_path / "config.toml"), "--folds", "2", "--device", "cpu"),
            ],
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("out of fold, all together:") == 1
        joined = join(small_cache, tmp_path / "folds", folds=2)
        assert joined.summary is not None
        assert joined.summary.faces.count == 336

    def test_one_process_joins_at_a_time(
        self, small_folds: Path, small_cache: Path, small_config, tmp_path: Path, monkeypatch
    ) -> None:
        """Sums were written of what another had replaced; the last that trains waits its turn."""
        out = shutil.copytree(small_folds, tmp_path / "folds")
        before, busy = digests(out), f"^{re.escape(str(out))}: another process is writing into it"
        with locked(out, ["join"]):
            with pytest.raises(InputError, match=busy):
                join(small_cache, out, 3)
            monkeypatch.setattr("mimamo.evaluate.cross_validation._PATIENCE", 0.2)
            with pytest.raises(InputError, match=busy):
                crossval(small_cache, out, folds=3, only=[1], config=small_config)
        with locked(out, ["fold-1"]):  # which may be trained meanwhile
            join(small_cache, out, 3)
        with locked(out), pytest.raises(InputError, match=busy):
            join(small_cache, out, 3)
        assert digests(out) == before

    def test_a_finished_one_is_only_joined_again(
        self,
        small_folds: Path,
        small_cache: Path,
        small_config: TrainingConfig,
        predicted,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        choices: list[str] = []

        def noted(cache: Cache, fold: str) -> Chosen:
            choices.append(fold)
            return choose_videos(cache, fold)

        monkeypatch.setattr("mimamo.train.training.choose_videos", noted)
        monkeypatch.setattr("mimamo.evaluate.cross_validation.choose_videos", noted)

        def written() -> list[int]:
            return [path.stat().st_mtime_ns for path in small_folds.glob("fold-*/*.safetensors")]

        before = written()
        result = crossval(small_cache, small_folds, folds=3, config=small_config)
        assert written() == before
        assert predicted == []
        assert choices == ["1/3", "2/3", "3/3"]  # each is looked for and digested once
        assert result.summary == join(small_cache, small_folds, 3).summary

    def test_predictions_that_are_damaged_or_of_other_weights_are_made_again(
        self, small_folds: Path, small_cache: Path, small_config, predicted, tmp_path: Path
    ) -> None:
        out = shutil.copytree(small_folds, tmp_path / "folds")
        damaged = out / "fold-2/held_out.safetensors"
        expected = damaged.read_bytes()
        damaged.write_bytes(expected[:-1])
        shutil.copy(out / "fold-1/best.safetensors", out / "fold-3/best.safetensors")
        crossval(small_cache, out, folds=3, config=small_config)
        assert [str(path.parent.name) for path in predicted] == ["fold-2", "fold-3"]
        assert damaged.read_bytes() == expected


def test_predictions_that_do_not_say_how_clips_overlapped_are_made_again(
    small_folds: Path, small_cache: Path, small_config, predicted, tmp_path: Path
) -> None:
    out = shutil.copytree(small_folds, tmp_path / "folds")
    path = out / "fold-2/held_out.safetensors"
    expected = path.read_bytes()
    tensors, note = read_predictions(path)
    del note["cut"]
    save_tensors(path, tensors, PREDICTIONS_KEY, note)
    with pytest.raises(InputError, match=r"held_out\.safetensors: .* got some with None; say"):
        join(small_cache, out, 3)
    crossval(small_cache, out, folds=3, config=small_config)
    assert [path.parent.name for path in predicted] == ["fold-2"]
    assert path.read_bytes() == expected


class TestRefused:
    def test_more_folds_than_subjects(
        self, small_cache: Path, tmp_path: Path, small_config
    ) -> None:
        with pytest.raises(InputError, match="fold 7 of 7 would have no data"):
            crossval(small_cache, tmp_path / "out", folds=7, config=small_config)

    def test_another_number_of_folds(self, small_folds: Path, small_cache: Path) -> None:
        with pytest.raises(InputError, match=r"expected a fold of 5, got fold '\d/3'"):
            join(small_cache, small_folds, 5)

    def test_folds_with_other_settings(
        self, small_folds: Path, small_cache: Path, tmp_path: Path, small_config: TrainingConfig
    ) -> None:
        out = shutil.copytree(small_folds, tmp_path / "folds")
        shutil.rmtree(out / "fold-2")
        with pytest.raises(InputError, match=r"expected the settings of .*fold-1"):
            crossval(
                small_cache, out, folds=3, only=[2], config=replace(small_config, learning_rate=0.5)
            )

    def test_predictions_cut_short(
        self, small_folds: Path, small_cache: Path, tmp_path: Path
    ) -> None:
        out = shutil.copytree(small_folds, tmp_path / "folds")
        path = out / "fold-2" / "held_out.safetensors"
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(InputError, match=r"fold-2/held_out\.safetensors: cut short"):
            join(small_cache, out, 3)

    def test_predictions_of_another_network(
        self, small_folds: Path, small_cache: Path, tmp_path: Path
    ) -> None:
        """As after a fold was trained further, and stopped before it was predicted."""
        out = shutil.copytree(small_folds, tmp_path / "folds")
        shutil.copy(out / "fold-1/best.safetensors", out / "fold-2/best.safetensors")
        match = r"fold-2/held_out\.safetensors: expected predictions of best\.safetensors beside it"
        with pytest.raises(InputError, match=match):
            join(small_cache, out, 3)
        for number in (1, 2, 3):  # where only predictions are, there is nothing to compare
            (out / f"fold-{number}/best.safetensors").unlink()
        assert join(small_cache, out, 3).missing == ()

    def test_predictions_that_do_not_say_what_they_are_from(
        self, small_folds: Path, small_cache: Path, tmp_path: Path
    ) -> None:
        out = shutil.copytree(small_folds, tmp_path / "folds")
        path = out / "fold-1/held_out.safetensors"
        save_tensors(path, read_predictions(path)[0], PREDICTIONS_KEY, {"fold": "1/3"})
        with pytest.raises(InputError, match="was trained on other videos or features"):
            join(small_cache, out, 3)

    def test_annotations_that_have_changed(
        self, small_folds: Path, small_cache: Path, tmp_path: Path, small_config: TrainingConfig
    ) -> None:
        root = shutil.copytree(small_cache, tmp_path / "cache")
        video = Cache(root).subset("Train_Set")[0]
        annotations = video.annotations.flip(0)
        replace(video, annotations=annotations).save(video_path(root, video.name))
        out = shutil.copytree(small_folds, tmp_path / "folds")
        match = r"fold-1/held_out\.safetensors: the annotations of the videos in .* have changed"
        with pytest.raises(InputError, match=match):
            join(root, out, 3)
        with pytest.raises(InputError, match=r"fold-1/state\.safetensors: the annotations"):
            crossval(root, out, folds=3, config=small_config)

    def test_a_fold_out_of_range(self, small_cache: Path, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="fold: expected 1 to 3, got 4"):
            crossval(small_cache, tmp_path / "out", folds=3, only=[4])
