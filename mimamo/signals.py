"""What the command line does when a signal asks it to end.

Imported before all else, so it imports little itself.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable
from types import FrameType

_AGAIN = 0.05  # seconds until it is looked again whether exceptions are swallowed
# Whose functions are called as objects go.
_CALLED_BACK = {
    weakref.WeakSet.__init__.__code__.co_filename,
    weakref.WeakValueDictionary.__init__.__code__.co_filename,
}
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


def ended_by(error: BaseException | None) -> Ended | None:
    """The `Ended` that an error is, or over which a lock raised it.

    Raised between two steps of one of Python's locks it leaves that open, and leaving the lock
    raises RuntimeError over it.
    """
    while isinstance(error, RuntimeError):
        error = error.__context__
    return error if isinstance(error, Ended) else None


class _Ending:
    """The first signal raises `Ended`; one that comes much later, or when the command is over, ends
    the process where it is.

    Where exceptions are swallowed it waits until that is over. In the middle of an import libraries
    go on with half a module, or abort; and a library in C that calls a function of ours goes on.
    """

    def __init__(self) -> None:
        self._first: float | None = None
        self._waiting: int | None = None  # until exceptions are no longer swallowed
        self._over = False

    def raise_waiting(self) -> None:
        """Raise `Ended` if a signal came during an import, which has ended."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self._waiting is not None:
            raise Ended(self._waiting)

    def forget(self, *, signals_wait: bool = True) -> None:
        """The command is over: let a signal that waits go, which would kill without Python."""
        self._over = True
        signal.setitimer(signal.ITIMER_REAL, 0)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            if self._over:  # an exception would leave the interpreter's end half done
                os._exit(128 + number)
            self._first = now
            self._raise(number, frame)
        elif now - self._first > _SAME:
            os._exit(128 + number)  # something does not let go, such as a camera

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if self._over:
            return
        if not _is_swallowing(frame):
            raise Ended(number)
        self._waiting = number
        signal.signal(signal.SIGALRM, lambda _, later: self._raise(number, later))
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)


def _is_swallowing(frame: FrameType | None) -> bool:
    """Whether what is raised in a frame, or one that it was called from, may get lost.

    That is in an import, in a finaliser, in what is called as an object goes that is referred to
    weakly, in pydantic, which checks what was typed in Rust, and in a function that says so by a
    parameter `signals_wait`: one that a library in C calls back, or in which nobody catches them
    yet, or any more.
    """
    while frame is not None:
        code = frame.f_code
        if code.co_filename == "<frozen importlib._bootstrap>" or code.co_name == "__del__":
            return True
        if code.co_filename in _CALLED_BACK:
            return True
        if str(frame.f_globals.get("__name__")).partition(".")[0] == "pydantic":
            return True
        if "signals_wait" in code.co_varnames:
            return True
        frame = frame.f_back
    return False


def end_well(*, signals_wait: bool = True) -> _Ending:
    """Handle the signals that ask this process to end, from now on.

    One that is ignored stays so: `nohup` asks for that.
    """
    ending = _Ending()
    if threading.current_thread() is not threading.main_thread():
        return ending  # which alone may
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, ending)
    return ending


def leave_with(status: int, flush: Callable[[], object]) -> None:
    """Let this process end with a status as soon as Python's threads have.

    Else the interpreter takes the libraries apart: a second or two in which a signal kills, and
    those whose threads still run may crash. Nothing here waits for that. `flush` is called before.
    """

    def leave() -> None:
        flush()
        os._exit(status)

    atexit.register(leave)  # the last that is registered is the first that is called
