"""Settings that are checked, and that come from and go into plain dicts (JSON, TOML)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from mimamo.errors import InputError

Own = TypeVar("Own", bound="Settings")


@dataclass(frozen=True)
class Settings:
    """A dataclass of settings: numbers, strings, tuples of these, and other settings."""

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain Python numbers, strings, lists and dicts."""
        return json.loads(json.dumps(asdict(self)))  # which makes lists of tuples

    @classmethod
    def from_dict(cls: type[Own], settings: Mapping[str, Any]) -> Own:
        """Build the settings from what :meth:`to_dict` gave; what is not there is default.

        Raises InputError if `settings` is not a mapping, has an unknown key, or a bad value.
        """
        if not isinstance(settings, Mapping):
            raise InputError(f"config: expected a mapping, got {type(settings).__name__}")
        known = {entry.name for entry in fields(cls)}
        if unknown := sorted(str(key) for key in settings if key not in known):
            raise InputError(
                f"config: unknown {', '.join(unknown)}; expected among {', '.join(sorted(known))}"
            )
        return cls(
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in settings.items()
            }
        )


def is_whole(value: object, lowest: int = 1, highest: int = 1 << 62) -> bool:
    """Whether it is a whole number from `lowest` to `highest`."""
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


def is_real(value: object, lowest: float = -1e30, highest: float = 1e30) -> bool:
    """Whether it is a number from `lowest` to `highest`."""
    return isinstance(value, int | float) and type(value) is not bool and lowest <= value <= highest


def bad(name: str, expected: str, got: object) -> InputError:
    """The error for a setting that is not what was expected."""
    return InputError(f"config: {name}: expected {expected}, got {shown(got)}")


def shown(value: object) -> str:
    """A value in a message, whatever it is and however long."""
    try:
        text = repr(value)
    except ValueError:  # a number of more digits than Python writes
        text = "a number of too many digits"
    return text if len(text) <= 80 else f"{text[:79]}…"
