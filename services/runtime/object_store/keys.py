"""Which keys an object store takes."""

from __future__ import annotations

from typing import Final

from services.kernel.errors import InvalidInput

MOST_KEY_BYTES: Final = 1_024
MOST_PART_BYTES: Final = 250
"""Of one part between slashes; MinIO takes 255, and a folder needs a few for itself."""


def check_key(key: str) -> None:
    """Raise InvalidInput unless `key` is one that every store takes and that stays inside its root."""
    _check_text(key)
    if not 1 <= len(key.encode()) <= MOST_KEY_BYTES:
        raise InvalidInput(f"a key has 1 to {MOST_KEY_BYTES} bytes, not {len(key.encode())}", field="key")
    for part in key.split("/"):
        _check_part(part, key)


def check_prefix(prefix: str) -> None:
    """Raise InvalidInput unless keys may start with `prefix`, which may end within a part."""
    _check_text(prefix)
    for part in prefix.split("/")[:-1]:
        _check_part(part, prefix)


def _check_text(key: str) -> None:
    if "\0" in key:
        raise InvalidInput(f"key {key!r} has a zero character", field="key")
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"key {key!r} is not valid Unicode", field="key") from error


def _check_part(part: str, key: str) -> None:
    if part in {"", ".", ".."}:
        raise InvalidInput(f"key {key!r} has an empty part, '.' or '..'", field="key")
    if len(part.encode()) > MOST_PART_BYTES:
        raise InvalidInput(f"key {key!r} has a part of more than {MOST_PART_BYTES} bytes", field="key")
