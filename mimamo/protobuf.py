"""Messages of Protocol Buffers, such as ONNX files, without a library for them.

https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

BYTES = 2  # the kind of texts, packed numbers and messages
_LENGTHS = {1: 8, 5: 4}  # bytes of the kinds that have always as many


class Field(NamedTuple):
    """A field of a message: its number and kind, its value, and all of it as it stands there."""

    number: int
    kind: int
    value: int | memoryview  # a whole number, or bytes
    whole: memoryview


def fields(message: memoryview) -> Iterator[Field]:
    """A message's fields. Raises ValueError or IndexError if it is none."""
    place = 0
    while place < len(message):
        begin = place
        key, place = _integer(message, place)
        number, kind = key >> 3, key & 7
        if not 0 < number < 1 << 29:  # which others may read as another one
            raise ValueError("no field has this number")
        if kind == 0:
            value, place = _integer(message, place)
            yield Field(number, kind, value, message[begin:place])
            continue
        if kind == BYTES:
            length, place = _integer(message, place)
        elif kind in _LENGTHS:
            length = _LENGTHS[kind]
        else:
            raise ValueError(f"no field is of kind {kind}")
        if length > len(message) - place:
            raise ValueError("a field ends behind its message")
        end = place + length
        yield Field(number, kind, message[place:end], message[begin:end])
        place = end


def messages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """The fields of a number that are bytes, such as messages and names."""
    for field in fields(message):
        if field.number == wanted and not isinstance(field.value, int):
            yield field.value


def integers(packed: memoryview) -> list[int]:
    """The whole numbers in a field that holds several."""
    found, place = [], 0
    while place < len(packed):
        value, place = _integer(packed, place)
        found.append(value)
    return found


def bytes_before(number: int, length: int) -> bytes:
    """What stands before so many bytes that are a field."""
    return _written(number << 3 | BYTES) + _written(length)


def _integer(message: memoryview, place: int) -> tuple[int, int]:
    """The whole number at a place, seven bits a byte and the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number has at most ten bytes")


def _written(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
