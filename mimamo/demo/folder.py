"""The folder of a demo: whose it is, and what is in it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mimamo.errors import InputError
from mimamo.files import output_folder, replacing

_NOTICE = "README.txt"
_FIRST_LINE = "Written by `mimamo demo`, which also replaces this folder."
_TEXT = f"""{_FIRST_LINE}

faces.png                          the face that was animated, over valence and arousal
data/                              a data set of it in the layout of Aff-Wild2
cache/                             its features and small grey faces, computed once
run/                               the network trained on it: weights, settings, CCC per epoch
predictions/unseen_clips.png       clips that training has not seen: predictions and truth
predictions/unseen/                the same in numbers
video/astronaut.mp4                a video; astronaut_truth.csv is the truth about it
predictions/astronaut.csv          what was predicted from its pixels, frame by frame
predictions/astronaut.png          the same as a plot
predictions/astronaut.mp4          the same in the video
predictions/astronaut_and_truth.png  the same beside the truth
summary.json                       what was measured, and with which settings

The face is from scikit-image's astronaut photograph (NASA, public domain). The weights know this
one toy face and nothing else.
"""
# All that a demo writes; the last line is what a killed one leaves of a file it was writing.
_OURS = re.compile(
    r"README\.txt|summary\.json|faces\.png"
    r"|data/annotations/(Train|Validation|Test)_Set/(train|validation|test)_\d+\.txt"
    r"|data/cropped_aligned/(train|validation|test)_\d+/\d{5}\.jpg"
    r"|cache/(manifest\.json|backbone\.safetensors|videos/\w+\.(safetensors|skipped))"
    r"|run/(config\.toml|history\.csv|(best|last|state)\.safetensors)"
    r"|run/tensorboard/events\.out\.tfevents\.[^/]+"
    r"|video/(astronaut\.mp4|astronaut_truth\.csv)"
    r"|predictions/(astronaut\.(csv|png|mp4)|astronaut_and_truth\.png|unseen_clips\.png)"
    r"|predictions/unseen/test_\d+\.csv"
    r"|([\w/]+/)?\.\w+\.\w{8}\.\w+"
)


def claim_folder(path: str | os.PathLike[str]) -> bool:
    """Make `path` an empty folder, deleting an earlier demo; return whether there was one.

    Raises:
        InputError: there is anything in it that no demo wrote (nothing is deleted then), or it
            cannot be written to.
    """
    folder = output_folder(path)
    files = [entry for entry in folder.rglob("*") if not entry.is_dir() or entry.is_symlink()]
    foreign = [file for file in files if not _OURS.fullmatch(file.relative_to(folder).as_posix())]
    if foreign or (files and not _has_notice(folder)):
        raise InputError(
            f"{folder}: expected a new folder, an empty one or an earlier demo's, "
            f"got one with {min(foreign or files).relative_to(folder)}"
        )
    # The notice goes last: whatever interrupts this, the rest is still known to be a demo's.
    for file in sorted(files, key=lambda file: file.name == _NOTICE):
        file.unlink()
    for entry in sorted(folder.rglob("*"), reverse=True):
        entry.rmdir()
    return bool(files)


def write_notice(folder: Path) -> None:
    """Write what the folder is and what is in it; it marks the folder as a demo's."""
    with replacing(folder / _NOTICE) as temporary:
        temporary.write_text(_TEXT, encoding="utf-8")


def files_of(folder: Path) -> list[Path]:
    """What is in a demo's folder, without data set, cache and logs, relative to it."""
    files = sorted(file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    left_out = {"data", "cache", "tensorboard"}
    return [file for file in files if not left_out & set(file.parts)]


def _has_notice(folder: Path) -> bool:
    try:
        text = (folder / _NOTICE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return text.startswith(_FIRST_LINE)
