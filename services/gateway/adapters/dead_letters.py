"""Dead letters as they stand in the log, and markers of those that were replayed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

from services.gateway.codec.operations import read_letter, write_id
from services.gateway.domain import keys
from services.gateway.domain.operations import Letter
from services.kernel.errors import InvalidInput, NotFound
from services.runtime.claim_check import Claims
from services.runtime.event_log.ports import EventLog, NewRecord, Record
from services.runtime.event_log.reading import read_to_end
from services.runtime.object_store.ports import ObjectStore
from services.runtime.topics import DEAD, TopicTable

_LOG: Final = logging.getLogger(__name__)


class LogDeadLetters:
    """Reads every topic of dead letters from its beginning: there are few, and they go after 30 days."""

    def __init__(self, log: EventLog, store: ObjectStore, claims: Claims, topics: TopicTable) -> None:
        self._log = log
        self._store = store
        self._claims = claims
        self._topics = topics

    def read(self, tenant: str, topic: str) -> Iterator[Letter]:
        """Yield the letters of one topic, or of all."""
        topics = [self._topics[topic].dead] if topic else [spec.dead for spec in self._topics]
        prefix = keys.replays(tenant)
        replayed = {entry.key: entry.modified_s for entry in self._store.list(prefix)}
        for record in read_to_end(self._log, topics):
            try:
                yield read_letter(record, replayed_s=replayed.get(prefix + write_id(record.position)))
            except InvalidInput as error:
                _LOG.warning("%s is no dead letter: %s", record.position, error)

    def value(self, letter: Letter) -> bytes | None:
        """Return the event's bytes."""
        return self._redeemed(letter).value

    def replay(self, letter: Letter) -> None:
        """Publish the event, then leave the marker: after a crash between the two it is published again."""
        record = self._redeemed(letter)
        headers = {name: text for name, text in record.headers.items() if name in letter.headers}
        event = NewRecord(letter.topic, letter.key, record.value, headers)
        self._log.publish([self._claims.deposit(event)])
        self._store.put(keys.replays(letter.tenant) + letter.id, b"")

    def _redeemed(self, letter: Letter) -> Record:
        for record in read_to_end(self._log, [letter.topic + DEAD]):
            if write_id(record.position) == letter.id:
                return self._claims.redeem(record)
        raise NotFound(f"the dead letter {letter.id} is gone", reason="DEAD_LETTER_UNKNOWN")
