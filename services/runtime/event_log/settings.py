"""How one topic is laid out, whatever the event log behind it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TOMBSTONES_S: Final = 86_400.0
"""How long a compacted topic keeps a record without a value, at least, once nothing older of its key is left.

Whoever keeps what it read, in a file or a snapshot, must read on within this time, or begin again: later it
would never learn that the key is gone."""

SUPERSEDED_S: Final = 7 * 86_400.0
"""How long a compacted topic keeps a record that a newer one of its key supersedes, at most, while the log
runs: somebody may have a right to its being gone. A record is usually gone much sooner."""


@dataclass(frozen=True)
class TopicSettings:
    """The shape of a topic.

    Args:
        partitions: Fixed for the life of the topic: a key's partition follows from their number.
        compacted: Keep the newest record of every key for ever, and forget the older ones.
        retention_s: Forget records older than this; None keeps them. A compacted topic ignores it.
        late_s: Refuse a record whose `as_of_s` is longer ago than this; None takes all. It keeps a process
            that stood still from having the last word on a key, so it is at most half the time after which
            the group gives a silent member's partitions to others.
    """

    partitions: int = 1
    compacted: bool = False
    retention_s: float | None = None
    late_s: float | None = None
