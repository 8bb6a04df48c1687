"""What a user should know of a prediction, each in one line: the words that commands share."""

from __future__ import annotations

from pathlib import Path

from mimamo.predict.table import NO_FACE
from mimamo.progress import counted

NETWORK_FPS = 30.0  # which networks for Aff-Wild2 were trained at
_KEPT_UP = 0.95  # of the frames a second that come, reached


def far_rate(source: object, fps: float) -> str | None:
    """Of a frame rate that is not near to `NETWORK_FPS`; None of one that is."""
    if NETWORK_FPS / 2.1 <= fps <= NETWORK_FPS * 2.1:  # 15 and 60 a second, or almost so
        return None
    has = counted(f"{fps:.4g}", "frame")
    return f"{source}: has {has} a second, far from the {NETWORK_FPS:g} of Aff-Wild2"


def too_slow(source: object, reached: float, fps: float) -> str | None:
    """Of `reached` frames a second where `fps` come; None if that is as many."""
    if reached >= _KEPT_UP * fps:
        return None
    return f"{source}: predicted {reached:.1f} frames a second, of {fps:.4g} that it has"


def no_face(source: object) -> str:
    """Of a video without a face."""
    return f"{source}: no face found; all predictions are {NO_FACE:g}"


def others_there(source: object, others: int, frames: int) -> str:
    """Of faces in so many of the frames that were found and not predicted."""
    return (
        f"{source}: another face is in {others} of {counted(frames, 'frame')} as well; --faces all"
        " predicts every one"
    )


def no_rows(missing: str, table: Path | None) -> str:
    """Of the frames of a video that could not be read, as its `missing` names them."""
    return missing if table is None else f"{missing}; they have no rows in {table}"
