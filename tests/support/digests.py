"""Digests of files, to be compared.

Bytes can be compared as well, but where that fails pytest writes all that differs: for megabytes of
numbers that takes it hours.
"""

from __future__ import annotations

import hashlib
from pathlib import Path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """Of all files in a folder and below it, by their names there."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): digest(path) for path in files}
