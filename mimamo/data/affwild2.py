"""Reading Aff-Wild2 as it is unpacked, from any of the ABAW competitions, and the first Aff-Wild.

::

    …/<Train…>/<video>.txt, …/<Validation…>/…   "valence,arousal", then one "v,a" line per frame;
                                                beside them other tasks', which are passed over
    …/<Test…>/<video>.txt                       where the test set's labels are there too
    …/<video>/00001.jpg, …                      faces; a missing number: no face found
    …/<video>.mp4                               the videos; may be missing, or stand in for faces
    …_test_set_….txt                            names of the test set, or a sample of a submission

The i-th line after the header is the annotation of image i. A video with two people has an
annotation and a folder per person (``<video>``, ``<video>_left``, ``<video>_right``): they pair up
by their full names. Faces without annotation are taken for the test set where no list names it,
unless the other person of their video is annotated. Where the videos stand in for the faces, both
sides are found in ``<video>.mp4``; so they are of a video of the test set that alone has no folder,
for a submission has to have all of it. An empty folder says that there is no face in a video.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from mimamo.data.annotation_files import ORIGINAL, AnnotationFile, sort_texts
from mimamo.data.archive import Archive, FaceFolder, is_of_faces, parts_of, search, set_of
from mimamo.data.dataset import TEST, TRAIN, VALIDATION, DatasetVideo, Side, Unit, Unused
from mimamo.data.folds import recording_of
from mimamo.data.lists import read_names
from mimamo.errors import InputError, NothingFoundError
from mimamo.files import MOST_TEXT, read_bytes
from mimamo.progress import Report, counted
from mimamo.shards import size_of

SUBSETS = (TRAIN, VALIDATION, TEST)
_SIDES: dict[str, Side] = {"left": "left", "right": "right"}

Given = str | os.PathLike[str]


class AffWild2:
    """A data set in one of the layouts of Aff-Wild2, or of the first Aff-Wild.

    Args:
        root: the archive's folder, or several, searched with their folders.
        videos: where the videos are, if not among these.
        annotations: where the annotations are, likewise.
        faces: where the faces are, likewise; without faces they are found in the videos.
        names: the list of the test set.
        crop: what becomes of faces that are not square, "centre" or "refuse" (see
            :class:`mimamo.video.AlignedFolder`).

    Attributes:
        root: the folder, or the one that all are in.
        faces, films, annotations: what was found, by the video's name.
        listed: by name, the file and line of the test set's list.

    Raises:
        InputError: a folder is missing, a list cannot be read, or a video is in two subsets.
    """

    unit: Unit = "frame"

    def __init__(
        self,
        root: Given | Sequence[Given],
        videos: Given | None = None,
        *,
        annotations: Given | None = None,
        faces: Sequence[Given] = (),
        names: Given | None = None,
        crop: str = "centre",
    ) -> None:
        roots = [Path(root)] if isinstance(root, str | os.PathLike) else [Path(r) for r in root]
        self.root = (
            roots[0] if len(roots) == 1 else Path(os.path.commonpath(map(os.path.abspath, roots)))
        )
        self.crop = crop
        self.unused: list[Unused] = []
        self.remarks: list[str] = []
        found = search(roots)
        self._unread = list(found.unread)
        self._notes: list[str] = []
        if faces:
            found.faces = self._searched(faces, "faces").faces
        if videos is not None:
            found.films = self._searched([videos], "videos").films
        self.faces = self._chosen_faces(found)
        self.films = largest(found.films, self._notes.append)
        known = {*self.faces, *map(recording_of, self.faces), *self.films}
        in_archive = [sort_texts(place, paths, known) for place, paths in found.texts.items()]
        texts = in_archive
        if annotations is not None:
            place = Path(annotations)
            texts = [sort_texts(place, search([place]).texts[place], known)]
            if not texts[0].annotations:
                raise InputError(
                    f"{annotations}: expected annotations, which begin with valence,arousal, in "
                    "folders named for their sets, such as Train_Set; found none"
                )
        self._unread += [line for part in texts for line in part.wrong]
        self.annotations = self._annotations([file for part in texts for file in part.annotations])
        first = any(file.edition == ORIGINAL for file in self.annotations.values())
        self.layout = "Aff-Wild" if first else "Aff-Wild2"
        lists = [path for part in in_archive for path in part.lists]
        self.listed = self._listed(lists) if names is None else _listed_in(Path(names))
        if not faces and self._are_of_nobody():
            other = next(iter(self.faces.values())).path
            self._notes.append(f"{other}: pictures of no video that is named; the films are used")
            self.faces = {}

    @property
    def editions(self) -> list[str]:
        """Whose annotations these are."""
        return sorted({file.edition.title for file in self.annotations.values()})

    def videos(self) -> list[DatasetVideo]:
        """All videos with faces; annotations are found but not read.

        Raises NothingFoundError if there is none.
        """
        found = []
        self.unused = [Unused(line) for line in self._unread]
        self.remarks = list(self._notes)
        for name, file in self.annotations.items():
            source, side = self.source_of(name, file.subset)
            if source is None:
                self.unused.append(Unused(f"{file.path}: {self._no_faces(name)}; not used", name))
            else:
                found.append(self._video(name, file.subset, source, side, file))
        for name, where in self.listed.items():
            if name in self.annotations:
                continue
            source, side = self.source_of(name, TEST)
            if source is None:
                line = f"{where}: {self._no_faces(name)}; not used, nor submitted"
                if self.faces:
                    line += " (an empty folder says that it has no face)"
                self.unused.append(Unused(line, name))
            else:
                found.append(self._video(name, TEST, source, side))
        if self.faces and (films := [v.name for v in found if v.name not in self.faces]):
            self.remarks.append(
                f"{self.root}: {counted(len(films), 'video')} of {TEST} without a folder of faces, "
                f"such as {films[0]}: faces are found in the film, and aligned otherwise than the "
                "others may be (an empty folder says that there are none)"
            )
        rest = self.nobodys()
        if self.listed and rest:
            self.remarks.append(
                f"{self.root}: {counted(len(rest), 'video')} that neither annotations nor lists "
                f"name, such as {rest[0]}, left out"
            )
        of_test = self.of_test(rest)
        for name in () if self.listed else rest:
            source = self._where(name)
            if name in of_test:
                found.append(self._video(name, TEST, source, None))
            elif self.faces or recording_of(name) not in self._recordings:
                own = self._named_set(source)
                beside = f"videos of {own}" if own else "annotated faces"
                self.remarks.append(f"{source}: beside {beside}, but not annotated; not used")
        if not found:
            raise NothingFoundError(
                f"{self.root}: expected videos with faces, as folders of 00001.jpg, … or as films, "
                "found none"
            )
        return sorted(found, key=lambda video: (SUBSETS.index(video.subset), video.name))

    def nobodys(self) -> list[str]:
        """Names of faces, or without faces films, that no annotation or list has."""
        sources = self.faces or self.films
        return sorted(sources.keys() - self.annotations.keys() - self.listed.keys())

    def of_test(self, names: Sequence[str]) -> set[str]:
        """Which of `nobodys` are of the test set.

        Both people of a video are in one set, so the other one of an annotated video is not; nor is
        what lies in a folder of another set.
        """
        return {
            name
            for name in names
            if recording_of(name) not in self._recordings and not self._named_set(self._where(name))
        }

    @cached_property
    def _recordings(self) -> set[str]:
        return {recording_of(name) for name in self.annotations}

    def _where(self, name: str) -> Path:
        return self.faces[name].path if self.faces else self.films[name]

    def _named_set(self, source: Path) -> str | None:
        """Training or validation, if a folder above a video says so."""
        folder, root = source.parent.absolute(), self.root.absolute()
        parts = parts_of(root, folder) if folder.is_relative_to(root) else [folder.name]
        found = set_of(parts)
        return None if found == TEST else found

    def source_of(self, name: str, subset: str) -> tuple[Path | None, Side | None]:
        """Where a video's faces are, and which of them are meant."""
        if folder := self.faces.get(name):
            return (None if folder.empty and subset != TEST else folder.path), None
        if self.faces and subset != TEST:  # what was found in a film is not like the rest
            return None, None
        source, side = self.films.get(name), _SIDES.get(name.rpartition("_")[2])
        if source is None and side:
            return self.films.get(recording_of(name)), side
        return source, None

    def _listed(self, lists: Sequence[Path]) -> dict[str, str]:
        """What the archive's own lists name, by name with file and line; broken ones are said."""
        listed: dict[str, str] = {}
        for path in lists:
            try:
                listed = _listed_in(path) | listed
                self._notes.append(f"{path}: names the test set")
            except InputError as error:
                self._unread.append(f"{error}; not used")
        return listed

    def _are_of_nobody(self) -> bool:
        """Whether numbered pictures are of something else, and the films of who is named."""
        named = {*self.annotations, *self.listed}
        if not self.faces or not named.isdisjoint(self.faces):
            return False
        if any(is_of_faces(folder.path.parent) for folder in self.faces.values()):
            return False
        return any(name in self.films or recording_of(name) in self.films for name in named)

    def _video(
        self,
        name: str,
        subset: str,
        source: Path,
        side: Side | None,
        file: AnnotationFile | None = None,
    ) -> DatasetVideo:
        labels = () if file is None else (file.path, *filter(None, [file.arousal]))
        return DatasetVideo(
            name,
            subset,
            source,
            recording=self.films.get(name),
            labels=labels[0] if labels else None,
            more_labels=labels[1:],
            read_labels=None if file is None else file.read,
            side=side,
            crop=self.crop,
        )

    def _no_faces(self, name: str) -> str:
        if not self.faces:
            return f"no video {name}.mp4"
        folder = self.faces.get(name)
        most = Counter(other.path.parent for other in self.faces.values()).most_common(1)[0][0]
        return f"no faces in {folder.path if folder else most / name}"

    def _searched(self, folders: Sequence[Given], kind: str) -> Archive:
        """What is in folders that were given for faces or videos. InputError if none is."""
        archive = Archive()
        for folder in map(Path, folders):
            found = search([folder])
            part = found.faces if kind == "faces" else found.films
            if not part:
                raise InputError(f"{folder}: expected a folder of {kind}, found none")
            for name, faces in found.faces.items():
                archive.faces.setdefault(name, []).extend(faces)
            for name, films in found.films.items():
                archive.films.setdefault(name, []).extend(films)
            self._unread += found.unread
        return archive

    def _chosen_faces(self, found: Archive) -> dict[str, FaceFolder]:
        """One folder of each video: aligned rather than not, then that of the most pictures."""
        chosen = {
            name: min(folders, key=lambda f: (not f.pictures, not f.aligned, -f.pictures, f.path))
            for name, folders in found.faces.items()
        }
        left_out: Counter[tuple[Path, Path]] = Counter()
        for name, folders in found.faces.items():
            for folder in folders:
                if folder is not chosen[name] and folder.pictures:
                    left_out[folder.path.parent, chosen[name].path.parent] += 1
        self._notes += [
            f"{other}: faces of {counted(number, 'video')} that {own} has too; those are used"
            for (other, own), number in sorted(left_out.items())
        ]
        return chosen

    def _annotations(self, files: Sequence[AnnotationFile]) -> dict[str, AnnotationFile]:
        """By name, those of the newest edition. InputError for a video that is in two subsets."""
        newest = max((file.edition for file in files), default=None)
        chosen: dict[str, AnnotationFile] = {}
        others: Counter[tuple[str, Path]] = Counter()
        for file in files:
            if file.edition != newest:
                others[file.edition.title, file.path.parent.parent] += 1
                continue
            first = chosen.setdefault(file.name, file)
            if first is not file and not _same(first, file):
                where = first.subset if first.subset != file.subset else f"{first.path}, unlike it"
                raise InputError(f"{file.path}: is also in {where}")
        self._notes += [
            f"{folder}: annotations of {title} left out, because there are newer ones"
            for (title, folder), _ in sorted(others.items())
        ]
        order = sorted(chosen.values(), key=lambda f: (SUBSETS.index(f.subset), str(f.path)))
        return {file.name: file for file in order}


