"""The run's curves for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from mimamo.errors import InputError
from mimamo.train.state import Epoch


class Journal:
    """Writes loss, learning rate and CCC as TensorBoard events, by the number of clips trained on.

    All by the same number, because what a resumed run does again is hidden by it, in all curves.

    Args:
        folder: where to.
        clips: done before; what an earlier run wrote after them is hidden.
        enabled: False to write nothing, as all processes but the first do.

    Raises:
        InputError: the folder cannot be written to, such as on a full disk; `step`, `epoch` and
            leaving the context raise it too.
    """

    def __init__(self, folder: Path, clips: int, *, enabled: bool) -> None:
        self._folder, self._writer = folder, None
        if enabled:
            purge = clips + 1 if clips else None
            with self._named():
                self._writer = SummaryWriter(str(folder), purge_step=purge)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer:
            # What ended the run is told, not that its curves cannot be closed either.
            with suppress(InputError) if kind else nullcontext(), self._named():
                self._writer.close()

    def step(self, clips: int, loss: float) -> None:
        """A step is done, `clips` clips in all."""
        if self._writer:
            with self._named():
                self._writer.add_scalar("step/loss", loss, clips)

    def epoch(self, clips: int, epoch: Epoch) -> None:
        """An epoch is done, `clips` clips in all."""
        if self._writer:
            with self._named():
                for name in ("loss", "learning_rate", "valence", "arousal"):
                    self._writer.add_scalar(f"epoch/{name}", getattr(epoch, name), clips)
                self._writer.flush()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Name the folder in errors, which TensorBoard does not."""
        try:
            yield
        except OSError as error:
            raise InputError(
                f"{self._folder}: cannot be written: {error.strerror or error}"
            ) from error
