"""The files of a check: every record at once, a summary, and the logs in one archive."""

from __future__ import annotations

import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.gpu.summary import summary


class Output:
    """`records.jsonl`, `summary.txt` and `logs.tar.gz` in a folder.

    Where a file cannot be written, that is told and records are printed instead; nothing ends.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records: list[dict[str, Any]] = []
        self.failed = False
        # Logs grow elsewhere: the folder holds few files at any moment.
        self._logs = tempfile.TemporaryDirectory(prefix="gpu-check-", ignore_cleanup_errors=True)

    def log(self, step: str) -> Path:
        return Path(self._logs.name) / f"{step}.log"

    def add(self, record: dict[str, Any]) -> None:
        """Append a record; it is on the disk when this returns."""
        self.records.append(record)
        line = json.dumps(record)
        with (
            self._told("records.jsonl", line) as path,
            path.open("a", encoding="utf-8") as file,
        ):
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    def update(self) -> str:
        """Write the summary and the archive anew; returns the summary."""
        text = summary(self.records)
        with self._told("summary.txt") as path:
            temporary = path.with_name(f".{path.name}")
            temporary.write_text(text + "\n", encoding="utf-8")
            temporary.replace(path)
        with self._told("logs.tar.gz") as path:
            temporary = path.with_name(f".{path.name}")
            with tarfile.open(temporary, "w:gz") as archive:
                archive.add(self._logs.name, arcname="logs")
            temporary.replace(path)
        return text

    @contextmanager
    def _told(self, name: str, instead: str = "") -> Iterator[Path]:
        """The path of a file; if writing it fails, say so, and print what is lost."""
        try:
            yield self.folder / name
        except OSError as error:
            self.failed = True
            print(f"gpu-check: {self.folder / name}: {error.strerror}", flush=True)
            print(instead, end="\n" * bool(instead), flush=True)
