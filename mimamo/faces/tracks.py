"""Following every face through a video, and choosing those that are wanted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mimamo.faces.detection import Detection, Detector, prominence
from mimamo.faces.likeness import CutDetector
from mimamo.faces.tracking import NEAR, LandmarkFilter
from mimamo.faces.views import BatchDetector, FrameBatch, FrameView, SingleFrame

FaceChoice = Literal["main", "all", "left", "right"]

#: Frames without a face after which its track ends: a window of the published settings.
PATIENCE = 12
_GROWTH = 2.0  # by what factor a face's size may differ from frame to frame
_OTHER = 0.7  # likeness below which a face is another's
_SAME = 0.9  # and from which on it is the same one, wherever it is
_SURE = 0.8  # likeness of closer looks from which on it is the same one in the same place
_SETTLING = 0.1  # share of the newest look in a face's mean look
_CERTAIN = 0.5  # least score of one of many to begin, or to end the track of another
_NEVER = 1e6  # cost of a pair that cannot be
_APART = 0.35  # least distance of two faces, in face sizes
_MAIN = 2  # faces of which one is chosen; a third may be once it was one of them


@dataclass(eq=False)
class _Track:
    """One face: where and how it was last seen, and for how many frames it was not."""

    last: Detection
    look: np.ndarray  # the mean one of the faces as they were found
    filter: LandmarkFilter | None
    close: np.ndarray | None = None  # and as closer looks showed them
    number: int = 0  # none yet
    missed: int = 0

    def see(self, face: Detection, look: np.ndarray) -> None:
        self.last, self.missed = face, 0
        self.look = self.look + _SETTLING * (look - self.look)

    def see_closer(self, face: Detection, look: np.ndarray) -> None:
        self.last, self.missed = face, 0
        before = look if self.close is None else self.close
        self.close = before + _SETTLING * (look - before)

    def is_near(self, face: Detection) -> bool:
        near = math.dist(face.centre, self.last.centre) <= NEAR * self.last.size
        return near and self.last.size / _GROWTH <= face.size <= self.last.size * _GROWTH

    def cost(self, face: Detection, likeness: float | None, least: float = _OTHER) -> float:
        """What it costs to take a face so much alike for this one; `_NEVER` if it is another's."""
        near = self.is_near(face)
        far = math.dist(face.centre, self.last.centre) / max(self.last.size, 1)
        if likeness is None:
            return far if near else _NEVER
        possible = likeness >= (least if near else _SAME)
        return far + 1 - likeness if possible else _NEVER


