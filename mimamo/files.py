"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import csv
import errno
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mimamo.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a UTF-8 file. Raises InputError, naming the file, if it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected a text file, got something else ({error})") from error


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of a TOML file. Raises InputError, naming the file, if it cannot be read."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # what the decoders of TOML and of UTF-8 raise
        raise InputError(f"{path}: expected TOML, got something else ({error})") from error


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
        if error.errno not in _FULL:
            raise
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_csv(path: str | os.PathLike[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as UTF-8 text. Raises InputError as `replacing`."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def write_json(path: str | os.PathLike[str], content: object, indent: int = 2) -> None:
    """Write a JSON file. Raises InputError as `replacing`."""
    with replacing(path) as temporary:
        text = json.dumps(content, indent=indent)
        temporary.write_text(text + "\n", encoding="utf-8")


def file_below(folder: Path, name: str, suffix: str) -> Path:
    """The file of that name, which may have folders, in a folder.

    Raises InputError if the name leads elsewhere: it may come from a file that others wrote.
    """
    if any(part in ("", ".", "..") or "\0" in part for part in name.split("/")):
        raise InputError(f"{folder}: expected names of files below it, got {name!r:.80}")
    return folder / f"{name}{suffix}"


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
