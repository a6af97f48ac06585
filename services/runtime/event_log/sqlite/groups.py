"""Who of a group reads which partition."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from services.runtime.event_log.ports import TopicPartition
from services.runtime.event_log.sqlite.offsets import Waker


class Member:
    """One consumer of a group: what it subscribed to and what it owns now."""

    def __init__(self, sources: Sequence[TopicPartition], waker: Waker) -> None:
        self.sources = frozenset(sources)
        self.waker = waker
        self.owned: frozenset[TopicPartition] = frozenset()
        self.generation = -1
        self.sharings = 0


class Group:
    """Shares partitions among members, each partition with one owner at a time.

    A partition changes hands only when its owner asks again (`sync`, at the start of each poll), so an
    owner who commits before it polls leaves nothing half done to the next one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._members: list[Member] = []
        self._owners: dict[TopicPartition, Member] = {}
        self._generation = 0

    def join(self, member: Member) -> None:
        """Add a member; it owns nothing before its first `sync`."""
        with self._lock:
            self._members.append(member)
            self._changed()

    def leave(self, member: Member) -> None:
        """Remove a member and free what it owned."""
        with self._lock:
            self._members.remove(member)
            self._release(member, member.owned)
            self._changed()

    def sync(self, member: Member) -> frozenset[TopicPartition]:
        """Give up what belongs to others now, take what is free and due, return what is owned."""
        if member.generation == self._generation:
            return member.owned
        with self._lock:
            member.sharings += 1
            target = self._target(member)
            released = member.owned - target
            self._release(member, released)
            for source in target:
                self._owners.setdefault(source, member)
            member.owned = frozenset(source for source in target if self._owners[source] is member)
            if released:
                self._changed()
            member.generation = self._generation
            return member.owned

    def _release(self, member: Member, sources: frozenset[TopicPartition]) -> None:
        for source in sources:
            del self._owners[source]
        member.owned -= sources

    def _changed(self) -> None:
        self._generation += 1
        for member in self._members:
            member.waker.set()

    def _target(self, member: Member) -> frozenset[TopicPartition]:
        """Return what `member` should own: the partitions of a topic are dealt out in turn."""
        sources = sorted({source for each in self._members for source in each.sources})
        mine = set()
        for turn, source in enumerate(sources):
            interested = [each for each in self._members if source in each.sources]
            if interested[turn % len(interested)] is member:
                mine.add(source)
        return frozenset(mine)
