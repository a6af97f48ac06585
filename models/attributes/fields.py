"""One line of a sheet as an object whose fields are taken one by one, each checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from models.attributes.records import Made

MOST_TEXT: Final = 2_000
"""Characters of a text: as many as an exemplar may have."""
MOST_NAME: Final = 200
MOST_VALUES: Final = 64


class FieldError(ValueError):
    """A field that is not as it must be."""


def fields_of(line: bytes) -> dict[str, Any]:
    """Return the object of a line. Raises FieldError, UnicodeDecodeError, RecursionError."""
    try:
        found = json.loads(line.decode("utf-8-sig"), parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise FieldError(f"is no JSON: {error.msg} at character {error.pos + 1}") from error
    if not isinstance(found, dict):
        raise FieldError("is no JSON object")
    return found


def _no_number(text: str) -> float:
    raise FieldError(f"{text} is no number")


class Taken:
    """Takes fields from an object one by one, and complains about those that nobody took."""

    def __init__(self, fields: Mapping[str, Any], what: str) -> None:
        self._left = dict(fields)
        self._what = what

    def text(self, name: str, *, most: int = MOST_NAME, default: str | None = None) -> str:
        """Take a text; without a default it must say something."""
        value = self._left.pop(name, default)
        if not isinstance(value, str):
            raise FieldError(f"{self._what}: `{name}` must be a text")
        if default is None and not value.strip() and name != "text":
            raise FieldError(f"{self._what}: `{name}` is empty")
        if len(value) > most:
            raise FieldError(
                f"{self._what}: `{name}` has {len(value)} characters, at most {most} are allowed"
            )
        if any(ord(each) < ord(" ") for each in value) or "\ufffd" in value or not _is_unicode(value):
            raise FieldError(f"{self._what}: `{name}` has a control character or is no valid Unicode")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Take a list of texts, none twice."""
        value = self._left.pop(name, [])
        if not isinstance(value, list):
            raise FieldError(f"{self._what}: `{name}` must be a list of texts")
        if len(value) > MOST_VALUES:
            raise FieldError(
                f"{self._what}: `{name}` has {len(value)} entries, at most {MOST_VALUES} are allowed"
            )
        each = tuple(Taken({name: one}, self._what).text(name) for one in value)
        if len({one.casefold() for one in each}) != len(each):
            raise FieldError(f"{self._what}: `{name}` says the same twice")
        return each

    def number(self, name: str) -> int:
        """Take a whole number."""
        value = self._left.pop(name, None)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise FieldError(f"{self._what}: `{name}` must be a whole number, 0 or more")
        return value

    def flag(self, name: str) -> bool:
        """Take true or false."""
        value = self._left.pop(name, False)
        if not isinstance(value, bool):
            raise FieldError(f"{self._what}: `{name}` must be true or false")
        return value

    def made(self) -> Made:
        """Take who wrote it; people, where nobody says."""
        value = self._left.pop("made", {})
        if not isinstance(value, dict):
            raise FieldError(f"{self._what}: `made` must be an object")
        taken = Taken(value, f"{self._what}: made")
        names = ("model", "prompt", "date", "digest")
        made = Made(
            taken.text("source", default=Made.source), *(taken.text(each, default="") for each in names)
        )
        taken.end()
        return made

    def end(self) -> None:
        """Complain about what nobody took."""
        if self._left:
            raise FieldError(f"{self._what}: there is no field `{min(self._left)}`")


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in text)
