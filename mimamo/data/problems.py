"""What is wrong with a user's data: told with file and line, counted, and by request fatal."""

from __future__ import annotations

from mimamo.errors import InputError
from mimamo.progress import Report, silent


class Problems:
    """Collects one line for each thing in the data that cannot be used as it is.

    What a line names is left out and nothing else; with `strict` the first one ends the work.

    Args:
        strict: raise the first problem as an InputError.
        report: called with each line.

    Attributes:
        lines: all problems so far.
    """

    def __init__(self, strict: bool = False, report: Report = silent) -> None:
        self.strict = strict
        self.lines: list[str] = []
        self._report = report

    def add(self, line: str) -> None:
        """Note a problem. Raises InputError if this is strict."""
        if self.strict:
            raise InputError(line)
        self.lines.append(line)
        self._report(line)
