"""The folder of a demo: whose it is, and what is in it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mimamo.errors import InputError
from mimamo.files import LEFT_OVER, MOST_TEXT, output_folder, read_bytes, write_text
from mimamo.locks import LOCK

_NOTICE = "README.txt"
_FIRST_LINE = "Written by `mimamo demo`, which also replaces this folder."
CONTENTS = """\
data/                        a data set of the animated photograph in the layout of Aff-Wild2
cache/                       its features and small grey faces, computed once
run/                         the network trained on it: weights, settings, CCC per epoch
evaluation/                  how it predicts clips that training has not seen
video/astronaut.mp4          a video of it
predictions/astronaut.csv    what was predicted from its pixels, frame by frame
predictions/astronaut.png    the same as a plot
predictions/astronaut.mp4    the same in the video
predictions/truth.png        the same beside the truth
summary.json                 what was measured, and with which settings"""
_TEXT = f"""{_FIRST_LINE}

{CONTENTS}

The face is from scikit-image's astronaut photograph (NASA, public domain). The weights know this
one toy face and nothing else.
"""
# All that a demo writes; the last line is what a killed one leaves of a file it was writing.
_OURS = re.compile(
    r"README\.txt|summary\.json"
    r"|data/annotations/(Train|Validation|Test)_Set/(train|validation|test)_\d+\.txt"
    r"|data/cropped_aligned/(train|validation|test)_\d+/\d{5}\.jpg"
    r"|(cache(/videos)?|run|evaluation|video|predictions)"
    r"/\w+\.(csv|json|mp4|png|safetensors|skipped|toml)"
    r"|run/tensorboard/events\.out\.tfevents\.[^/]+"
    rf"|([\w/]+/)?{LEFT_OVER}|(cache/|run/){re.escape(LOCK)}"
)


def claim_folder(path: str | os.PathLike[str]) -> bool:
    """Make `path` an empty folder, deleting an earlier demo; return whether there was one.

    What locks it may stay in it.

    Raises:
        InputError: there is anything in it that no demo wrote (nothing is deleted then), or it
            cannot be written to.
    """
    folder = output_folder(path)
    entries = [entry for entry in folder.rglob("*") if entry != folder / LOCK]
    files = [entry for entry in entries if not entry.is_dir() or entry.is_symlink()]
    foreign = [file for file in files if not _OURS.fullmatch(file.relative_to(folder).as_posix())]
    notice = folder / _NOTICE
    ours = notice.is_file() and read_bytes(notice, MOST_TEXT).startswith(_FIRST_LINE.encode())
    if foreign or (files and not ours):
        raise InputError(
            f"{folder}: expected a new folder, an empty one or an earlier demo's, "
            f"got one with {min(foreign or files).relative_to(folder)}"
        )
    # The notice goes last: whatever interrupts this, the rest is still known to be a demo's.
    for file in sorted(files, key=lambda file: file.name == _NOTICE):
        file.unlink()
    for entry in sorted(set(entries) - set(files), reverse=True):
        entry.rmdir()
    return bool(files)


def write_notice(folder: Path) -> None:
    """Write what the folder is and what is in it; it marks the folder as a demo's."""
    write_text(folder / _NOTICE, _TEXT)
