"""The numbers of the memory, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class BufferParameters:
    """When the write buffer becomes a segment."""

    rows: int = 4_096
    """Of a collection that is searched exactly as a whole: a segment or the buffer costs the same, and
    fewer, larger files are quicker to write and merge."""
    rows_beside_indexes: int = 1_024
    """Of a collection that has an index: the buffer is the part that is compared whole at every search, and
    so is to stay below the cost of asking the index."""
    most_bytes: int = 512 * MIB
    """Of all collections: where segments cannot be written, writes stop here and reads go on."""


@dataclass(frozen=True)
class MergeParameters:
    """When segments are written anew as one."""

    most_rows: int = 250_000
    """Of one segment: building an index takes its memory (0.25 GB for 512 dimensions) for minutes."""
    dead_share: float = 0.3
    """A segment of which so much is dead is written anew: it costs memory, and its index finds the dead."""
    few_rows: int = 64
    """What is smaller is merged with its like only when so many segments have come together, ..."""
    few_segments: int = 8
    """... since a collection that learns slowly would otherwise be written anew again and again."""


@dataclass(frozen=True)
class Parameters:
    """Everything that can be set."""

    buffer: BufferParameters = BufferParameters()
    merge: MergeParameters = MergeParameters()
