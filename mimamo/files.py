"""Reading files that others may have written, and writing files so that nobody reads half of one.

All files are opened by `open_file`, or after `expect_no_other` by a library that opens its own.
"""

from __future__ import annotations

import csv
import errno
import glob
import hashlib
import io
import json
import os
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from mimamo.errors import InputError
from mimamo.locks import held, take_lock
from mimamo.settings import shown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOST_TEXT = 64 << 20  # bytes of a file that is read as text
MOST_IMAGE = 256 << 20
MOST_PIXELS = 1 << 26  # of a picture or a frame, 8192 x 8192: a header may ask for all memory
MOST_MODEL = 1 << 30  # a detector's
MOST_WEIGHTS = 1 << 30  # ten times those of a ResNet50
MOST_FEATURES = 4 << 30  # of a video, by others: 500,000 rows of 2048 in float32
MOST_TENSORS = 16 << 30  # the arrays of a video of 2,000,000 frames

LEFT_OVER = r"\.\w+\.\w{8}\.\w+"  # what a killed writer leaves of a file with a suffix
_LONGEST = 255  # bytes of a file's name
_RANDOM = 8  # characters in a temporary one
_LONGEST_PATH = 4000  # and with its folders: the system's 4095, less room for temporary names
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UMASK = threading.Lock()  # a process has one mask, which is read by setting another


@contextmanager
def open_file(
    path: str | os.PathLike[str], most: int | None, expected: str = "a file"
) -> Iterator[BinaryIO]:
    """Open a regular file of at most `most` bytes (None: of any size) to read bytes from it.

    Raises InputError, naming the file, if it is something else or too large, and if it cannot be
    read, be it here or in the block.
    """
    expect_no_other(path, expected)  # opening a device may do something
    try:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except ValueError as error:
            raise InputError(f"{path}: no file can have this name") from error
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):  # since a moment ago
                raise InputError(f"{path}: expected {expected}, got something else")
            if most is not None and found.st_size > most:
                raise InputError(
                    f"{path}: expected {expected} of at most {most:,} bytes, got {found.st_size:,}"
                )
            yield file
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: str | os.PathLike[str], error: OSError) -> InputError:
    """What is said where the system cannot read `path`."""
    return InputError(f"{path}: cannot be read: {error.strerror or error}")


def read_bytes(path: str | os.PathLike[str], most: int, expected: str = "a file") -> bytes:
    """The content of a file. Raises InputError as `open_file`."""
    with open_file(path, most, expected) as file:
        return file.read(most)


def file_hash(path: str | os.PathLike[str], most: int | None) -> str:
    """SHA-256 (hexadecimal) of a file's content. Raises InputError as `open_file`."""
    digest = hashlib.sha256()
    with open_file(path, most) as file:
        while chunk := file.read(1 << 18):
            digest.update(chunk)
    return digest.hexdigest()


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a UTF-8 file, its lines ended by line feeds.

    Raises InputError, naming the file, if it cannot be read.
    """
    try:
        text = read_bytes(path, MOST_TEXT, "a text file").decode("utf-8-sig")
        return text.replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected a text file, got something else ({error})") from error


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of a TOML file. Raises InputError, naming the file, if it cannot be read."""
    content = read_bytes(path, MOST_TEXT, "a TOML file")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected TOML, got something else ({error})") from error


def read_json(path: str | os.PathLike[str]) -> Any:
    """The content of a JSON file. Raises InputError, naming the file, if it cannot be read."""
    text = read_text(path)
    try:
        return parse_json(text)
    except ValueError as error:
        raise InputError(f"{path}: expected JSON, got something else ({error})") from error


