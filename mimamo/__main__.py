"""``python -m mimamo`` and the command ``mimamo``: signals first, then all that takes time."""

from __future__ import annotations

import sys

from mimamo.signals import end_well, ended_by, leave_with


def main() -> int:
    """Run the command line and return its exit status; 130, 143, 129: ended by a signal."""
    ending = end_well()
    try:
        from mimamo.cli import main as run  # takes a third of a second

        ending.raise_waiting()
        return run()
    except BaseException as error:
        if (ended := ended_by(error)) is None:
            raise
        from mimamo.terminal import print_line

        print_line(f"mimamo: ended by {ended}", error=True)
        return ended.status
    finally:
        ending.forget()


def script() -> int:
    """As `main`, for a process that then ends."""
    from mimamo.terminal import flush, open_streams

    open_streams()
    status = main()
    leave_with(status, flush)
    return status


if __name__ == "__main__":
    sys.exit(script())
