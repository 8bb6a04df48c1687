"""The packed cache: what training needs of each video, computed once and read clip by clip.

::

    CACHE/manifest.json            format, backbone (with its weights' hash), the videos' subsets
    CACHE/backbone.safetensors     the backbone the features are from
    CACHE/videos/<video>.safetensors
        features     float16 [T, D]      spatial features of the T frames with a face
        frames       uint8 [T, S, S]     their small grey faces
        numbers      int32 [T]           their frame numbers, from 1
        annotations  float32 [F, 2]      valence and arousal of frames 1, 2, …; NaN: not annotated
        and which weights and settings they were made with, as in the manifest, and a checksum
    CACHE/videos/<video>.skipped   why a video is not used

6.4 KB a frame with D = 2048 and S = 48. Every file is whole or absent. A file's checksum is
compared when it is opened; features and frames are then read when they are asked for, from the very
file that was checked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, get_args

from mimamo.data.cached_video import DETECTOR, CachedVideo, made_otherwise
from mimamo.data.dataset import Unit
from mimamo.errors import InputError
from mimamo.files import (
    file_below,
    is_path,
    parse_json,
    read_bytes,
    read_json,
    write_json,
    write_text,
)
from mimamo.model.checkpoint import FeatureSource, load_backbone, weights_hash
from mimamo.model.config import MOST_WIDTH
from mimamo.progress import counted
from mimamo.settings import is_whole, shown
from mimamo.tensor_file import CHECKSUM, checked, checksum

FORMAT = 1
MANIFEST, BACKBONE, VIDEOS = "manifest.json", "backbone.safetensors", "videos"
_MOST_REASON = 1 << 16  # bytes
ASKED = ("given", "given_times")  # of a manifest's backbone, what features do not depend on
_SIDES = {"feature_dim": (0, MOST_WIDTH), "phase_size": (1, 1 << 12)}  # what a manifest may say
_TYPES = (
    (str, ("layout", "unit", "data", "weights_sha256")),
    (int, tuple(_SIDES)),
    (dict, ("backbone", "videos")),
)
_MEND = "delete it and run `mimamo extract` again, which keeps the videos"


@dataclass(frozen=True)
class Manifest:
    """What a cache says of itself.

    Attributes:
        layout: of the data set it was made from.
        unit: what one label is of, "frame" or "utterance".
        data: the data set's folder.
        backbone: kind ("small", "onnx" or "features", none for a ResNet50), and of a ResNet50 its
            variant and image_size, of an ONNX file its SHA-256 and how it is used, of features by
            others their folders' names and widths, and what was asked for: the weights or folders
            as they were `given`, with the file's times.
        weights_sha256: of the backbone's weights, or of names and widths; empty for "small".
        feature_dim: D; 0 where the backbone is trained with the network.
        phase_size: S.
        videos: the subset of each video.
        detector: what found the faces of films; empty where all come aligned.
    """

    layout: str
    unit: Unit
    data: str
    backbone: dict[str, Any]
    weights_sha256: str
    feature_dim: int
    phase_size: int
    videos: dict[str, str]
    detector: str = ""
    format: int = FORMAT

    @property
    def made_with(self) -> dict[str, Any]:
        """What features and frames depend on, weights, sizes and so on; each video says it too."""
        rest = {"weights_sha256": self.weights_sha256, "phase_size": self.phase_size}
        if self.detector:
            rest[DETECTOR] = self.detector
        return {name: self.backbone[name] for name in self.backbone if name not in ASKED} | rest

    def save(self, root: Path) -> None:
        """Write it into the cache `root`."""
        content = asdict(self)
        write_json(root / MANIFEST, content | {CHECKSUM: _no_tensors(content)}, indent=1)

    @classmethod
    def load(cls, root: Path) -> Manifest:
        """Read the manifest of the cache `root`.

        Raises InputError if there is none, or it is damaged or of another format.
        """
        path = root / MANIFEST
        if not path.exists():
            raise InputError(
                f"{root}: expected a cache made by `mimamo extract`: no {MANIFEST} in it"
            )
        try:
            content = read_json(path)
        except InputError as error:
            raise InputError(f"{error}; {_MEND}") from error
        found = content.get("format") if isinstance(content, dict) else None
        if found != FORMAT:
            raise InputError(
                f"{path}: expected cache format {FORMAT}, got {shown(found)}; it may need a newer "
                "version of this package"
            )

        def expect(valid: bool, name: str, expected: str, got: object) -> None:
            if not valid:
                told = f"{name}: expected {expected}, got {shown(got)}"
                raise InputError(f"{path}: damaged: {told}; {_MEND}")

        for kind, names in _TYPES:
            for name in names:
                value = content.get(name)
                expect(isinstance(value, kind), name, kind.__name__, value)
        unit, data = content["unit"], content["data"]
        expect(unit in get_args(Unit), "unit", " or ".join(get_args(Unit)), unit)
        expect(is_path(data), "data", "a folder", data)
        for name, (lowest, highest) in _SIDES.items():
            value = content[name]
            expect(is_whole(value, lowest, highest), name, f"{lowest} to {highest}", value)
        for name, subset in content["videos"].items():
            video_path(root, name)  # checks it
            expect(isinstance(subset, str), name, "a subset", subset)
        try:
            known = [entry.name for entry in fields(cls)]
            return cls(**checked(content, known, lambda: _no_tensors(content)))
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}: damaged: {error}; {_MEND}") from error


class Cache:
    """A cache that is complete, ready to read.

    Attributes:
        root: its folder.
        manifest: what it says of itself.
        videos: all its videos, by subset and name; their arrays stay in their files.
        skipped: name and reason of each video that is not used.
        faceless: those of them in which there is no face, and nothing else wrong.

    Raises:
        InputError: it is no cache, a video is missing, cut short or damaged, or files do not fit
            together.

    Args:
        root: the folder.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self.manifest = Manifest.load(self.root)
        self.videos: list[CachedVideo] = []
        self.skipped: dict[str, str] = {}
        self.faceless: set[str] = set()
        missing = []
        for name in self.manifest.videos:
            found = load_video(self.root, self.manifest, name)
            if isinstance(found, CachedVideo):
                self.videos.append(found)
            elif found is not None:
                self.skipped[name] = found.reason
                self.faceless |= {name} if found.faceless else set()
            else:
                missing.append(name)
        if missing:
            raise InputError(
                f"{self.root}: incomplete: {len(missing)} of "
                f"{counted(len(self.manifest.videos), 'video')} missing, such as {missing[0]}; "
                "run `mimamo extract` again to complete it"
            )

    def subset(self, name: str) -> list[CachedVideo]:
        """The videos of a subset. Raises InputError if there is none."""
        videos = [video for video in self.videos if video.subset == name]
        if not videos:
            there = sorted({video.subset for video in self.videos}) or ["nothing"]
            raise InputError(
                f"{self.root}: expected videos of {name}, found only {', '.join(there)}"
            )
        return videos


