"""A data set that teaches what each stream is for, in the layout of Aff-Wild2.

Faces are drawn (:mod:`mimamo.demo.synth.drawn_face`), each identity with several videos. Their
*valence* is the shape of the mouth, eyes and brows: any still shows it, and it changes too slowly
for its motion to tell. Their *arousal* is how fast the head trembles by a fraction of a pixel: its
places are the same at any speed, so no still tells. All else distracts: the head drifts, turns and
nears by far more than it trembles, the mouth talks, the eyes blink, and light wanders and
flickers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from mimamo.data.dataset import TEST, TRAIN, VALIDATION
from mimamo.demo.synth.drawn_face import Identity, Pose, draw_face, draw_identity
from mimamo.demo.synth.editions import place, write_beside
from mimamo.demo.synth.motion import affect, band_noise, blinks
from mimamo.demo.synth.set_writer import FPS, Counting, Drawn, SyntheticVideo, write_set
from mimamo.errors import InputError
from mimamo.files import new_folder, replacing
from mimamo.progress import counted, silent

TREMOR = 0.011  # amplitude in units of the face: 0.6 pixels of 112, 0.26 of the grey frame's 48
PEOPLE = "people.png"  # what some of them look like
SLOW, FAST = 0.4, 6.0  # speed of the tremor at arousal -1 and 1, turns a second


@dataclass(frozen=True)
class Take:
    """One video: what is felt and what is seen, an entry per frame in every field."""

    values: np.ndarray  # valence and arousal, float64 [T, 2]
    poses: list[Pose]
    gains: np.ndarray  # brightness
    sides: np.ndarray  # its slope from left to right
    noise: float  # grey levels


def write_ablation_set(
    root: str | os.PathLike[str],
    *,
    identities: int = 12,
    takes: int = 6,
    frames: int = 192,
    seed: int = 0,
    edition: int | None = None,
    workers: int | None = None,
    progress: Counting = silent,
) -> list[str]:
    """Render the data set; the same arguments give the same files, whatever the `workers`.
    Returns what to tell of it, line by line.

    Of the identities about one in six is only in the validation set and one in four only in the
    test set, at least one each. Videos are named ``<identity>-30-112x112-<take>``, as Aff-Wild2
    names parts of one recording.

    ``people.png`` beside the data shows some of them.

    Args:
        root: its folder, new or empty, made if need be.
        identities: how many, at least 3.
        takes: videos of each.
        frames: of each video, at 30 a second, at least 16.
        seed: of everything random.
        edition: the year of the competition in whose layout to write, 2020 to 2025, with films and
            the list of the test set, which then has no annotations; None for a plain one.
        workers: threads; the machine's number of cores if None.
        progress: called with the number of videos done and of all.

    Raises:
        InputError: `root` holds something or cannot be written to, or a number is too small.
    """
    numbers = (("identities", identities, 3), ("takes", takes, 1), ("frames", frames, 16))
    for name, value, least in numbers:
        if value < least:
            raise InputError(f"{name}: expected at least {least}, got {value}")
    unseen, chosen_by = max(1, identities // 4), max(1, identities // 6)
    people = {TRAIN: identities - unseen - chosen_by, VALIDATION: chosen_by, TEST: unseen}
    subsets = [subset for subset, number in people.items() for _ in range(number)]
    persons = [draw_identity(np.random.default_rng([seed, 7, n])) for n in range(identities)]
    videos = [
        SyntheticVideo(
            name=f"{number + 1}-30-112x112-{take + 1}",
            subset=subsets[number],
            seed=(seed, 8, number, take),
            draw=partial(_draw, person=person, frames=frames),
        )
        for number, person in enumerate(persons)
        for take in range(takes)
    ]
    with new_folder(root) as folder:
        save_people(folder / PEOPLE, persons[:6])
        if edition is not None:
            videos = place(videos, edition)
        faces = write_set(folder, videos, workers, progress)
        if edition is not None:
            write_beside(folder, videos, edition, frames)
    return [
        *(
            f"{subset}: {counted(number * takes, 'video')} of {counted(number, 'person', 'people')}"
            for subset, number in people.items()
        ),
        f"{root}: {counted(faces, 'aligned face')} in the layout of Aff-Wild2; the test set's "
        "annotations are there too"
        if edition is None
        else f"{root}: {counted(faces, 'aligned face')}, and films, in the layout of {edition}",
    ]


def perform_take(rng: np.random.Generator, frames: int) -> Take:
    """Draw what happens in a video."""
    times = np.arange(frames) / FPS
    wander = partial(band_noise, rng, times)
    valence = affect(rng, times, 0.03, 0.15)
    arousal = affect(rng, times, 0.05, 0.25)
    speed = SLOW + (FAST - SLOW) * (1 + arousal) / 2
    turns = np.cumsum(speed) / FPS
    tremor_x = TREMOR * np.sin(2 * np.pi * (turns + rng.random()))
    tremor_y = TREMOR * np.sin(2 * np.pi * (1.17 * turns + rng.random()))
    talks = np.clip(wander(0.1, 0.4), 0, None)  # now and then
    columns = np.stack(
        [
            np.clip(valence + 0.03 * wander(0.05, 0.2), -1, 1),
            np.clip(0.3 * talks * (1 + wander(2.0, 4.0)), 0, 1),
            blinks(rng, times),
            0.05 * wander(0.04, 0.2) + tremor_x,
            0.04 * wander(0.04, 0.2) + tremor_y,
            2.5 * wander(0.04, 0.2),
            1 + 0.03 * wander(0.03, 0.15),
        ],
        axis=1,
    )
    flicker = 1 + 0.02 * rng.random() * wander(3.0, 12.0)
    return Take(
        values=np.stack([valence, arousal], axis=1),
        poses=[Pose(*row) for row in columns.tolist()],
        gains=rng.uniform(0.7, 1.15) * (1 + 0.08 * wander(0.05, 0.5)) * flicker,
        sides=rng.uniform(-0.25, 0.25) + 0.05 * wander(0.05, 0.3),
        noise=float(rng.uniform(0.5, 1.5)),
    )


def render_take(person: Identity, take: Take, index: int, rng: np.random.Generator) -> np.ndarray:
    """One frame of a video: uint8 [112, 112, 3] RGB."""
    image = draw_face(person, take.poses[index])
    size = image.shape[0]
    across = 1 + take.sides[index] * np.linspace(-1, 1, size, dtype=np.float32)
    image = image * (take.gains[index] * across)[:, None]
    image = image + take.noise * rng.standard_normal((size, size, 1), dtype=np.float32)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def save_people(path: Path, people: Sequence[Identity]) -> None:
    """Write a PNG: a row for each person, from sad to happy, then talking and blinking."""
    smiles = [Pose(smile=smile) for smile in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    poses = [*smiles, Pose(jaw=1.0), Pose(smile=0.3, jaw=0.3, blink=1.0)]
    rows = [np.hstack([draw_face(person, pose) for pose in poses]) for person in people]
    image = np.clip(np.rint(np.vstack(rows)), 0, 255).astype(np.uint8)
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary)


def _draw(rng: np.random.Generator, person: Identity, frames: int) -> Drawn:
    take = perform_take(rng, frames)
    return take.values, lambda index: render_take(person, take, index, rng)
