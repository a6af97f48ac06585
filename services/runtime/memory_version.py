"""How new a memory is, as one opaque word: for each partition of its topic, how far it has been read.

Callers keep such a word and hand it back; only those who read or write the topic look inside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from services.kernel.errors import InvalidInput

_BEGIN: Final = "v1"
_PATTERN: Final = re.compile(r"v1(\.[0-9]{1,9}-[0-9]{1,18})*", re.ASCII)
_MOST_CHARACTERS: Final = 4096


def encode(offsets: Mapping[int, int]) -> str:
    """Return the version of a memory that has read each partition up to, not including, its offset.

    A record at offset n is seen by every memory of version `encode({partition: n + 1})` or newer.
    """
    read = sorted((partition, offset) for partition, offset in offsets.items() if offset > 0)
    return ".".join([_BEGIN, *(f"{partition}-{offset}" for partition, offset in read)])


def decode(version: str, *, field: str = "min_memory_version") -> dict[int, int]:
    """Return the offset for each partition that the version names; the others are at 0.

    Raises:
        InvalidInput: It is no memory version; `field` is named.
    """
    if len(version) > _MOST_CHARACTERS or not _PATTERN.fullmatch(version):
        raise _invalid(version, field)
    pairs = [part.split("-") for part in version.split(".")[1:]]
    offsets = {int(partition): int(offset) for partition, offset in pairs}
    if len(offsets) != len(pairs):
        raise _invalid(version, field)
    return offsets


def reached(offsets: Mapping[int, int], wanted: Mapping[int, int]) -> bool:
    """Return whether a memory that has read up to `offsets` has seen all of `wanted`."""
    return all(offsets.get(partition, 0) >= offset for partition, offset in wanted.items())


def _invalid(version: str, field: str) -> InvalidInput:
    return InvalidInput(
        f"{field} is {version[:40]!r}, which is no memory version; send one that an answer carried",
        field=field,
        reason="MEMORY_VERSION_INVALID",
    )
