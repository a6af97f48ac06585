"""Publishes events again that others published."""

from __future__ import annotations

import random
import threading
from collections.abc import Collection
from typing import Final

from services.runtime.event_log.ports import EventLog, NewRecord, Record, Tail
from services.runtime.events import EVENT_ID
from tests.chaos.groups import CHAIN

_MOST_COPIES: Final = 4
_LATE: Final = 0.25


class Copier:
    """Publishes each event up to four times again, shuffled with others; some when all is over.

    Args:
        log: Where it reads and publishes.
        chance: How often, when, and in which order.
        names: The recognitions whose events it copies.
    """

    def __init__(self, log: EventLog, chance: random.Random, names: Collection[str]) -> None:
        self._log = log
        self._chance = chance
        self._names = frozenset(names)
        self._seen: set[str] = set()
        self._soon: list[NewRecord] = []
        self._late: list[NewRecord] = []
        self._over = threading.Event()
        self.idle = False
        self.copies = 0

    def release(self) -> None:
        """Keep nothing back any more."""
        self._over.set()

    def run(self, stop: threading.Event) -> None:
        """Copy."""
        with self._log.tail(list(CHAIN)) as tail:
            while not stop.is_set():
                for record in tail.poll(0.2, most=500):
                    self._note(record)
                self._publish_some()
                self.idle = not (self._soon or self._late) and self._has_read_all(tail)

    def _note(self, record: Record) -> None:
        """Choose how often an event comes again, the first time that it is read."""
        event = f"{record.position.topic}/{record.headers[EVENT_ID]}"
        if event in self._seen or record.key.rpartition("/")[2] not in self._names:
            return
        self._seen.add(event)
        for _ in range(self._chance.randint(0, _MOST_COPIES)):
            kept = self._late if self._chance.random() < _LATE else self._soon
            kept.append(NewRecord(record.position.topic, record.key, record.value, record.headers))

    def _publish_some(self) -> None:
        """Publish half of what is kept, in random order; the other half comes behind what comes next."""
        if self._over.is_set():
            self._soon += self._late
            self._late.clear()
        self._chance.shuffle(self._soon)
        some = [self._soon.pop() for _ in range(-(-len(self._soon) // 2))]
        if some:
            self._log.publish(some)
            self.copies += len(some)

    def _has_read_all(self, tail: Tail) -> bool:
        read = tail.position()
        return all(read[source] >= self._log.end_offsets(source.topic)[source.partition] for source in read)
