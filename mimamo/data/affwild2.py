"""Reading a data set in the layout of Aff-Wild2, as the ABAW competitions distribute it.

::

    annotations/Train_Set/<video>.txt         "valence,arousal", then one "v,a" line per frame
    annotations/Validation_Set/<video>.txt
    annotations/Test_Set/<video>.txt          where the test set's labels are there too
    cropped_aligned/<video>/00001.jpg, …      aligned faces; a missing number: no face found
    videos/<video>.mp4                        the videos; may be missing, or stand in for the faces

The i-th line after the header is the annotation of image i. A video with two people has an
annotation and a folder per person (``<video>``, ``<video>_left``, ``<video>_right``): they pair up
by their full names. Faces without annotation are taken for the test set, unless the other person
of their video is annotated. Where the
videos stand in for the faces, both sides are found in ``<video>.mp4``.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from mimamo.data.annotations import read_annotations
from mimamo.data.dataset import (
    TEST,
    TRAIN,
    VALIDATION,
    DatasetVideo,
    Side,
    Unit,
    Unused,
    entries,
    everything_in,
)
from mimamo.data.folds import recording_of
from mimamo.errors import InputError
from mimamo.video import is_video

SUBSETS = (TRAIN, VALIDATION)
_SIDES: dict[str, Side] = {"left": "left", "right": "right"}
FACES, ANNOTATIONS, VIDEOS = "cropped_aligned", "annotations", "videos"


class AffWild2:
    """A data set in the layout of Aff-Wild2.

    Args:
        root: the folder that holds ``annotations`` and ``cropped_aligned``; without the latter the
            faces are found in the videos.
        videos: the folder of the videos, searched with its folders; ``<root>/videos`` if None.

    Raises:
        InputError: a folder is missing, or a video is in two subsets or there twice.
    """

    layout = "Aff-Wild2"
    unit: Unit = "frame"

    def __init__(
        self, root: str | os.PathLike[str], videos: str | os.PathLike[str] | None = None
    ) -> None:
        self.root = Path(root)
        self.unused: list[Unused] = []
        self.remarks: list[str] = []
        self._videos = videos_in(self.root / VIDEOS if videos is None else Path(videos))
        if videos is not None and not self._videos:
            raise InputError(f"{videos}: expected a folder of videos, found none")
        faces = self.root / FACES
        if faces.is_dir() or not self._videos:
            self._faces: Path | None = faces
            self._sources = {path.name: path for path in _listed(faces) if path.is_dir()}
        else:
            self._faces = None
            self._sources = dict(self._videos)
        self._annotations: dict[str, tuple[str, Path]] = {}
        for subset in (*SUBSETS, TEST):
            folder = self.root / ANNOTATIONS / subset
            for path in _listed(folder) if subset != TEST or folder.exists() else ():
                if path.suffix != ".txt":
                    continue
                if path.stem in self._annotations:
                    raise InputError(f"{path}: is also in {self._annotations[path.stem][0]}")
                self._annotations[path.stem] = (subset, path)

    def videos(self) -> list[DatasetVideo]:
        """All videos with faces; annotations are found but not read.

        Raises InputError if there is none.
        """
        found = []
        self.unused.clear()
        self.remarks.clear()
        for name, (subset, path) in self._annotations.items():
            source, side = self._source_of(name)
            if source is None or _is_empty(source):
                where = self._faces / name if self._faces else f"a video {name}.mp4"
                self.unused.append(Unused(f"{path}: no faces in {where}; not used", name))
            else:
                film, read = self._videos.get(name), partial(read_annotations, path)
                found.append(DatasetVideo(name, subset, source, film, path, read, side))
        annotated = {recording_of(name) for name in self._annotations}
        for name in sorted(self._sources.keys() - self._annotations.keys()):
            source = self._sources[name]
            if recording_of(name) not in annotated:
                found.append(DatasetVideo(name, TEST, source, self._videos.get(name)))
            elif self._faces is not None:
                # Both people of a video are in one set, so this is nobody of the test set.
                remark = f"{source}: beside annotated faces, but not annotated; not used"
                self.remarks.append(remark)
        if not found:
            raise InputError(
                f"{self.root}: expected videos with faces in {FACES} or {VIDEOS}, found none"
            )
        order = (*SUBSETS, TEST)
        return sorted(found, key=lambda video: (order.index(video.subset), video.name))

    def _source_of(self, name: str) -> tuple[Path | None, Side | None]:
        """Where a video's faces are, and which of them are meant."""
        source, side = self._sources.get(name), _SIDES.get(name.rpartition("_")[2])
        if source is None and self._faces is None and side:
            return self._videos.get(recording_of(name)), side
        return source, None


def videos_in(folder: Path) -> dict[str, Path]:
    """The video files in a folder and its folders, by name without suffix.

    Raises InputError if two have the same name.
    """
    videos: dict[str, Path] = {}
    for path in everything_in(folder):
        if is_video(path):
            if path.stem in videos:
                raise InputError(f"{path}: same name as {videos[path.stem]}")
            videos[path.stem] = path
    return videos


def _is_empty(source: Path) -> bool:
    try:
        return source.is_dir() and not os.listdir(source)
    except OSError:  # reading it will tell
        return False


def _listed(folder: Path) -> list[Path]:
    try:
        return entries(folder)
    except OSError as error:
        raise InputError(
            f"{folder}: expected a folder of the Aff-Wild2 layout: {error.strerror}"
        ) from error
