"""What the command line does when a signal asks it to end."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType

_SAME = 1.0  # seconds within which several signals are one wish: a key that bounces, a group killed


class Ended(BaseException):
    """SIGINT, SIGTERM or SIGHUP came. Of a KeyboardInterrupt typer would make SIGINT's status."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status, as shells have it: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.number


class _Ending:
    """The first signal raises `Ended`; one that comes later ends the process where it is."""

    def __init__(self) -> None:
        self._first: float | None = None

    def __call__(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
            raise Ended(number)
        if now - self._first > _SAME:
            os._exit(128 + number)  # something does not let go, such as a camera


def end_well() -> None:
    """Handle the signals that ask this process to end, from now on.

    One that is ignored stays so: `nohup` asks for that.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # which alone may
    ending = _Ending()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, ending)
