"""How fast predicting was, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mimamo.predict.stage_times import STAGES, StageTimes

if TYPE_CHECKING:
    from mimamo.predict import VideoResult


def speed_lines(results: Sequence[VideoResult]) -> list[str]:
    """One line for each video that was predicted, one for all of them, and how to read them."""
    done = [result for result in results if result.times is not None]
    if not done:
        return []
    lines = [
        f"{result.outputs.table.stem}: {split(result.times, result.backbone, result.precision)}"
        for result in done
    ]
    if len(done) > 1:
        total = sum((result.times for result in done), StageTimes())
        lines.append(f"all {len(done)} videos: {split(total, done[0].backbone, done[0].precision)}")
    return [*lines, "Stages work side by side: their shares of the time may exceed 100 %."]


def split(times: StageTimes, backbone: str, precision: str) -> str:
    """Frames per second, and the stages' shares of the time elapsed."""
    names = {"ResNet50": f"{backbone} ({precision})"}
    shares = [f"{names.get(stage, stage)} {_percent(times.share(stage))}" for stage in STAGES]
    return (
        f"{times.frames} frames in {times.elapsed:.1f} s, {times.frames_per_second:.1f} frames/s; "
        f"{', '.join(shares)}"
    )


def _percent(share: float) -> str:
    value = 100 * share
    return f"{value:.1f} %" if value < 9.95 else f"{value:.0f} %"