class FaceTracks:
    """Follows the faces of a video, the frames being given in order.

    Every frame's picture is searched once. Faces found are assigned to the tracks of the frames
    before, all at once, so that places and looks agree best (`scipy`'s linear sum assignment of
    distance in face sizes plus one minus likeness). A track's face is within 0.7 face sizes of its
    last place, of at least half and at most twice the size, and looks alike (`appearance`, at
    least 0.7 with the running mean); or it looks so much alike (0.9) that it is the same one
    anywhere. One in its place that does not look alike is looked at closer, where landmarks are
    more exact, and is the same one if it looks as closer looks did so far (0.8). What is left
    begins a track; where all faces are chosen, if its score is at least 0.5.

    A track ends

    - at a cut of the picture (`CutDetector`), and where the frames' size changes;
    - when a face that looks different, of a score of at least 0.5, is in its place;
    - after `patience` frames without its face, those that a film has lost among them: a shorter
      gap does not end it.

    So one number never goes on as another person's. The same person after a cut, or a longer gap,
    has a new number; and of people who look alike, or change places unseen, nobody can tell.

    Of the tracks, some are chosen: every one ("all"), or one at a time: "main" is that of the
    greatest area times score, "left" and "right" of the two main faces the one further to this side
    of the picture, or a lone one if it is in this half. The one chosen stays until its track ends;
    then it is chosen again. A track gets its number, from 1, when it is first chosen.

    Each face chosen is looked at again, cut out upright and at a fixed size, as that is where
    landmarks are most exact (`look_closer`); that is also where it is looked for if the picture
    did not show it. With `steady`, its landmarks are then smoothed over time (`LandmarkFilter`).
    On a real talking face (640x360, 30 frames/s) these bring the trembling of the aligned crop
    against the head, root mean square between frames, from 1.07 pixels of the crop to 0.76 and to
    0.60; the smoothing moves it by 0.6 pixels at most.

    Searching the whole picture is half of the work for one face. With `search_every` N above 1 it
    is searched only in every Nth frame, and wherever a chosen face is not found in a view around
    its last place; a face that appears between is not seen.
    """

    def __init__(
        self,
        detector: Detector,
        faces: FaceChoice = "main",
        *,
        steady: bool = True,
        patience: int = PATIENCE,
        search_every: int = 1,
    ) -> None:
        if search_every < 1:
            raise ValueError(f"search_every: expected at least 1, got {search_every}")
        self._detector, self._faces = detector, faces
        self._steady, self._patience = steady, patience
        self._search_every = search_every
        self._next = 0  # number of the frame that comes
        self._others = 0
        self._cut = CutDetector()
        self._shape: tuple[int, ...] = ()
        self._tracks: list[_Track] = []
        self._chosen: list[_Track] = []
        self._count = 0  # of numbers given

    @property
    def alive(self) -> set[int]:
        """The numbers of the tracks that have not ended."""
        return {track.number for track in self._chosen}

    @property
    def others(self) -> int:
        """How many faces of a score of at least 0.5 that are not chosen the last search showed."""
        return self._others

    def prepare(self, images: Sequence[np.ndarray]) -> FrameBatch:
        """Look at the next frames, whose views are then to be followed in their order.

        Args:
            images: uint8 [H, W, 3] RGB, of one size; one, unless it is a `BatchDetector`'s.
        """
        if not isinstance(self._detector, BatchDetector):
            return SingleFrame(images[0], self._detector)
        search = [self._is_due(self._next + n) for n in range(len(images))]
        most = None if self._faces == "all" else _MAIN
        return self._detector.batch(images, most, search, [x.last for x in self._chosen])

    def __call__(
        self, image: np.ndarray, time: float, lost: int = 0
    ) -> list[tuple[int, Detection]]:
        """Return number and face of those in the next frame, in order of their numbers.

        Args:
            image: the frame, uint8 [H, W, 3] RGB.
            time: of it, in seconds.
            lost: frames that are missing before it.
        """
        return self.follow(FrameView(image, self._detector), time, lost)

    def follow(self, frame: FrameView, time: float, lost: int = 0) -> list[tuple[int, Detection]]:
        """As calling it, with a view of the next frame."""
        image = frame.image
        changed = image.shape != self._shape  # its places are other pixels
        if changed:
            self._shape, self._cut = image.shape, CutDetector()
        if self._cut(frame.thumbnail()) or changed:
            self._tracks, self._chosen, self._others = [], [], 0
        self._miss(lost)
        for track in self._tracks:
            track.missed += 1
        if not self._find(frame):
            self._search(frame)
        self._next += 1
        self._miss(0)
        return [(track.number, _steadied(track, time)) for track in self._chosen if _seen(track)]

    def _miss(self, frames: int) -> None:
        """Count more frames in which no face was seen, and let go of who was not for too long."""
        for track in self._tracks:
            track.missed += frames
        self._tracks = [track for track in self._tracks if track.missed < self._patience]
        for track in self._tracks:
            if track.filter is not None and track.missed:
                track.filter.reset()
        self._chosen = [track for track in self._chosen if track in self._tracks]

    def _find(self, frame: FrameView) -> bool:
        """Find the chosen faces where they were; whether that is enough for this frame."""
        if not self._chosen or self._is_due(self._next):
            return False
        return all(self._look(frame, track, track.last) for track in self._chosen)

    def _search(self, frame: FrameView) -> None:
        """Find the faces of the picture, and whose they are."""
        found = sorted(frame.faces(), key=prominence)
        looks = [frame.appearance(face) for face in found]
        left = set(range(len(found)))
        before = list(self._tracks)
        for track in before:
            track.missed = max(track.missed, 1)  # also what was followed in this frame
        costs = [
            [self._cost(frame, track, *pair) for pair in zip(found, looks, strict=True)]
            for track in before
        ]
        for track, index in _assigned(before, costs):
            track.see(found[index], looks[index])
            left.remove(index)
        certain = [index for index in sorted(left) if found[index].score >= _CERTAIN]
        self._tracks = [
            track for track in before
            if _seen(track) or not any(track.is_near(found[index]) for index in certain)
        ]  # fmt: skip
        for index in certain if self._faces == "all" else sorted(left):
            smooth = LandmarkFilter() if self._steady else None
            self._tracks.append(_Track(found[index], looks[index], smooth))
        self._choose(frame.image.shape[1] / 2)
        for track in self._chosen:
            self._look(frame, track, track.last)
        rest = (track for track in self._tracks if track not in self._chosen)
        self._others = sum(_seen(track) and track.last.score >= _CERTAIN for track in rest)

    def _cost(self, frame: FrameView, track: _Track, face: Detection, look: np.ndarray) -> float:
        """What it costs to take a face for a track's; who is another at first is looked at closer.

        Where a picture is coarse, as a GIF's few colours make it, landmarks are found pixels off.
        """
        cost = track.cost(face, _likeness(track.look, look))
        if cost < _NEVER or track.close is None or not track.is_near(face):
            return cost
        closer = frame.look_closer(face)
        if closer is None:
            return cost
        return track.cost(face, _likeness(track.close, frame.appearance(closer)), _SURE)

    def _is_due(self, number: int) -> bool:
        """Whether the picture of a frame is searched in any case."""
        return number % self._search_every == 0

    def _look(self, frame: FrameView, track: _Track, face: Detection) -> bool:
        """Look closer at a face, and see it there; whether it is there."""
        closer = frame.look_closer(face)
        if closer is None or self._is_anothers(track, closer):
            return False
        look = frame.appearance(closer)
        if not _seen(track):
            mean = track.look if track.close is None else track.close
            if track.cost(closer, _likeness(mean, look)) >= _NEVER:
                return False
        track.see_closer(closer, look)
        return True

    def _is_anothers(self, track: _Track, face: Detection) -> bool:
        """Whether another track has been seen at this place in this frame."""
        others = (other.last for other in self._tracks if other is not track and _seen(other))
        return any(math.dist(x.centre, face.centre) < _APART * face.size for x in others)

    def _choose(self, middle: float) -> None:
        """Bring the choice up to date; `middle` is that of the picture, in pixels."""
        self._chosen = [track for track in self._chosen if track in self._tracks]
        if self._faces == "all":
            chosen: Sequence[_Track] = self._tracks
        else:
            chosen = self._chosen or list(self._first(middle))
        for track in chosen:
            if not track.number:
                self._count += 1
                track.number = self._count
        self._chosen = sorted(chosen, key=lambda track: track.number)

    def _first(self, middle: float) -> Iterator[_Track]:
        """The track to choose from now on, if there is one."""
        main = sorted(filter(_seen, self._tracks), key=lambda x: prominence(x.last))[:2]
        if self._faces != "main":  # a doubtful one would be followed, and the other never seen
            main = [track for track in main if track.last.score >= _CERTAIN]
        if self._faces == "main" or not main:
            yield from main[:1]
        elif len(main) == 2:
            outermost = min if self._faces == "left" else max
            yield outermost(main, key=lambda track: track.last.centre[0])
        elif (main[0].last.centre[0] < middle) == (self._faces == "left"):
            yield main[0]


def _seen(track: _Track) -> bool:
    return track.missed == 0


def _steadied(track: _Track, time: float) -> Detection:
    if track.filter is None:
        return track.last
    return replace(track.last, landmarks=track.filter(track.last.landmarks, time))


def _likeness(mean: np.ndarray, look: np.ndarray) -> float | None:
    """Correlation of a look with a mean one; None if one of the two is plain."""
    length = np.linalg.norm(mean)
    return float(mean @ look / length) if length > 0 and look.any() else None


def _assigned(
    tracks: Sequence[_Track], costs: Sequence[Sequence[float]]
) -> Iterator[tuple[_Track, int]]:
    """Yield the tracks that go on, each with the index of its face; `costs` of tracks and faces."""
    from scipy.optimize import linear_sum_assignment  # training, which finds no face, does without

    table = np.array(costs)
    if not table.size:
        return
    for row, column in zip(*linear_sum_assignment(table), strict=True):
        if table[row, column] < _NEVER:
            yield tracks[row], int(column)
