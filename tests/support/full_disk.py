"""Runs every command that writes on a disk that is full, at several sizes.

    python -m support.full_disk FOLDER

FOLDER is a file system of its own, of 512 MB. Each command has to end with status 1 or 2
and lines that name a file or a folder there; what it would replace stays as it was; and with room
again it leaves what it leaves on an empty disk.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from support.kills import Command, commands, contents, differences, start

PAGE = 4096  # a file system's unit


def free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def leave(folder: Path, room: int | None) -> None:
    """Fill the disk but for so many bytes; empty it if None."""
    ballast = folder / "ballast"
    ballast.unlink(missing_ok=True)
    if room is not None:
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free(folder) - room))


def filled(command: Command, folder: Path, room: int) -> list[str]:
    """What is wrong with how it ends on a disk with so much room."""
    leave(folder, room)
    status, printed = start(command, folder).end()
    leave(folder, None)
    lines = [line for line in printed.splitlines() if line.startswith("mimamo: error: ")]
    named = rf"mimamo: error: .*{re.escape(str(folder))}.*: No space left on device$"
    said = status in (1, 2) and lines and all(re.match(named, line) for line in lines)
    if said and "Traceback" not in printed:
        return []
    return [f"{command.name}: status {status} with room for {room} bytes: {printed[-1500:]}"]


def one_command(command: Command, folder: Path) -> list[str]:
    """What was wrong."""
    if command.reads:
        return []
    wrong, out = filled(command, folder, 0), folder / command.out
    before = free(folder)
    if printed := failed(command, folder):
        return [*wrong, f"{command.name}: with room again: {printed}"]
    if command.words[0] in ("demo", "crossval") and not command.kept:  # made of other commands
        return wrong
    expected = contents(command, folder)
    replaces = command.kept or "--overwrite" in command.words
    largest = max(path.stat().st_size for path in out.glob("*") if path.is_file())
    if not replaces:
        largest = before - free(folder)
        shutil.rmtree(out)
    wrong += filled(command, folder, max(0, largest - PAGE))
    again = "" if replaces else failed(command, folder)
    if again or (lost := differences(contents(command, folder), expected)):
        wrong.append(f"{command.name}: not as it was: {again or lost}")
    return wrong


def failed(command: Command, folder: Path) -> str:
    """What it printed, if it did not end well."""
    status, printed = start(command, folder).end()
    return f"status {status}: {printed[-1500:]}" if status else ""


def main() -> int:
    folder = Path(sys.argv[1]).resolve()
    wrong = [line for command in commands(folder) for line in one_command(command, folder)]
    print("\n".join(wrong))
    print(f"{len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
