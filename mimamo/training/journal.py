"""The run's curves for TensorBoard."""

from __future__ import annotations

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from mimamo.training.state import Epoch


class Journal:
    """Writes loss, learning rate and CCC as TensorBoard events.

    Args:
        folder: where to.
        epochs, steps: done before; what an earlier run wrote after them is hidden.
        enabled: False to write nothing, as all processes but the first do.
    """

    def __init__(self, folder: Path, epochs: int, steps: int, *, enabled: bool) -> None:
        self._begun = epochs + (steps > 0)
        self._writer = None
        if enabled:
            purge = epochs + 1 if self._begun else None
            self._writer = SummaryWriter(str(folder), purge_step=purge)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer:
            self._writer.close()

    def step(self, clips: int, loss: float) -> None:
        """A step is done, `clips` clips in all."""
        if self._writer:
            self._writer.add_scalar("step/loss", loss, clips)

    def epoch(self, epoch: Epoch) -> None:
        """An epoch is done."""
        if self._writer:
            for name in ("loss", "learning_rate", "valence", "arousal"):
                self._writer.add_scalar(f"epoch/{name}", getattr(epoch, name), epoch.number)
            self._writer.flush()
