"""A further extraction into a cache: another subset, the data set elsewhere, another data set."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support.digests import digests

from mimamo import InputError
from mimamo.data import AffWild2, Cache
from mimamo.extract import extract
from mimamo.faces import CenterFace
from mimamo.shards import Shard


class TestSameCacheAgain:
    def test_another_subset_is_added(self, run, tmp_path: Path) -> None:
        for subset in ("Validation_Set", "Train_Set", "Validation_Set"):
            run(subsets=[subset])
        cache = Cache(tmp_path / "cache")
        assert cache.manifest.videos == {"gaps": "Train_Set", "plain": "Validation_Set"}
        assert [v.name for v in cache.videos] == ["gaps", "plain"]

    def test_another_detector_is_refused(self, tmp_path: Path, film, raw: Path) -> None:
        found = CenterFace()
        film(raw / "videos/face.mp4", "xxx")
        (raw / "annotations/Train_Set/face.txt").write_text("valence,arousal\n" + "0,0\n" * 3)
        extract(raw, tmp_path / "cache", backbone="small", strict=True)
        assert Cache(tmp_path / "cache").videos[0].made_with["detector"] == "CenterFace"
        assert extract(raw, tmp_path / "cache", backbone="small", detector=found).kept == 1
        message = r"cache: made with detector CenterFace, not CenterFace \w{12}; give"
        other = CenterFace(found._path)  # as a user gives a file
        with pytest.raises(InputError, match=message):
            extract(raw, tmp_path / "cache", backbone="small", detector=other)

    def test_what_the_data_set_has_no_longer_is_dropped(
        self, run, data: Path, tmp_path: Path
    ) -> None:
        run()
        shutil.rmtree(data / "cropped_aligned/gaps")
        run(subsets=["Validation_Set"])
        assert [v.name for v in Cache(tmp_path / "cache").videos] == ["plain"]

    def test_what_the_data_set_has_no_longer_is_a_problem(
        self, run, data: Path, tmp_path: Path
    ) -> None:
        faces = data / "cropped_aligned"
        shutil.copytree(faces / "plain", faces / "test")
        run()
        manifest = (tmp_path / "cache/manifest.json").read_bytes()
        (faces / "test").rename(tmp_path / "test")
        line = f"{data}: expected test, which an earlier run put into "
        for shard in (Shard(0, 2), Shard(1, 2)):
            with pytest.raises(InputError, match=f"^{re.escape(line)}.*no longer; not used$"):
                run(strict=True, shard=shard)
        assert (tmp_path / "cache/manifest.json").read_bytes() == manifest
        for shard, count in ((Shard(1, 2), 0), (Shard(0, 2), 1)):
            result = run(shard=shard)
            assert [found.startswith(line) for found in result.problems] == [True] * count
        assert result.problems[0] in run.lines
        assert ", 1 problem, " in run.lines[-2]
        assert "test" not in Cache(tmp_path / "cache").manifest.videos
        (tmp_path / "test").rename(faces / "test")
        result = run(strict=True)
        assert (result.made, result.kept) == (0, 3)  # kept on the disk meanwhile

    def test_what_the_data_set_says_it_does_not_use_is_told_once(
        self, run, data: Path, tmp_path: Path
    ) -> None:
        run()
        shutil.rmtree(data / "cropped_aligned/gaps")
        assert [line.split(": ")[1] for line in run().problems] == [
            f"no faces in {data / 'cropped_aligned/gaps'}; not used"
        ]

    def test_one_that_was_not_used_is_looked_for_in_the_data_set(
        self, run, data: Path, tmp_path: Path
    ) -> None:
        (data / "cropped_aligned/empty").mkdir()
        assert len(run().skipped) == 1
        (data / "cropped_aligned/empty").rmdir()
        (problem,) = run().problems
        assert problem.startswith(f"{data}: expected empty, which an earlier run put into")

    def test_the_same_data_set_by_another_way_is_the_same(
        self, run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run()
        (tmp_path / "link").symlink_to(data)
        monkeypatch.chdir(tmp_path)
        lines: list[str] = []
        for same in ("data", AffWild2(data), "link"):
            result = extract(same, tmp_path / "cache", backbone="small", report=lines.append)
            assert result.kept == 2
        account = [line for line in lines if str(tmp_path / "cache") in line]
        assert ["0 videos extracted, 2 kept" in line for line in account] == [True] * 3

    @pytest.mark.parametrize("way", ["moved", "copied"])
    def test_a_data_set_elsewhere_is_known_by_its_contents(
        self, run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        run()
        fingerprints = [video.fingerprint for video in Cache(tmp_path / "cache").videos]
        if way == "moved":
            data.rename(tmp_path / "other")
            monkeypatch.delattr("mimamo.extract.source._content")  # stamps tell it
        else:
            shutil.copytree(data, tmp_path / "other", copy_function=shutil.copyfile)
        for said in (2, 0):
            lines: list[str] = []
            result = extract(
                tmp_path / "other", tmp_path / "cache", backbone="small", report=lines.append
            )
            assert (result.made, result.kept) == (0, 2)
            assert len([line for line in lines if "was moved, copied or" in line]) == said
        cache = Cache(tmp_path / "cache")
        assert [video.fingerprint for video in cache.videos] == fingerprints
        assert cache.manifest.data == str(tmp_path / "other")
        for video in cache.videos:
            assert video.source == str(tmp_path / "other/cropped_aligned" / video.name)

    def test_what_is_wrong_is_told_of_its_new_place(self, run, data: Path, tmp_path: Path) -> None:
        (data / "cropped_aligned/plain/00003.jpg").write_bytes(b"")
        (data / "annotations/Validation_Set/plain.txt").write_text("valence,arousal\n0,0\n")
        was = run().problems
        assert len(was) == 2
        data.rename(tmp_path / "other")
        result = extract(tmp_path / "other", tmp_path / "cache", backbone="small")
        assert result.kept == 2
        assert result.problems == tuple(
            line.replace(str(data), str(tmp_path / "other")) for line in was
        )

    def test_of_a_copy_only_what_differs_is_made_again(
        self, run, data: Path, tmp_path: Path
    ) -> None:
        run()
        shutil.copytree(data, tmp_path / "other")
        (tmp_path / "other/cropped_aligned/gaps/00007.jpg").unlink()
        result = extract(tmp_path / "other", tmp_path / "cache", backbone="small")
        assert (result.made, result.kept) == (1, 1)

    def test_another_data_set_is_refused(self, run, data: Path, tmp_path: Path) -> None:
        run()
        before = digests(tmp_path / "cache")
        other = tmp_path / "other"
        shutil.copytree(data, other)
        for name in ("gaps", "plain"):
            path = other / "cropped_aligned" / name / "00004.jpg"
            path.write_bytes(path.with_name("00005.jpg").read_bytes())
        for given in (other, AffWild2(other)):
            with pytest.raises(
                InputError,
                match=r"cache: made of .*/data, not of .*/other, with 2 of 2 videos looked at "
                r"different or missing, such as gaps; give another --out",
            ):
                extract(given, tmp_path / "cache", backbone="small")
        assert digests(tmp_path / "cache") == before
