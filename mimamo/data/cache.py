"""The packed cache: what training needs of each video, computed once and mapped into memory.

::

    CACHE/manifest.json            format, backbone (with its weights' hash), the videos' subsets
    CACHE/backbone.safetensors     the backbone the features are from
    CACHE/videos/<video>.safetensors
        features     float16 [T, D]      spatial features of the T frames with a face
        frames       uint8 [T, S, S]     their small grey faces
        numbers      int32 [T]           their frame numbers, from 1
        annotations  float32 [F, 2]      valence and arousal of frames 1, 2, …; NaN: not annotated
        and which weights and settings they were made with, as in the manifest
    CACHE/videos/<video>.skipped   why a video is not used

6.4 KB a frame with D = 2048 and S = 48. Every file is whole or absent. Files are mapped, not read:
a clip costs its own pages.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mimamo.data.annotations import match_annotations
from mimamo.data.clips import VideoSequence
from mimamo.data.dataset import Unit
from mimamo.data.folds import subject_of
from mimamo.errors import InputError
from mimamo.files import file_below, replacing, write_json
from mimamo.model.checkpoint import Backbone, load_backbone, weights_hash
from mimamo.tensor_file import load_tensors, save_tensors

FORMAT = 1
MANIFEST, BACKBONE, VIDEOS = "manifest.json", "backbone.safetensors", "videos"
_KEY = "mimamo_cache"
ASKED = ("given", "given_times")  # of a manifest's backbone, what features do not depend on
_TYPES = (
    (str, ("layout", "unit", "data", "weights_sha256")),
    (int, ("feature_dim", "phase_size")),
    (dict, ("backbone", "videos")),
)
_TENSORS = ("features", "frames", "numbers", "annotations")  # of a cached video
_DAMAGED = "cut short or damaged ({}); delete it and run `mimamo extract` again"
_MEND = "delete it and run `mimamo extract` again, which keeps the videos"


@dataclass(frozen=True)
class Manifest:
    """What a cache says of itself.

    Attributes:
        layout: of the data set it was made from.
        unit: what one label is of, "frame" or "utterance".
        data: the data set's folder.
        backbone: kind ("resnet50" or "small"), and of a ResNet50 its variant, image_size, and
            what was asked for: the weights as they were `given`, with the file's times.
        weights_sha256: of the backbone's weights; empty if it has none yet ("small").
        feature_dim: D; 0 where the backbone is trained with the network.
        phase_size: S.
        videos: the subset of each video.
        detector: what found the faces; empty where they all come aligned.
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
            rest["detector"] = self.detector
        return {name: self.backbone[name] for name in self.backbone if name not in ASKED} | rest

    def save(self, root: Path) -> None:
        """Write it into the cache `root`."""
        write_json(root / MANIFEST, asdict(self), indent=1)

    @classmethod
    def load(cls, root: Path) -> Manifest:
        """Read the manifest of the cache `root`.

        Raises InputError if there is none, or it is damaged or of another format.
        """
        path = root / MANIFEST
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(
                f"{root}: expected a cache made by `mimamo extract`: {path.name}: {error.strerror}"
            ) from error
        except ValueError as error:
            raise InputError(
                f"{path}: expected JSON, got something else ({error}); {_MEND}"
            ) from error
        found = content.get("format") if isinstance(content, dict) else None
        if found != FORMAT:
            raise InputError(f"{path}: expected cache format {FORMAT}, got {found!r}")
        for kind, names in _TYPES:
            for name in names:
                if not isinstance(value := content.get(name), kind):
                    raise InputError(
                        f"{path}: damaged: {name}: expected {kind.__name__}, got {value!r:.80}; "
                        f"{_MEND}"
                    )
        for name in content["videos"]:
            video_path(root, name)  # checks it
        try:
            return cls(**content)
        except TypeError as error:
            raise InputError(f"{path}: damaged: {error}; {_MEND}") from error


@dataclass(frozen=True, eq=False)
class CachedVideo:
    """One video of a cache.

    Attributes:
        name, subset: as in the data set.
        features, frames: float16 ``[T, D]`` and uint8 ``[T, S, S]``, of the frames with a face.
        numbers: int32 ``[T]``, their frame numbers, from 1.
        annotations: float32 ``[F, 2]``, NaN where not annotated; ``[1, 2]`` of an utterance; no
            rows where there are no labels.
        frame_count: of the video; the last face's number where nothing tells more.
        counted: whether `frame_count` is the video's own.
        unit: what one label is of.
        source: where the faces are from.
        problems: what was wrong with it, one line each, with "{data}" for the data set's folder.
        fingerprint: of the source's contents, by which a change is noticed.
        stamp: of its files' sizes and times; as long as it is the same, so are the contents.
        made_with: `Manifest.made_with` of the cache it was made for.
    """

    name: str
    subset: str
    features: Tensor
    frames: Tensor
    numbers: Tensor
    annotations: Tensor
    frame_count: int
    counted: bool
    unit: Unit
    source: str
    problems: tuple[str, ...] = ()
    fingerprint: str = ""
    stamp: str = ""
    made_with: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def subject(self) -> str:
        """Whom it shows, as far as its name tells."""
        return subject_of(self.name)

    @property
    def annotated_frames(self) -> int:
        """How many of its faces have a label."""
        return int(self.sequence.annotated.sum())

    @cached_property
    def sequence(self) -> VideoSequence:
        """The faces with the label of each."""
        if self.unit == "utterance" and len(self.annotations):
            labels = self.annotations[:1].expand(len(self), 2).clone()
        else:
            numbers = self.numbers.numpy().astype(np.intp) - 1
            labels = torch.from_numpy(match_annotations(self.annotations.numpy(), numbers))
        return VideoSequence(
            self.name, self.features, self.frames, labels, ~labels.isnan().any(dim=1), self.unit
        )

    def save(self, path: Path) -> None:
        """Write it, whole or not at all. Raises InputError, naming the file, if it cannot be."""
        content = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        tensors = {name: content.pop(name) for name in _TENSORS}
        save_tensors(path, tensors, _KEY, content)

    @classmethod
    def load(cls, path: Path) -> CachedVideo:
        """Map a file of `save`. Raises InputError, naming it, if it is not whole."""
        tensors, rest = load_tensors(path, _KEY, _DAMAGED)
        content: dict[str, Any] = {**tensors, **rest}
        try:
            video = cls(**content | {"problems": tuple(rest["problems"])})
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}: expected a video of a cache, got another file") from error
        if not len(video.features) == len(video.frames) == len(video.numbers):
            raise InputError(f"{path}: damaged: its arrays are of different lengths")
        if video.annotations.shape[1:] != (2,):
            found = list(video.annotations.shape)
            raise InputError(f"{path}: damaged: annotations: expected [F, 2], got {found}")
        if (video.numbers.diff() <= 0).any() or (video.numbers < 1).any():
            raise InputError(f"{path}: damaged: numbers: expected to rise from 1 on")
        return video