class Skipped(NamedTuple):
    """Why a video is not used, and whether there is no face in it and nothing else wrong."""

    reason: str
    faceless: bool


def load_video(root: Path, manifest: Manifest, name: str) -> CachedVideo | Skipped | None:
    """What the cache `root` has of a video; None if nothing.

    Raises InputError if it is cut short, damaged, or not what the manifest says.
    """
    path, skipped = video_path(root, name), skipped_path(root, name)
    if not path.exists():
        return _load_skipped(skipped) if skipped.exists() else None
    video, subset = CachedVideo.load(path), manifest.videos[name]
    if (video.name, video.subset) != (name, subset):
        raise InputError(f"{path}: holds {video.subset}/{video.name}, not {subset}/{name}")
    if other := made_otherwise(video, manifest.made_with):
        raise InputError(f"{path}: {other}; run `mimamo extract` again")
    size, width = manifest.phase_size, manifest.feature_dim
    for part, shape in {"features": [width], "frames": [size, size]}.items():
        if (found := getattr(video, part).shape)[1:] != tuple(shape):
            raise InputError(
                f"{path}: {part}: expected {['T', *shape]}, as {MANIFEST} says, got {list(found)}"
            )
    return video


def save_skipped(path: Path, reason: str, *, faceless: bool) -> None:
    """Write why a video is not used, and whether that is all: no face in it."""
    text = json.dumps({"reason": reason, "faceless": faceless}, ensure_ascii=False)
    write_text(path, text + "\n")


def _load_skipped(path: Path) -> Skipped:
    text = read_bytes(path, _MOST_REASON)
    try:
        content = parse_json(text)
        return Skipped(str(content["reason"]), content["faceless"] is True)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged; run `mimamo extract` again") from error


def stored_backbone(root: Path, manifest: Manifest) -> FeatureSource:
    """The backbone of the cache `root`.

    Raises InputError if its weights are not those the features were computed with.
    """
    path = root / BACKBONE
    again = "delete it and run `mimamo extract` again"
    try:
        model = load_backbone(path)
    except InputError as error:
        raise InputError(f"{error}; {again}") from error
    if manifest.weights_sha256:
        found = weights_hash(model)
        if found != manifest.weights_sha256:
            raise InputError(
                f"{path}: expected the weights the features are from, SHA-256 "
                f"{manifest.weights_sha256[:12]}…, got {found[:12]}…; {again}"
            )
    return model


def video_path(root: Path, name: str) -> Path:
    """Where the cache `root` holds a video."""
    return file_below(root / VIDEOS, name, ".safetensors")


def skipped_path(root: Path, name: str) -> Path:
    """Where the cache `root` says why it does not hold a video."""
    return file_below(root / VIDEOS, name, ".skipped")


def _no_tensors(content: Mapping[str, Any]) -> int:
    """The checksum of a file that is all note."""
    return checksum(content, {}, lambda name: ())
