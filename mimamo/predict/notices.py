"""What a user should know of a prediction, in the words that several commands share."""

from __future__ import annotations

from mimamo.predict.table import NO_FACE

NETWORK_FPS = 30.0  # which networks for Aff-Wild2 were trained at


def far_rate(source: object, fps: float) -> str | None:
    """One line of a frame rate that is not near to `NETWORK_FPS`; None of one that is."""
    if NETWORK_FPS / 2 <= fps <= NETWORK_FPS * 2:
        return None
    return f"{source}: has {fps:.4g} frames a second, far from the {NETWORK_FPS:g} of Aff-Wild2"


def no_face(source: object) -> str:
    """One line of a video without a face."""
    return f"{source}: no face found; all predictions are {NO_FACE:g}"
