"""How far one partition is."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field

from services.runtime.event_log.ports import Commit, NewRecord, Record, TopicPartition


@dataclass
class Lane:
    """The events in hand of one partition, and how the first of them fares.

    Args:
        source: The partition.
        guarded: So many events to come may be those that the process before this one died of: each is
            marked in the log before it is begun.
        kills: How often the first event was begun and never ended.
    """

    source: TopicPartition
    guarded: int
    kills: int = 0
    pending: deque[Record] = field(default_factory=deque)
    attempts: int = 0
    first_seen_s: float = 0.0
    resume_at_s: float | None = None

    @property
    def ready(self) -> bool:
        """Whether there is something to do now."""
        return bool(self.pending) and self.resume_at_s is None

    def finish(self) -> Record:
        """Take the first event out: it is done with, one way or the other."""
        self.attempts = self.kills = 0
        self.guarded = max(0, self.guarded - 1)
        return self.pending.popleft()


@dataclass(frozen=True)
class Done:
    """An event that was handled, and what is to be published before it is committed."""

    lane: Lane
    record: Record
    outputs: list[NewRecord]
    attempts: int = 1
    dead: bool = False


def mark(offset: int, kills: int) -> Commit:
    """Return a place with the note that the event there was begun so many times and never ended."""
    return Commit(offset, json.dumps({"begun": kills}) if kills else "")


def kills_of(commit: Commit | None) -> int:
    """Return how often the event at this place was begun and never ended; an odd note says never."""
    if commit is None or not commit.metadata:
        return 0
    try:
        note = json.loads(commit.metadata)
        return max(0, int(note["begun"]))
    except (ValueError, KeyError, TypeError):
        return 0
