"""Where the competitions put things: the layouts of Aff-Wild2 as each edition's archives unpack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mimamo.data.dataset import TEST, TRAIN
from mimamo.data.lists import SAMPLE_HEADER
from mimamo.demo.synth.set_writer import SyntheticVideo
from mimamo.errors import InputError
from mimamo.files import output_folder, write_text

#: By year, the folder of the annotations of valence and arousal, and of another task beside it.
EDITIONS = {
    2020: ("annotations/VA_Set", "annotations/EXPR_Set"),
    2021: ("annotations/VA_Set", "annotations/EXPR_Set"),
    **{
        year: (f"{folder}/VA_Estimation_Challenge", f"{folder}/EXPR_Recognition_Challenge")
        for year, folder in (
            (2022, "Third ABAW Annotations"),
            (2023, "5th_ABAW_Annotations"),
            (2024, "6th_ABAW_Annotations"),
            (2025, "8th_Annotations"),
        )
    },
}
NOBODY = "0-30-112x112_left"
LIST = "Valence_Arousal_Estimation_Challenge_test_set_release.txt"
SAMPLE = "ABAW_VA_test_set_sample.txt"
_ONE_FILE = 2023  # since when a submission is one file, and some faces lie in a second folder


def place(videos: Sequence[SyntheticVideo], edition: int) -> list[SyntheticVideo]:
    """The videos with the folders that they have in an edition, by its year.

    Beside them there is a person whom no list names.

    Raises InputError for a year without one.
    """
    if edition not in EDITIONS:
        raise InputError(f"edition: expected {', '.join(map(str, EDITIONS))}, got {edition}")
    ours, _ = EDITIONS[edition]
    train = "Training_Set" if edition == 2020 else TRAIN
    placed = []
    for number, video in enumerate(videos):
        late = edition >= _ONE_FILE and number == len(videos) - 1
        subset = train if video.subset == TRAIN else video.subset
        placed.append(
            replace(
                video,
                faces="cropped_aligned_new_50_vids" if late else "cropped_aligned",
                labels=None if video.subset == TEST else f"{ours}/{subset}",
                films="new_vids" if late else f"batch{1 + number % 2}",
            )
        )
    return [*placed, replace(placed[0], name=NOBODY, labels=None, films="")]


def write_beside(root: Path, videos: Sequence[SyntheticVideo], edition: int, frames: int) -> None:
    """Write what lies beside faces and annotations of such videos.

    That is the test set's list, since 2023 a sample of the submission, another task's annotations,
    and what is in archives by mistake.
    """
    test = [video.name for video in videos if video.subset == TEST]
    write_text(root / LIST, "".join(f"{name}\n" for name in test))
    if edition >= _ONE_FILE:
        rows = [f"{name}/{n + 1:05d}.jpg,-5,-5" for name in test for n in range(frames)]
        write_text(root / SAMPLE, "\n".join([SAMPLE_HEADER, *rows]) + "\n")
    _, other = EDITIONS[edition]
    folder = output_folder(root / other / TRAIN)
    text = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise\n" + "0\n" * frames
    write_text(folder / f"{videos[0].name}.txt", text)
    hidden = output_folder(root / "__MACOSX" / "cropped_aligned" / videos[0].name)
    write_text(hidden / "._00001.jpg", "")
    write_text(root / "cropped_aligned" / ".DS_Store", "")
