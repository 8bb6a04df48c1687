"""The exception that means: what the user gave cannot be used; and knowing that memory is short."""

from __future__ import annotations

OUT_OF_MEMORY = "the memory does not suffice; try a smaller batch size, or end other programs"

# Each library has an exception of its own, and some only words.
_WORDS = (
    "out of memory",  # torch on a GPU, and this package's operators
    "allocate memory",  # torch on a CPU
    "not enough memory",
    "insufficient memory",  # OpenCV
    "bad_alloc",
)


class InputError(ValueError):
    """A file or an argument cannot be used.

    The message is one line that names the file or argument, what was expected and what came.
    The command line prints it without a traceback; libraries may catch it as a ``ValueError``.
    """


class NothingFoundError(InputError):
    """What was searched holds nothing of what was looked for; there is nothing to do."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the memory does not suffice, whichever library raised it."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in _WORDS)
