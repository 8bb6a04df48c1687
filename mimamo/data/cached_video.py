"""One video of a cache: its arrays, in memory or in its file, and the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from mimamo.data.annotations import match_annotations
from mimamo.data.clips import VideoSequence
from mimamo.data.dataset import Unit
from mimamo.data.folds import subject_of
from mimamo.errors import InputError
from mimamo.files import is_path
from mimamo.settings import is_whole, shown
from mimamo.tensor_file import Rows, StoredRows, TensorFile, checked, checksum, save_tensors
from mimamo.video.folder import MOST_FRAMES
from mimamo.video.names import is_video

_KEY = "mimamo_cache"
_TENSORS = {  # of a cached video
    "features": (torch.float16, 2),
    "frames": (torch.uint8, 3),
    "numbers": (torch.int32, 1),
    "annotations": (torch.float32, 2),
}
_NOTE = {  # beside them
    "name": str, "subset": str, "frame_count": int, "counted": bool, "unit": str, "source": str,
    "problems": list, "fingerprint": str, "stamp": str, "made_with": dict,
}  # fmt: skip
_ANEW = "run `mimamo extract` again, which makes it anew"
DETECTOR = "detector"  # of `Manifest.made_with`


@dataclass(frozen=True, eq=False)
class CachedVideo:
    """One video of a cache.

    Attributes:
        name, subset: as in the data set.
        features, frames: float16 ``[T, D]`` and uint8 ``[T, S, S]``, of the frames with a face; of
            one that was loaded they are in its file.
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
    features: Rows
    frames: Rows
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
        tensors = {name: getattr(self, name) for name in _TENSORS}
        save_tensors(path, tensors, _KEY, {name: getattr(self, name) for name in _NOTE})

    @classmethod
    def load(cls, path: Path) -> CachedVideo:
        """Open a file of `save`; all of it is read once, to compare its checksum.

        Raises InputError, naming it, if it is not whole or holds what no video has.
        """
        try:
            file = TensorFile.open(path)
            note = file.note(_KEY)
            found = checksum(note, file.entries, lambda name: _looked_at(file, name))
            content = checked(note, _NOTE, lambda: found)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"{path}: cut short or damaged ({error}); {_ANEW}") from error
        for name, kind in _NOTE.items():
            if type(content.get(name)) is not kind:
                got = shown(content.get(name))
                raise InputError(f"{path}: damaged: {name}: got {got}; {_ANEW}")
        for name, (dtype, ndim) in _TENSORS.items():
            entry = file.entries.get(name)
            if entry is None:
                raise InputError(f"{path}: expected a video of a cache, got another file")
            if len(entry.shape) != ndim or entry.dtype != dtype:
                got = f"{entry.dtype} {list(entry.shape)}"
                raise InputError(
                    f"{path}: damaged: {name}: expected {dtype}, {ndim} axes, got {got}"
                )
        content["problems"] = tuple(map(str, content["problems"]))
        content |= {name: StoredRows(file, name) for name in ("features", "frames")}
        content |= {name: file.read(name) for name in ("numbers", "annotations")}
        video = cls(**content)
        if wrong := video._wrong():
            raise InputError(f"{path}: damaged: {wrong}; {_ANEW}")
        return video

    def _wrong(self) -> str | None:
        """What its numbers cannot be; None if they can."""
        if not len(self):
            return "numbers: expected at least one"
        if not is_path(self.source):
            return f"source: got {shown(self.source)}"
        if self.unit not in get_args(Unit):
            return f"unit: got {shown(self.unit)}"
        if not len(self.features) == len(self.frames) == len(self.numbers):
            return "its arrays are of different lengths"
        if self.annotations.shape[1:] != (2,):
            return f"annotations: expected [F, 2], got {list(self.annotations.shape)}"
        if (self.annotations.abs() > 1).any():  # no NaN is
            return "annotations: expected valence and arousal in [-1, 1]"
        if (self.numbers.diff() <= 0).any() or (self.numbers < 1).any():
            return "numbers: expected to rise from 1 on"
        if not is_whole(self.frame_count, int(self.numbers.max()), MOST_FRAMES):
            return f"frame_count: expected up to {MOST_FRAMES}, got {shown(self.frame_count)}"
        return None


def _looked_at(file: TensorFile, name: str) -> Iterator[bytearray]:
    """The bytes of a tensor; features must be finite."""
    for chunk in file.chunks(name):
        if name == "features" and file.entries[name].dtype == torch.float16:
            # Twenty times as fast as `isfinite` of them all.
            extremes = torch.aminmax(torch.frombuffer(chunk, dtype=torch.float16))
            if not torch.stack(extremes).isfinite().all():
                raise ValueError("features: expected finite numbers")
        yield chunk


def made_otherwise(video: CachedVideo, expected: Mapping[str, Any]) -> str | None:
    """How the video was made with other things than `expected`; None if it was not."""
    found = dict(video.made_with)
    if DETECTOR in expected and not is_video(Path(video.source)):  # made before there was a film
        found.setdefault(DETECTOR, expected[DETECTOR])
    other = difference(found, expected)
    return other and f"made with {other}"


def difference(found: Mapping[str, Any], expected: Mapping[str, Any]) -> str | None:
    """The first entry in which two differ, in words; None if there is none."""
    for name in sorted(found.keys() | expected.keys()):
        was, wanted = found.get(name), expected.get(name)
        if was != wanted:
            return f"{name} {was or 'none'!s:.24}, not {wanted or 'none'!s:.24}"
    return None


def annotated(videos: Iterable[CachedVideo]) -> list[CachedVideo]:
    """Those of the videos that have a face with a label."""
    return [video for video in videos if video.annotated_frames]
