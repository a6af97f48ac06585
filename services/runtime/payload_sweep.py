"""Deletes the payloads of events that nobody can read any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from services.runtime.claim_check import PAYLOAD_KEY, payloads
from services.runtime.event_log.ports import EventLog
from services.runtime.event_log.reading import read_to_end
from services.runtime.object_store.ports import ObjectEntry, ObjectStore
from services.runtime.topics import DAY_S, TopicSpec, TopicTable

_MARGIN_S: Final = DAY_S  # between storing a payload and publishing its event, and between two clocks


class SweepPayloads:
    """Goes by age where events go by age, and by what the log still names where it is compacted.

    A topic with a retention keeps no event longer, and its dead letters live for theirs from then on: a
    payload older than both is not needed. A compacted topic keeps an event as long as its key has no newer
    one, so there every record that is still in the log keeps its payload. A topic that is kept for ever
    keeps all of them.

    Args:
        log: Says what compacted topics still name.
        store: Where payloads are.
        topics: How long events live.
        tenants: Gives the tenants there are.
        clock: Gives seconds since the epoch.
    """

    def __init__(
        self,
        log: EventLog,
        store: ObjectStore,
        topics: TopicTable,
        *,
        tenants: Callable[[], Iterable[str]],
        clock: Callable[[], float],
    ) -> None:
        self._log = log
        self._store = store
        self._topics = topics
        self._tenants = tenants
        self._clock = clock

    def __call__(self) -> int:
        """Return how many were deleted. Raises Unavailable; the next sweep takes what is left."""
        tenants = sorted(set(self._tenants()))
        return sum(self._sweep(spec, tenants) for spec in self._topics)

    def _sweep(self, spec: TopicSpec, tenants: Iterable[str]) -> int:
        prefixes = [payloads(tenant, spec.name) for tenant in tenants]
        if spec.settings.compacted:
            old = [entry.key for prefix in prefixes for entry in self._older(prefix, _MARGIN_S)]
            return self._delete_unnamed(spec, old) if old else 0
        if spec.settings.retention_s is None:
            return 0
        age_s = spec.settings.retention_s + (self._topics.dead.retention_s or 0.0) + _MARGIN_S
        return sum(self._delete(entry) for prefix in prefixes for entry in self._older(prefix, age_s))

    def _delete_unnamed(self, spec: TopicSpec, old: Iterable[str]) -> int:
        """Delete those that no record names, and that no event renewed while the log was read."""
        named = {record.headers.get(PAYLOAD_KEY) for record in read_to_end(self._log, [spec.name, spec.dead])}
        again = (entry for key in old if key not in named for entry in self._older(key, _MARGIN_S))
        return sum(map(self._delete, again))

    def _older(self, prefix: str, age_s: float) -> Iterable[ObjectEntry]:
        newest = self._clock() - age_s
        return (entry for entry in self._store.list(prefix) if entry.modified_s < newest)

    def _delete(self, entry: ObjectEntry) -> int:
        self._store.delete(entry.key)
        return 1
