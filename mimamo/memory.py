"""Knowing an error that means: the memory does not suffice."""

from __future__ import annotations

MESSAGE = "the memory does not suffice; try a smaller batch size, or end other programs"

# Each library has an exception of its own, and some only words.
_WORDS = (
    "out of memory",  # torch on a GPU, and this package's operators
    "allocate memory",  # torch on a CPU
    "not enough memory",
    "insufficient memory",  # OpenCV
    "bad_alloc",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` means that, whichever library raised it."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in _WORDS)
