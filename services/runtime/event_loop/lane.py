"""How far one partition is."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field

from services.runtime.event_log.ports import Commit, NewRecord, Record, TopicPartition


@dataclass(frozen=True)
class Note:
    """What the log says of the events at a group's place.

    Args:
        kills: How often a process died of the first of them, or of any of them if `among`.
        among: Whether it may have been any of those that were read together.
    """

    kills: int = 0
    among: bool = False

    @classmethod
    def of(cls, commit: Commit | None) -> Note:
        """Read it; an odd one says nothing."""
        if commit is None or not commit.metadata:
            return cls()
        try:
            said = json.loads(commit.metadata)
            return cls(max(0, int(said["begun"])), bool(said.get("among")))
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def __str__(self) -> str:
        if not self.kills:
            return ""
        return json.dumps({"begun": self.kills} | ({"among": True} if self.among else {}))


@dataclass
class Lane:
    """The events in hand of one partition, and how the first of them fares.

    What the process before this one may have died of is guarded: the log says that it is begun. That costs
    a commit, so at first one mark stands for all that is in hand. If a later process finds such a mark, each
    event is marked on its own, until the deadly one is found.

    Args:
        source: The partition.
        guarded: So many events to come may be those that the process before this one died of.
        note: What the log says of them.
    """

    source: TopicPartition
    guarded: int
    note: Note = field(default_factory=Note)
    pending: deque[Record] = field(default_factory=deque)
    attempts: int = 0
    first_seen_s: float = 0.0
    resume_at_s: float | None = None
    marked: bool = False
    kills: int = 0
    careful: bool = False

    def __post_init__(self) -> None:
        self.kills = self.note.kills
        self.careful = self.kills > 0

    @property
    def ready(self) -> bool:
        """Whether there is something to do now."""
        return bool(self.pending) and self.resume_at_s is None

    @property
    def unmarked(self) -> bool:
        """Whether the log must say that the first event is begun, before it is."""
        return self.guarded > 0 and not self.marked

    def begin(self, offset: int) -> Commit:
        """Return the mark to make before the event at this place."""
        self.marked = True
        return Commit(offset, str(Note(self.kills + 1, among=not self.careful)))

    def survive(self, offset: int) -> Commit:
        """Return what takes the mark off again: the event at this place was begun and has to wait."""
        self.marked = False
        return Commit(offset, str(Note(self.kills)))

    def finish(self) -> Record:
        """Take the first event out: it is done with, one way or the other."""
        self.attempts = 0
        self.kills = self.note.kills if self.note.among else 0
        self.guarded = max(0, self.guarded - 1)
        if not self.guarded:
            self.careful, self.kills = False, 0
        if self.careful or not self.guarded:
            self.marked = False
        return self.pending.popleft()

    def here(self, record: Record) -> Commit:
        """Return the place of an event that is done and not committed; a mark stays."""
        return Commit(record.position.offset, str(Note(1, among=True) if self.marked else Note()))

    def after(self, record: Record) -> Commit:
        """Return the place to commit when everything up to a record is done; a mark for the rest stays."""
        if not self.pending:
            self.marked = False
        note = Note(1, among=True) if self.marked else Note()
        return Commit(record.position.offset + 1, str(note))


@dataclass(frozen=True)
class Done:
    """An event that was handled, and what is to be published before it is committed."""

    lane: Lane
    record: Record
    outputs: list[NewRecord]
    attempts: int = 1
    dead: bool = False
