"""Locks, which a process holds until it ends: who may write a folder, and whether a writer lives.

Commands that write a folder whose files belong together keep it by `locked`: ``train``,
``crossval`` (and its joining), ``extract``, ``submit`` and ``demo``. ``predict``, ``evaluate`` and
``live`` need none: each file of theirs replaces another whole, and of two that write one the last
decides.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mimamo.errors import InputError

LOCK = ".lock"  # in a folder
_POLL = 0.1  # seconds


def take_lock(handle: int, *, shared: bool = False) -> bool:
    """Lock an open file until it is closed or the process ends; False if another holds it.

    A file system that knows no locks has none to wait for.
    """
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def held(handle: int, path: str | os.PathLike[str], *, shared: bool = False) -> bool:
    """Take the lock of an open file; False if another has it, or has removed it from `path`."""
    try:
        if not take_lock(handle, shared=shared):
            return False
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


@contextmanager
def locked(folder: Path, parts: Sequence[str] = (), patience: float = 0) -> Iterator[None]:
    """Keep a folder to this process, or `parts` of it, while others may have other parts.

    Raises InputError if a process that is alive has the folder, or a part of it, and keeps it for
    `patience` seconds.
    """
    # Whoever leaves a part has the whole for a moment, to see whether others are left.
    end = time.monotonic() + (max(patience, _POLL) if parts else patience)
    with ExitStack() as stack:
        stack.enter_context(_locked(folder, LOCK, end, shared=bool(parts)))
        for part in parts:
            stack.enter_context(_locked(folder, f".{part}.lock", end))
        yield


@contextmanager
def _locked(folder: Path, name: str, end: float, *, shared: bool = False) -> Iterator[None]:
    path = folder / name
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from error
        if held(handle, path, shared=shared):
            break
        removed = take_lock(handle, shared=shared)
        os.close(handle)
        if not removed:
            if time.monotonic() >= end:
                raise InputError(
                    f"{folder}: another process is writing into it; wait for it or end it"
                )
            time.sleep(_POLL)
    try:
        yield
    finally:
        if not shared or take_lock(handle):  # else others still have it
            path.unlink(missing_ok=True)
        os.close(handle)
