"""What TensorBoard shows of a run, resumed ones too."""

from __future__ import annotations

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mimamo.train.tensorboard_log import TensorBoardLog


def test_what_a_resumed_run_does_again_hides_what_there_was(
    tmp_path: Path, first_events: None
) -> None:
    for begun, steps in ((0, (16, 32, 48)), (16, (32, 48, 64))):
        log = TensorBoardLog(tmp_path, begun)
        for clips in steps:
            log.step(clips, clips / 100 - bool(begun))
        log.close(after_an_error=False)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    shown = [(event.step, round(event.value, 2)) for event in events.Scalars("step/loss")]
    assert shown == [(16, 0.16), (32, -0.68), (48, -0.52), (64, -0.36)]
