"""How far back a memory's last look at the log lies, and when that is too far.

A compacted log forgets a tombstone some time after it was published. Whoever reads on from old offsets after
that never learns that the key is gone, so an old catalogue is refused, unless nothing came after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.retrieval.adapters.memory.catalogue import Catalogue
from services.runtime.event_log.ports import EventLog
from services.runtime.event_log.settings import TOMBSTONES_S

_MOST_LOOKS: Final = 1024


@dataclass(frozen=True)
class LogState:
    """Which log there is, and where each of its partitions ends."""

    identity: str
    ends: Mapping[int, int]


@dataclass(frozen=True)
class Limits:
    """When a catalogue may be opened.

    Args:
        tombstones_s: How long the log keeps a tombstone.
        margin_s: Of that, what is left for clocks that differ and for reading on.
    """

    tombstones_s: float = TOMBSTONES_S
    margin_s: float = TOMBSTONES_S / 4

    def refusal(self, catalogue: Catalogue, log: LogState, now_s: float) -> str:
        """Return why the catalogue must not be opened, in a word; empty if it may be.

        Args:
            catalogue: What was kept.
            log: As it is now.
            now_s: In seconds since the epoch.
        """
        if catalogue.log != log.identity or behind(log.ends, catalogue.offsets):
            return "other_log"  # another name, or offsets beyond its end
        if behind(catalogue.offsets, log.ends) == 0:
            return ""  # nothing came after it, so no tombstone can be missing
        age_s = now_s - catalogue.as_of_s
        if age_s < -self.margin_s:
            return "from_the_future"
        return "too_old" if age_s > self.tombstones_s - self.margin_s else ""


def state_of(log: EventLog, topic: str) -> LogState:
    """Return how a log is now. Raises NotFound for an unknown topic, Unavailable."""
    return LogState(log.identity(topic), log.end_offsets(topic))


def behind(offsets: Mapping[int, int], ends: Mapping[int, int]) -> int:
    """Return how many offsets lie between."""
    return sum(max(0, end - offsets.get(partition, 0)) for partition, end in ends.items())


class Looks:
    """Remembers when the log was seen to end where.

    Whoever has read up to such an end has everything that was published before that moment.

    Args:
        as_of_s: Of the catalogue that was opened; None if the log is read from its beginning.
    """

    def __init__(self, as_of_s: float | None = None) -> None:
        self._newest = as_of_s
        self._looks: list[tuple[float, dict[int, int]]] = []

    def saw(self, ends: Mapping[int, int], at_s: float) -> None:
        """Take that the log ended there at some moment, asked after that moment."""
        self._looks.append((at_s, dict(ends)))
        if len(self._looks) > _MOST_LOOKS:
            del self._looks[1::2]

    def as_of_s(self, offsets: Mapping[int, int]) -> float | None:
        """Return the newest moment before which everything is read; None if there is none yet."""
        while self._looks and behind(offsets, self._looks[0][1]) == 0:
            self._newest = self._looks.pop(0)[0]
        return self._newest
