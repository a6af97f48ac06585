"""Checks of names, ids and texts that every door shares; each names the field it refuses."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence

from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import CollectionKey

_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LIMITS.name_characters - 1}}}")
_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:-]{{0,{LIMITS.id_characters - 1}}}")


# A joiner, a non-joiner, and the tags that flags of regions are spelt with: parts of emoji and of words.
_WITHIN_CHARACTERS = frozenset("\u200c\u200d") | frozenset(map(chr, range(0xE0020, 0xE0080)))


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
    if not _is_printable(text):
        raise InvalidInput(
            f"{field} holds a line break or another control character",
            field=field,
            reason="TEXT_NOT_PRINTABLE",
        )
    return text


def plain_texts(values: Sequence[str], *, most: int) -> list[str] | None:
    """Return what `checked_text` returns for each, if all are beyond doubt; None: ask it, one by one."""
    texts = list(map(str.strip, values))
    plain = all(texts) and max(map(len, texts), default=0) <= most and "".join(texts).isprintable()
    return texts if plain else None


def checked_share(value: float, *, field: str) -> float:
    """Return the number. Raises InvalidInput unless it is from 0 to 1."""
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise InvalidInput(f"{field} is {value}; it must be from 0 to 1", field=field, reason="OUT_OF_RANGE")
    return value


def _is_printable(text: str) -> bool:
    """Whether a person sees every character, if only as a blank: no line breaks, no changes of direction."""
    return text.isprintable() or all(map(_is_visible, text))


def _is_visible(character: str) -> bool:
    return (
        character.isprintable()
        or character in _WITHIN_CHARACTERS
        or unicodedata.category(character) == "Zs"  # blanks of other widths
    )
