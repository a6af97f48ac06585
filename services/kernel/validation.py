"""Checks of names, ids and texts that every door shares; each names the field it refuses."""

from __future__ import annotations

import re

from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import CollectionKey

_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LIMITS.name_characters - 1}}}")
_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:-]{{0,{LIMITS.id_characters - 1}}}")


def checked_collection(key: CollectionKey) -> CollectionKey:
    """Return the key, `default` standing for an empty part. Raises InvalidInput."""
    return CollectionKey(
        checked_name(key.tenant or "default", field="collection.tenant"),
        checked_name(key.collection or "default", field="collection.collection"),
    )


def checked_name(value: str, *, field: str) -> str:
    """Return the name. Raises InvalidInput unless it is of letters, digits, `.`, `_` and `-`."""
    if not _NAME.fullmatch(value):
        raise InvalidInput(
            f"{field} must be 1 to {LIMITS.name_characters} letters, digits, '.', '_' or '-', "
            "and begin with a letter or digit",
            field=field,
            reason="NAME_INVALID",
        )
    return value


def checked_id(value: str, *, field: str) -> str:
    """Return the id. Raises InvalidInput unless it is of letters, digits, `.`, `_`, `:` and `-`."""
    if not _ID.fullmatch(value):
        raise InvalidInput(
            f"{field} must be 1 to {LIMITS.id_characters} letters, digits, '.', '_', ':' or '-', "
            "and begin with a letter or digit",
            field=field,
            reason="ID_INVALID",
        )
    return value


def checked_text(value: str, *, field: str, most: int) -> str:
    """Return the text without outer blanks. Raises InvalidInput if empty, too long or not printable."""
    text = value.strip()
    if not text:
        raise InvalidInput(f"{field} is empty", field=field, reason="TEXT_EMPTY")
    if len(text) > most:
        raise InvalidInput(
            f"{field} has {len(text)} characters, at most {most} are allowed",
            field=field,
            reason="TEXT_TOO_LONG",
        )
    if not text.isprintable():
        raise InvalidInput(
            f"{field} holds a line break or another control character",
            field=field,
            reason="TEXT_NOT_PRINTABLE",
        )
    return text