def largest(films: dict[str, list[Path]], note: Report) -> dict[str, Path]:
    """One film of each name, the largest, which is the whole one where one was cut short.

    `note` is called with a line if some of one name have different sizes.
    """
    chosen, differ = {}, []
    for name, paths in films.items():
        chosen[name] = paths[0]
        if len(paths) > 1:  # an archive has films once for each task
            sizes = {path: size_of(path) for path in paths}
            chosen[name] = max(paths, key=lambda path: sizes[path])
            differ += [chosen[name]] * (len(set(sizes.values())) > 1)
    if differ:
        note(
            f"{differ[0]}: there are others of this name and of other sizes, as of "
            f"{counted(len(differ), 'video')}; the largest is used"
        )
    return chosen


def films_in(folder: Path, note: Report) -> dict[str, Path]:
    """The films in a folder and its folders, by name without suffix (`largest`).

    Raises InputError if there is none.
    """
    films = largest(search([folder]).films, note)
    if not films:
        raise InputError(f"{folder}: expected a folder of videos, found none")
    return films


def _listed_in(path: Path) -> dict[str, str]:
    return {name: f"{path}:{line}" for name, line in read_names(path).items()}


def _same(one: AnnotationFile, other: AnnotationFile) -> bool:
    """Whether two files say the same of the same set: archives unpacked into one another."""
    if one.subset != other.subset:
        return False
    first, second = (
        [read_bytes(path, MOST_TEXT) for path in (file.path, file.arousal) if path is not None]
        for file in (one, other)
    )
    return first == second
