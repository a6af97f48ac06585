"""Collections as a view of the compacted topic `collections.changed`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final, cast

from fovea.gateway.v1 import events_pb2
from services.gateway.adapters.waiting import wait_until
from services.gateway.codec.collections import read_changed, write_collection
from services.gateway.domain.collections import DEFAULT_COLLECTION, Collection
from services.kernel.validation import checked_collection
from services.kernel.vocabulary import CollectionKey
from services.runtime.event_log.ports import Position, Record, TopicPartition
from services.runtime.events import Output, Tombstone
from services.runtime.publisher import Publisher
from services.runtime.topics import TOPICS, Subject

TOPIC: Final = "collections.changed"


class LogCollections:
    """Publishes changes and answers from what came back through the log.

    `saw` must be given every record of the topic, from the beginning on.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._view = {DEFAULT_COLLECTION: Collection(DEFAULT_COLLECTION)}
        self._seen: dict[TopicPartition, int] = {}
        self._changed = threading.Condition()
        self._creating = threading.Lock()

    def find(self, key: CollectionKey) -> Collection | None:
        """Return the collection, or None."""
        return self._view.get(key)

    def list(self, tenant: str = "") -> Sequence[Collection]:
        """Return the collections of a tenant, or all, in order of key."""
        view = dict(self._view)
        return [view[key] for key in sorted(view) if tenant in ("", key.tenant)]

    def change(self, collection: Collection) -> None:
        """Publish the collection and wait until it came back."""
        self._publish(events_pb2.CollectionChanged(collection=write_collection(collection)))

    def create(self, collection: Collection) -> bool:
        """As `change`, unless it is there; of many callers of this replica, one gets True."""
        with self._creating:
            if collection.key in self._view:
                return False
            self.change(collection)
            return True

    def remove(self, key: CollectionKey) -> None:
        """Publish that the collection is gone and wait until that came back."""
        self._publish(Tombstone(TOPIC, str(key)))

    def saw(self, record: Record) -> None:
        """Take over what the record says. Raises InvalidInput if it says nothing that can be understood."""
        key = _key(record)
        event = cast("events_pb2.CollectionChanged | None", TOPICS[TOPIC].decode(record))
        if event is not None:
            self._view[key] = read_changed(event)
        elif key == DEFAULT_COLLECTION:
            self._view[key] = Collection(key)
        else:
            self._view.pop(key, None)
        with self._changed:
            self._seen[record.source] = record.position.offset
            self._changed.notify_all()

    def _publish(self, output: Output) -> None:
        (position,) = self._publisher.publish(output)
        with self._changed:
            wait_until(self._changed, lambda: self._has_seen(position))

    def _has_seen(self, position: Position) -> bool:
        return self._seen.get(TopicPartition(position.topic, position.partition), -1) >= position.offset


def _key(record: Record) -> CollectionKey:
    subject = Subject.of_key(record.key)
    return checked_collection(CollectionKey(subject.tenant, subject.collection))
