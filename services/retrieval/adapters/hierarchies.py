"""What labels are kinds of, as the log of collections says."""

from __future__ import annotations

from typing import Final, cast

from fovea.gateway.v1.events_pb2 import CollectionChanged
from services.kernel.vocabulary import CollectionKey
from services.retrieval.domain import NO_PARENTS, Parents
from services.runtime.event_log.ports import Record
from services.runtime.topics import TOPICS, Subject

TOPIC: Final = "collections.changed"


class LogHierarchies:
    """Answers from what came through the log; `saw` must be given every record of the topic, in order."""

    def __init__(self) -> None:
        self._view: dict[CollectionKey, Parents] = {}

    def parents(self, collection: CollectionKey) -> Parents:
        """Return what is known now; nothing for a collection without a hierarchy."""
        return self._view.get(collection, NO_PARENTS)

    def saw(self, record: Record) -> None:
        """Take over what the record says. Raises InvalidInput if it is no message."""
        subject = Subject.of_key(record.key)
        event = cast("CollectionChanged | None", TOPICS[TOPIC].decode(record))
        hierarchy = () if event is None else event.collection.hierarchy
        parents = {each.label: each.parent for each in hierarchy if each.parent}
        if parents:
            self._view[CollectionKey(subject.tenant, subject.collection)] = parents
        else:
            self._view.pop(CollectionKey(subject.tenant, subject.collection), None)
