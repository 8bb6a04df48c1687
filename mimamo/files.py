"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mimamo.errors import InputError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it onto `path` if the block ends well.

    The temporary name keeps the suffix, so writers that choose a format by suffix work.
    Raises InputError if the folder cannot be written to, or the disk is full.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix
        )
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if error.errno in _FULL:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def output_folder(path: str | os.PathLike[str]) -> Path:
    """Create the folder `path` if need be and return it; InputError if it cannot be written to."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(
            f"{path}: not a folder that can be written to: {error.strerror}"
        ) from error
    return path


def expect_no_other(path: str | os.PathLike[str], expected: str) -> None:
    """InputError if a folder, a device or a pipe is at `path`; reading one might wait for ever."""
    if os.path.exists(path) and not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "a device or a pipe"
        raise InputError(f"{path}: expected {expected}, got {kind}")


def expect_free(path: Path, overwrite: bool) -> None:
    """InputError if there is something at `path` that may not be overwritten."""
    if path.exists() and not overwrite:
        raise InputError(f"{path}: exists; give another --out or --overwrite")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
