"""The files of a check: every record at once, a table, and the logs in one archive."""

from __future__ import annotations

import json
import os
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.gpu.table import table


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

        def write() -> None:
            with (self.folder / "records.jsonl").open("a", encoding="utf-8") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())

        if not self._try(write, "records.jsonl"):
            print(line, flush=True)

    def update(self) -> str:
        """Write the table and the archive anew; returns the table."""
        text = table(self.records)
        self._replace("summary.txt", lambda path: path.write_text(text + "\n", encoding="utf-8"))
        self._replace("logs.tar.gz", self._archive)
        return text

    def _archive(self, path: Path) -> None:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(self._logs.name, arcname="logs")

    def _replace(self, name: str, write: Callable[[Path], Any]) -> None:
        temporary = self.folder / f".{name}"

        def replace() -> None:
            write(temporary)
            temporary.replace(self.folder / name)

        self._try(replace, name)

    def _try(self, action: Callable[[], None], name: str) -> bool:
        try:
            action()
        except OSError as error:
            print(f"gpu-check: {self.folder / name}: {error.strerror}", flush=True)
            self.failed = True
            return False
        return True
