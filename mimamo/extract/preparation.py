"""Making a cache ready for its videos: its folder, manifest and backbone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mimamo.data.cache import (
    ASKED,
    BACKBONE,
    DETECTOR,
    MANIFEST,
    VIDEOS,
    Manifest,
    stored_backbone,
    video_path,
)
from mimamo.data.cached_video import CachedVideo, difference
from mimamo.data.dataset import Dataset, DatasetVideo, Unused
from mimamo.errors import InputError
from mimamo.extract.backbone import CacheSettings, choose_backbone
from mimamo.extract.source import as_it_is_now, times_of
from mimamo.files import output_folder
from mimamo.model.checkpoint import FeatureSource, save_backbone, weights_hash
from mimamo.model.given_features import GivenFeatures
from mimamo.model.onnx_backbone import OnnxBackbone
from mimamo.model.small_backbone import SmallBackbone
from mimamo.progress import counted

_WAIT, _POLL = 1800.0, 0.2  # seconds for the first process to prepare the cache
_LOOKED_AT = 16  # videos of a cache, to tell a data set that was moved from another one


def prepare(
    root: Path,
    dataset: Dataset,
    everything: Sequence[DatasetVideo],
    videos: Sequence[DatasetVideo],
    settings: CacheSettings,
    *,
    write: bool,
    tell: Callable[[str], None],
) -> tuple[FeatureSource, Manifest]:
    """The backbone and the manifest, of which the first process writes both.

    `everything` is the whole data set, of which the cache keeps what an earlier run asked for
    beside `videos`; `tell` is called, before anything is written, for each video of that run that
    the data set has no longer. Raises InputError if the cache is one of other weights, settings or
    data.
    """
    earlier = Manifest.load(root) if (root / MANIFEST).exists() else None
    wanted = {video.name for video in videos} | (earlier.videos.keys() if earlier else set())
    listed = [video for video in everything if video.name in wanted]
    given = settings.given
    times = times_of(given)[0] if os.path.isfile(given) else ""  # before it is read
    if earlier is not None and _is_stored(root, settings, earlier):
        model = stored_backbone(root, earlier)
    else:
        model = choose_backbone(settings, videos)
    # What was found once stays so: a film may have come to folders of faces, or become one.
    detector = "" if earlier is None else earlier.detector
    if not all(video.source.is_dir() for video in everything):
        detector = settings.detector_name
    manifest = _manifest(dataset, listed, model, settings, detector, times, earlier)
    if earlier is not None:
        was, now = ({"layout": made.layout, **made.made_with} for made in (earlier, manifest))
        was.setdefault(DETECTOR, detector)
        if other := difference(was, {DETECTOR: detector, **now}):
            raise InputError(f"{root}: made with {other}; give another --out")
        _expect_same_data(root, earlier, manifest, everything)
        for line in _gone(root, earlier, manifest, dataset.unused):
            tell(line)
    if write:
        if earlier is None or not (root / BACKBONE).exists():
            save_backbone(root / BACKBONE, model)
        manifest.save(root)
    return model, manifest


def _is_stored(root: Path, settings: CacheSettings, earlier: Manifest) -> bool:
    """Whether the cache's own backbone is there, and sure to be the one asked for."""
    if os.path.isfile(settings.given):  # which may hold other weights by now
        return False
    same = isinstance(settings.backbone, str) and earlier.backbone.get("given") == settings.given
    return same and (root / BACKBONE).exists()


def _manifest(
    dataset: Dataset,
    videos: Sequence[DatasetVideo],
    model: FeatureSource,
    settings: CacheSettings,
    detector: str,
    times: str,
    earlier: Manifest | None,
) -> Manifest:
    small = isinstance(model, SmallBackbone)
    root = getattr(dataset, "root", None)
    backbone: dict[str, Any] = dict(model.settings)
    if not isinstance(model, SmallBackbone | GivenFeatures | OnnxBackbone):
        backbone["precision"] = str(settings.dtype).removeprefix("torch.")
    asked = {"given": settings.given, "given_times": times}
    if small:
        sha256 = ""
    # An ONNX file may have its tensors in others, whose times are not looked at.
    elif isinstance(model, OnnxBackbone):
        sha256 = weights_hash(model)
    elif times and earlier and asked == {name: earlier.backbone.get(name) for name in ASKED}:
        sha256 = earlier.weights_sha256  # another process or run has hashed this file
    else:
        sha256 = weights_hash(model)
    return Manifest(
        layout=dataset.layout,
        unit=dataset.unit,
        data=str(Path(root).absolute()) if root else "",
        backbone=backbone | asked,
        weights_sha256=sha256,
        feature_dim=0 if small else model.feature_dim,
        phase_size=settings.phase_size,
        videos={video.name: video.subset for video in videos},
        detector=detector,
    )


def _expect_same_data(
    root: Path, earlier: Manifest, now: Manifest, everything: Sequence[DatasetVideo]
) -> None:
    """InputError if a cache was made of another data set, and not of this one in another place."""
    was_of, is_of = (made.data and Path(made.data).resolve() for made in (earlier, now))
    if was_of == is_of:
        return
    there = {video.name: video for video in everything}
    made = [name for name in sorted(earlier.videos) if video_path(root, name).exists()]
    some = made[:: -(-len(made) // _LOOKED_AT) or 1]
    other = [name for name in some if not _is_of(video_path(root, name), there.get(name))]
    # Some may differ, for which single videos are made again.
    if 2 * len(other) > len(some):
        raise InputError(
            f"{root}: made of {earlier.data or 'a data set without a folder'}, not of "
            f"{now.data or 'one without'}, with {len(other)} of {counted(len(some), 'video')} "
            f"looked at different or missing, such as {other[0]}; give another --out"
        )


def _gone(root: Path, earlier: Manifest, now: Manifest, unused: Sequence[Unused]) -> list[str]:
    """A line for each video of an earlier run that the data set has no longer.

    Those that the data set itself says it does not use, in `unused`, are left out.
    """
    told = {entry.video for entry in unused}
    return [
        f"{now.data or root}: expected {name}, which an earlier run put into {root}, but the data "
        "set has it no longer; not used"
        for name in sorted(earlier.videos.keys() - now.videos.keys() - told)
    ]


def _is_of(path: Path, video: DatasetVideo | None) -> bool:
    """Whether a cached video was made of what `video` is now."""
    if video is None:
        return False
    try:
        return as_it_is_now(CachedVideo.load(path), video) is not None
    except InputError:
        return False


def cache_folder(path: str | os.PathLike[str]) -> Path:
    """The cache's folder, made if need be; InputError if it holds something else."""
    root = output_folder(path)
    if not (root / MANIFEST).exists():
        known = {BACKBONE, VIDEOS}
        foreign = sorted(
            entry.name
            for entry in root.iterdir()
            if entry.name not in known and not entry.name.startswith(".")
        )
        if foreign:
            raise InputError(
                f"{root}: expected a cache or an empty folder, got one with {foreign[0]}"
            )
    output_folder(root / VIDEOS)
    return root


def wait_for_manifest(root: Path) -> None:
    """Wait until the first process has prepared the cache. Raises InputError after half an hour."""
    end = time.monotonic() + _WAIT
    while not (root / MANIFEST).exists():
        if time.monotonic() > end:
            raise InputError(f"{root / MANIFEST}: the first process has not written it")
        time.sleep(_POLL)
