"""From a data set on disk to a packed cache, resumable and in shards."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from mimamo.data.affwild2 import AffWild2, Given
from mimamo.data.cache import Manifest, save_skipped, skipped_path, video_path
from mimamo.data.cached_video import CachedVideo, made_otherwise
from mimamo.data.dataset import Dataset, DatasetVideo, Problems
from mimamo.data.omg import FILES, OMGEmotion
from mimamo.data.overview import overview
from mimamo.device import choose_precision
from mimamo.errors import InputError, NothingFoundError
from mimamo.extract.backbone import CacheSettings
from mimamo.extract.feature_files import FeatureFolders, GivenVideos
from mimamo.extract.preparation import cache_folder, prepare, wait_for_manifest
from mimamo.extract.source import as_it_is_now
from mimamo.extract.video import NoFaceError, extract_video
from mimamo.faces import Detector
from mimamo.faces.batched_centerface import centerface
from mimamo.files import remove_left_over
from mimamo.locks import locked
from mimamo.model.checkpoint import Extractor, FeatureSource
from mimamo.model.features import SpatialFeatures
from mimamo.model.given_features import GivenFeatures
from mimamo.model.onnx_backbone import OnnxBackbone
from mimamo.model.onnx_session import OnnxSettings
from mimamo.model.small_backbone import SmallBackbone
from mimamo.progress import Progress, Report, counted, silent
from mimamo.shards import Shard, size_of
from mimamo.video.folder import CROPS

_DATA = "{data}/"  # stands for the data set's folder in what is kept, for it may be moved


@dataclass(frozen=True)
class ExtractResult:
    """What an extraction came to, of this process's share.

    Attributes:
        root: the cache.
        made, kept: videos extracted now, and found whole from an earlier run.
        skipped: reason of each video that is not used.
        problems: what is wrong with the others' images and annotations, what of the data set is
            left out and what of an earlier run's it has no longer; but for the images and
            annotations in the first process only.
        frames: faces in the videos made and kept.
        seconds: all in all.
    """

    root: Path
    made: int
    kept: int
    skipped: tuple[str, ...]
    problems: tuple[str, ...]
    frames: int
    seconds: float


def open_dataset(
    root: Given | Sequence[Given],
    videos: Given | None = None,
    *,
    annotations: Given | None = None,
    faces: Sequence[Given] | None = None,
    names: Given | None = None,
    crop: str = "centre",
) -> AffWild2 | OMGEmotion:
    """Open a data set, in the layout of OMG-Emotion if it has its tables, else of Aff-Wild2.

    The arguments are those of the two; of OMG-Emotion only `root`, one, `videos` and `crop`.
    """
    if crop not in CROPS:
        raise InputError(f"crop: expected {' or '.join(CROPS)}, got {crop!r}")
    roots = [root] if isinstance(root, str | os.PathLike) else list(root)
    if any((Path(roots[0]) / table).exists() for table in FILES.values()):
        if len(roots) > 1 or annotations is not None or faces or names is not None:
            raise InputError(
                f"{roots[0]}: expected no other archive, annotations, faces or names, because its "
                "tables of OMG-Emotion say them"
            )
        return OMGEmotion(roots[0], videos, crop)
    return AffWild2(
        roots, videos, annotations=annotations, faces=faces or (), names=names, crop=crop
    )


def extract(
    data: Given | Sequence[Given] | Dataset,
    out: str | os.PathLike[str],
    *,
    backbone: str | os.PathLike[str] | Extractor | None = None,
    features: Sequence[Given] | None = None,
    image_size: int = 224,
    onnx: OnnxSettings | None = None,
    videos: Given | None = None,
    annotations: Given | None = None,
    faces: Sequence[Given] | None = None,
    names: Given | None = None,
    crop: str = "centre",
    subsets: Sequence[str] | None = None,
    phase_size: int = 48,
    seed: int = 0,
    strict: bool = False,
    device: torch.device | str = "cpu",
    precision: str = "float32",
    batch_size: int | None = None,
    detector: Detector | None = None,
    shard: Shard | None = None,
    report: Report = silent,
    progress: Progress = silent,
) -> ExtractResult:
    """Compute the features and grey faces of a data set once (see :mod:`mimamo.data.cache`).

    A video whose file is there and whose source has not changed is kept, so the same call goes on
    where another was stopped. Several processes may work on one cache, each on its `shard`, which
    no two may have; one that has all of it is alone in it.

    Args:
        data: a data set, or its folder or folders, see :func:`open_dataset`.
        out: the cache, made if need be.
        backbone: a file of ResNet50 weights, or an ONNX file, which onnxruntime runs; "random" for
            random weights, calibrated on faces of the data; "small" for a small network, trained
            later, so that there are no features to compute now; or a backbone. Either this or
            `features`.
        features: folders of features that somebody has computed, which are put side by side. In
            each, or in its folder of the subset, is a file by video, ``<video>.npy``, ``.npz`` or
            ``.safetensors``, of ``[N, D]``, or a folder by video with a file by frame,
            ``00001.npy``, of ``[D]``. In the latter two formats the array is called ``features``
            or is the only one, and ``frames`` or ``numbers`` are its rows' frames, from 1. Without
            them there is a row for each face, or for each frame.
        image_size: of the backbone's input, pixels, where its file does not say.
        onnx: what an ONNX file does not tell: its pictures, and which output is taken. None for
            the default; only with such a backbone.
        videos, annotations, faces, names, crop: as for :func:`open_dataset`, where `data` is no
            data set but folders.
        subsets: which of the data set's, each with a video; None for all. What the cache has of
            others stays in it.
        phase_size: height and width of the grey faces.
        seed: of random weights.
        strict: end at the first problem instead of leaving out what it concerns.
        device: where the backbone runs, and the detector unless one is given.
        precision: of the backbone: "float32", "bfloat16", or "auto" for the latter on a CPU that
            computes in it (:func:`mimamo.model.features.choose_precision`). A cache has one.
        batch_size: faces per pass; None for 8 on a CPU and 32 on a GPU.
        detector: finds faces in videos; None for CenterFace, on `device`.
        shard: which part is this process's; None for what ``torchrun`` says.
        report: called with each line of the account.
        progress: called with the name of a stage, the work done in it, and all of it.

    Raises:
        InputError: `backbone` and `features` are both given or neither, the data set or all
            features of a folder cannot be read, `out` holds something else or a cache from other
            weights or features or of another data set, or is being written by another process, a
            file cannot be written, or with `strict` anything is wrong.
    """
    start = time.monotonic()
    shard = shard or Shard.from_environment()
    device = torch.device(device)
    source = _source(backbone, features)
    where = {"annotations": annotations, "faces": faces, "names": names, "crop": crop}
    first = shard.index == 0
    dataset, everything = _opened(data, videos, where, report if first else silent)
    if isinstance(source, FeatureFolders):
        everything = [source.beside(video) for video in everything]
    wanted = _chosen(everything, subsets)
    problems = Problems(strict, report)
    dtype = choose_precision(precision, device)
    for line in dataset.remarks if first else ():
        report(line)
    tell = problems.add if first or strict else silent  # counted by one process, fatal in each
    for unused in dataset.unused:
        tell(unused.line)
    root = cache_folder(out)
    with locked(root, shard.lock):
        if not first:
            wait_for_manifest(root)
        settings = CacheSettings(
            source, image_size, seed, phase_size, device, dtype, detector, onnx
        )
        model, manifest = prepare(
            root, dataset, everything, wanted, settings, write=first, tell=tell
        )
        spatial = _features_of(model, source, device, batch_size, dtype)
        if isinstance(model, OnnxBackbone) and isinstance(spatial, SpatialFeatures) and first:
            for line in filter(None, (model.summary, spatial.note)):
                report(line)
        worker = _Worker(
            root, dataset, spatial, manifest, detector, device, problems, report, progress
        )
        worker.run([wanted[n] for n in shard.share([video.source for video in wanted])])
    result = ExtractResult(
        root=root,
        made=worker.made,
        kept=worker.kept,
        skipped=tuple(worker.skipped),
        problems=tuple(problems.lines),
        frames=worker.frames,
        seconds=time.monotonic() - start,
    )
    for line in _summary(result, shard, spatial is None):
        report(line)
    return result


def _source(
    backbone: str | os.PathLike[str] | Extractor | None, features: Sequence[Given] | None
) -> str | Extractor | FeatureFolders:
    """What the features are from. Raises InputError if both are given or neither."""
    if (backbone is None) == (features is None):
        got = "neither" if features is None else "both"
        raise InputError(f"expected either --backbone or --features, got {got}")
    if features is not None:
        return FeatureFolders(tuple(map(Path, features)))
    return backbone if isinstance(backbone, torch.nn.Module) else str(backbone)


def _features_of(
    model: FeatureSource,
    source: str | Extractor | FeatureFolders,
    device: torch.device,
    batch_size: int | None,
    dtype: torch.dtype,
) -> SpatialFeatures | GivenVideos | None:
    """What computes or reads the features; None for a small network, which is trained later."""
    if isinstance(source, FeatureFolders) and isinstance(model, GivenFeatures):
        return GivenVideos(source, model)
    if isinstance(model, SmallBackbone | GivenFeatures):
        return None
    return SpatialFeatures(model, device, batch_size, dtype)


def _opened(
    data: Given | Sequence[Given] | Dataset,
    videos: Given | None,
    where: dict[str, Any],
    report: Report,
) -> tuple[Dataset, list[DatasetVideo]]:
    """A data set, opened if it is in folders, and its videos; `report` is told what is in them.

    Raises NothingFoundError if there is no video.
    """
    dataset: Dataset
    if isinstance(data, str | os.PathLike | Sequence):
        dataset = opened = open_dataset(data, videos, **where)
        for line in overview(opened):
            report(line)
    else:
        dataset = data
    try:
        return dataset, dataset.videos()
    except NothingFoundError:
        for unused in dataset.unused:
            report(unused.line)
        raise


def _chosen(videos: Sequence[DatasetVideo], subsets: Sequence[str] | None) -> list[DatasetVideo]:
    """Those of some subsets, or all. Raises InputError if one of these has none."""
    there = {video.subset for video in videos}
    chosen = there if subsets is None else set(subsets)
    if missing := sorted(chosen - there):
        raise InputError(
            f"subsets: expected some of {', '.join(sorted(there))}, got {', '.join(missing)}"
        )
    return [video for video in videos if video.subset in chosen]


@dataclass
class _Worker:
    """Extracts one video after the other, and keeps the account."""

    root: Path
    dataset: Dataset
    spatial: SpatialFeatures | GivenVideos | None
    manifest: Manifest
    detector: Detector | None
    device: torch.device
    problems: Problems
    report: Report
    progress: Progress
    made: int = 0
    kept: int = 0
    frames: int = 0
    skipped: list[str] = field(default_factory=list)

    @property
    def data(self) -> str:
        """The data set's folder, as it begins a path in it."""
        return f"{getattr(self.dataset, 'root', '')}{os.sep}"

    def run(self, videos: Sequence[DatasetVideo]) -> None:
        sizes = [size_of(video.source) for video in videos]
        total, done = sum(sizes), 0
        for number, (video, size) in enumerate(zip(videos, sizes, strict=True), start=1):
            path = video_path(self.root, video.name)
            kept = self._whole(path, video)
            if kept is not None:
                self.kept += 1
                self.frames += len(kept)
                for line in kept.problems:
                    self.problems.add(line.replace(_DATA, self.data))
            else:
                self._extract(video, path, done, total)
                self.report(f"{number}/{len(videos)} {video.subset} {video.name}")
            done += size
            self.progress("extracting", done, total)

    def _whole(self, path: Path, video: DatasetVideo) -> CachedVideo | None:
        """The video of an earlier run; None if there is none, or it would not be the same now."""
        if not path.exists():
            return None
        try:
            cached = CachedVideo.load(path)
        except InputError as error:
            self.report(f"{error.args[0].split(';')[0]}; made again")
            return None
        if other := made_otherwise(cached, self.manifest.made_with):
            self.report(f"{path}: {other}; made again")
            return None
        same = (cached.subset, cached.unit) == (video.subset, self.dataset.unit)
        try:
            kept = as_it_is_now(cached, video) if same else None
        except InputError as error:  # what cannot be read now may be read the next time
            self.problems.add(f"{error}; {path} is kept as it was")
            return cached
        if kept is None:
            self.report(f"{path}: its source has changed; made again")
        elif kept is not cached:
            kept.save(path)
            self.report(f"{path}: its source was moved, copied or touched, not changed; kept")
        return kept

    def _extract(self, video: DatasetVideo, path: Path, done: int, total: int) -> None:
        marker = skipped_path(self.root, video.name)
        for file in (path, marker):  # of which only one is written now
            remove_left_over(file)
        film = not video.source.is_dir()
        if film and self.detector is None:
            self.detector = centerface(self.device)
        try:
            cached = extract_video(
                video,
                self.spatial,
                unit=self.dataset.unit,
                phase_size=self.manifest.phase_size,
                detector=self.detector,
                problems=self.problems,
                made_with=self.manifest.made_with,
                progress=silent
                if film
                else lambda faces: self.progress("extracting", done + faces, total),
            )
        except InputError as error:
            # What is wrong with the weights is wrong with every video.
            if self.problems.strict or str(error).startswith("backbone:"):
                raise
            path.unlink(missing_ok=True)
            save_skipped(marker, str(error), faceless=isinstance(error, NoFaceError))
            self.skipped.append(str(error))
            self.report(str(error))
            return
        inside = re.compile(rf"(?:^|(?<=[\s(])){re.escape(self.data)}")
        lines = tuple(inside.sub(_DATA, line) for line in cached.problems)
        replace(cached, problems=lines).save(path)
        marker.unlink(missing_ok=True)
        self.made += 1
        self.frames += len(cached)


def _summary(result: ExtractResult, shard: Shard, small: bool) -> list[str]:
    where = f"{result.root}{shard.name}"
    lines = [
        f"{where}: {counted(result.made, 'video')} extracted, {result.kept} kept from before, "
        f"{len(result.skipped)} not used, {counted(result.frames, 'face')}, "
        f"{counted(len(result.problems), 'problem')}, {timedelta(seconds=round(result.seconds))}"
    ]
    if small:
        lines.append("no spatial features: the small backbone is trained with the network")
    return lines