def parse_json(text: str | bytes) -> Any:
    """What a text in JSON stands for. Raises ValueError if it is none, or nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it onto `path` if the block ends well.

    The temporary name keeps the suffix, so writers that choose a format by suffix work. The content
    is on the disk before the file has its name. What a killed writer of the same file has left is
    removed. Raises InputError if the folder cannot be written to, the disk is full, or anything
    but a file is in the way.
    """
    path = Path(path)
    expect_no_other(path, "a file to write")
    remove_left_over(path)
    try:
        while True:
            handle, name = tempfile.mkstemp(path.suffix, _prefix(path), path.parent)
            if held(handle, name):  # until it is closed: others know that its writer is alive
                break
            os.close(handle)  # another took it for left over before it was locked
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    temporary = Path(name)
    try:
        yield temporary
        _flush(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        os.close(handle)
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Wait until a file is on the disk: after a power cut a renamed file may else be empty."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; it takes the place of `path` if the block ends well.

    What a killed writer of the same folder has left is removed. Raises InputError if there is
    anything in `path`, it cannot be written to, or the disk is full.
    """
    path = output_folder(path).resolve()
    if any(path.iterdir()) or path.is_mount():
        raise InputError(f"{path}: expected a new or empty folder, got one with files in it")
    remove_left_over(path)
    above = output_folder(path.parent)
    temporary = Path(tempfile.mkdtemp(path.suffix, _prefix(path), above))
    handle = os.open(temporary, os.O_RDONLY)
    try:
        take_lock(handle)
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        os.close(handle)
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is gone after the block."""
    with tempfile.TemporaryDirectory(prefix="mimamo-") as folder:
        yield Path(folder)


def _prefix(path: Path) -> str:
    """What a temporary name for `path` begins with: its own, cut where that would be too long."""
    stem, most = path.stem, _LONGEST - len(os.fsencode(path.suffix)) - _RANDOM - 2
    while len(os.fsencode(stem)) > most:
        stem = stem[:-1]
    return f".{stem}."


def remove_left_over(path: Path) -> None:
    """Remove what was made to take the place of `path` and whose writer is gone.

    A living writer's, of `path` or of another file, is left alone.
    """
    pattern = f"{glob.escape(_prefix(path))}{'?' * _RANDOM}{glob.escape(path.suffix)}"
    for found in path.parent.glob(pattern):
        with suppress(OSError):
            # Only what is temporary is its owner's alone.
            mode = found.lstat().st_mode
            if mode not in (stat.S_IFREG | 0o600, stat.S_IFDIR | 0o700):
                continue
            handle = os.open(found, os.O_RDONLY)
            try:
                if take_lock(handle):
                    remove = found.unlink if stat.S_ISREG(mode) else partial(shutil.rmtree, found)
                    remove()
            finally:
                os.close(handle)


def open_new(temporary: Path) -> TextIO:
    """Open the path that `replacing` gave to write ASCII text, line by line."""
    return temporary.open("w", encoding="ascii", newline="\n")


def open_unnamed(temporary: Path) -> BinaryIO:
    """Open the path that `replacing` gave to write and read bytes.

    What is opened has a number for a name, for libraries that take no name of other bytes.
    """
    return os.fdopen(os.open(temporary, os.O_RDWR), "r+b")


def append(path: Path, content: bytes) -> None:
    """Append a few bytes to a file that is there."""
    with path.open("ab") as file:
        file.write(content)


def write_chunks(path: str | os.PathLike[str], chunks: Iterable[Any]) -> None:
    """Write bytes, or what holds some. Raises InputError as `replacing`."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)


def write_within(path: Path, content: bytes) -> None:
    """Write a file of a folder that is itself new and whole at the end: not by way of another name.

    Raises InputError if the disk is full.
    """
    try:
        with path.open("wb") as file:
            file.write(content)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a UTF-8 text file. Raises InputError as `replacing`."""
    # A file's name may be in it, which need not be UTF-8.
    write_chunks(path, [text.encode("utf-8", "surrogateescape")])


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV."""
    table = io.StringIO(newline="")
    csv.writer(table, lineterminator="\n").writerows(rows)
    return table.getvalue()


def write_csv(path: str | os.PathLike[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as UTF-8 text. Raises InputError as `replacing`."""
    write_text(path, csv_text(rows))


def write_json(path: str | os.PathLike[str], content: object, indent: int = 2) -> None:
    """Write a JSON file. Raises InputError as `replacing`."""
    write_text(path, json.dumps(content, indent=indent) + "\n")


def file_below(folder: Path, name: str, suffix: str) -> Path:
    """The file of that name, which may have folders, in a folder.

    Raises InputError if the name leads elsewhere: it may come from a file that others wrote.
    """
    path = folder / f"{name}{suffix}"
    if any(part in ("", ".", "..") for part in name.split("/")) or not is_path(str(path)):
        raise InputError(f"{folder}: expected names of files below it, got {shown(name)}")
    return path


def is_path(text: str) -> bool:
    """Whether a file can have this path, which may come from a file that others wrote."""
    try:
        path = os.fsencode(text)
    except UnicodeEncodeError:  # half a character
        return False
    parts = path.split(b"/")
    return b"\0" not in path and len(path) <= _LONGEST_PATH and max(map(len, parts)) <= _LONGEST


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
    with _UMASK:  # else a thread may read what another has set, and leave that behind
        mask = os.umask(0)
        os.umask(mask)
    return mask