class Cache:
    """A cache that is complete, ready to read.

    Attributes:
        root: its folder.
        manifest: what it says of itself.
        videos: all its videos, mapped, by subset and name.
        skipped: name and reason of each video that is not used.
        faceless: those of them in which there is no face, and nothing else wrong.

    Raises:
        InputError: it is no cache, a video is missing or cut short, or files do not fit together.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self.manifest = Manifest.load(self.root)
        self.videos: list[CachedVideo] = []
        self.skipped: dict[str, str] = {}
        self.faceless: set[str] = set()
        missing = []
        for name, subset in self.manifest.videos.items():
            path = video_path(self.root, name)
            if path.exists():
                self.videos.append(self._checked(path, name, subset))
            elif skipped_path(self.root, name).exists():
                self.skipped[name], faceless = _load_skipped(skipped_path(self.root, name))
                self.faceless |= {name} if faceless else set()
            else:
                missing.append(name)
        if missing:
            raise InputError(
                f"{self.root}: incomplete: {len(missing)} of {len(self.manifest.videos)} videos "
                f"are missing, such as {missing[0]}; run `mimamo extract` again to complete it"
            )

    @property
    def backbone_file(self) -> Path:
        """The backbone the features are from, as a checkpoint."""
        return self.root / BACKBONE

    def subset(self, name: str) -> list[CachedVideo]:
        """The videos of a subset. Raises InputError if there is none."""
        videos = [video for video in self.videos if video.subset == name]
        if not videos:
            there = sorted({video.subset for video in self.videos}) or ["nothing"]
            raise InputError(
                f"{self.root}: expected videos of {name}, found only {', '.join(there)}"
            )
        return videos

    def _checked(self, path: Path, name: str, subset: str) -> CachedVideo:
        video = CachedVideo.load(path)
        size, width = self.manifest.phase_size, self.manifest.feature_dim
        if (video.name, video.subset) != (name, subset):
            raise InputError(f"{path}: holds {video.subset}/{video.name}, not {subset}/{name}")
        if other := made_otherwise(video, self.manifest.made_with):
            raise InputError(f"{path}: {other}; run `mimamo extract` again")
        expected = {"features": (torch.float16, [width]), "frames": (torch.uint8, [size, size])}
        for part, (dtype, shape) in expected.items():
            tensor = getattr(video, part)
            if tensor.dtype != dtype or list(tensor.shape[1:]) != shape:
                raise InputError(
                    f"{path}: {part}: expected {dtype} {['T', *shape]}, as {MANIFEST} says, got "
                    f"{tensor.dtype} {list(tensor.shape)}"
                )
        return video


def save_skipped(path: Path, reason: str, *, faceless: bool) -> None:
    """Write why a video is not used, and whether that is all: no face in it."""
    with replacing(path) as temporary:
        text = json.dumps({"reason": reason, "faceless": faceless}, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def _load_skipped(path: Path) -> tuple[str, bool]:
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        content = json.loads(text)
        return content["reason"], content["faceless"]
    except (ValueError, KeyError, TypeError):
        return text, False  # an earlier version's is the reason alone


def made_otherwise(video: CachedVideo, expected: Mapping[str, Any]) -> str | None:
    """How the video was made with other things than `expected`; None if it was not."""
    if not video.made_with:
        return "does not say which weights and settings it was made with"
    other = difference(video.made_with, expected)
    return other and f"made with {other}"


def difference(found: Mapping[str, Any], expected: Mapping[str, Any]) -> str | None:
    """The first entry in which two differ, in words; None if there is none."""
    for name in sorted(found.keys() | expected.keys()):
        was, wanted = found.get(name), expected.get(name)
        if was != wanted:
            return f"{name} {was or 'none'!s:.24}, not {wanted or 'none'!s:.24}"
    return None


def stored_backbone(root: Path, manifest: Manifest) -> Backbone:
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


def annotated(videos: Iterable[CachedVideo]) -> list[CachedVideo]:
    """Those of the videos that have a face with a label."""
    return [video for video in videos if video.annotated_frames]


def video_path(root: Path, name: str) -> Path:
    """Where the cache `root` holds a video."""
    return file_below(root / VIDEOS, name, ".safetensors")


def skipped_path(root: Path, name: str) -> Path:
    """Where the cache `root` says why it does not hold a video."""
    return file_below(root / VIDEOS, name, ".skipped")
