"""The run's curves for TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from mimamo.errors import InputError
from mimamo.train.state import Epoch


def expect_name(path: str | os.PathLike[str]) -> None:
    """InputError if a folder has a name that TensorBoard cannot write into: one not in UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{path}: expected a name in UTF-8, which TensorBoard needs") from error


class TensorBoardLog:
    """Writes loss, learning rate and CCC as TensorBoard events, by the number of clips trained on.

    All by the same number, because what a resumed run does again is hidden by it, in all curves.

    Args:
        folder: where to.
        clips: done before; what an earlier run wrote after them is hidden.

    Raises:
        InputError: the folder cannot be written to, such as on a full disk; `step`, `epoch` and
            `close` raise it too.
    """

    def __init__(self, folder: Path, clips: int) -> None:
        # Here, so that training without curves needs no TensorBoard.
        from torch.utils.tensorboard import SummaryWriter

        self._folder = folder
        with self._named():
            self._writer = SummaryWriter(str(folder), purge_step=clips + 1 if clips else None)

    def close(self, *, after_an_error: bool) -> None:
        """Write what is left. What ended the run is told, not that its curves cannot be closed."""
        with suppress(InputError) if after_an_error else nullcontext(), self._named():
            self._writer.close()

    def step(self, clips: int, loss: float) -> None:
        """A step is done, `clips` clips in all."""
        with self._named():
            self._writer.add_scalar("step/loss", loss, clips)

    def epoch(self, clips: int, epoch: Epoch) -> None:
        """An epoch is done, `clips` clips in all."""
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
