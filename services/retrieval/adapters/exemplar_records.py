"""Records of the memory's topic, applied to the arrays."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, cast, runtime_checkable

from fovea.encoding.v1.events_pb2 import ExemplarEncoded
from services.kernel.errors import Corrupt, InvalidInput, NotFound
from services.retrieval import codec
from services.retrieval.adapters.memory.changes import Change
from services.runtime.claim_check import Claims, NoClaims
from services.runtime.event_log.ports import Record
from services.runtime.metrics import MemoryMetrics
from services.runtime.topics import TOPICS

TOPIC: Final = "exemplars.encoded"
_LOG = logging.getLogger(__name__)


@runtime_checkable
class Changes(Protocol):
    """Takes what is written."""

    def apply(self, changes: Sequence[Change], offsets: Mapping[int, int]) -> None:
        """Make all changes visible at once; `offsets` is how far each partition has then been read.

        Raises Unavailable while there is no room for them; then nothing was applied.
        """
        ...

    def items(self) -> Mapping[str, int]:
        """Return how many exemplars each space has, or had, all collections together."""
        ...


class ApplyExemplars:
    """Makes records visible to searches. For one thread.

    A record that cannot be read is logged and left out: it must not keep the others from being found.

    Args:
        index: What to write to.
        metrics: Learn how many exemplars there are, and how long new ones took to become visible.
        claims: Has the values of exemplars that are too large for the log.
        now: Gives the time in seconds since the epoch. What is older than this object is replayed, not
            new, and its age says nothing about visibility.
    """

    def __init__(
        self,
        index: Changes,
        metrics: MemoryMetrics,
        *,
        claims: Claims | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._index = index
        self._metrics = metrics
        self._claims = claims or NoClaims()
        self._now = now
        self._since_s = now()

    def __call__(self, records: Sequence[Record]) -> None:
        """Apply records, all of them or none; those of one key come in order.

        Raises Unavailable if one cannot be read now, or there is no room now.
        """
        changes = [change for change in map(self._change, records) if change is not None]
        self._index.apply(
            changes, {record.position.partition: record.position.offset + 1 for record in records}
        )
        now_s = self._now()
        for record in records:
            if record.timestamp_s >= self._since_s:
                self._metrics.visible.observe(max(0.0, now_s - record.timestamp_s))
        for space, count in self._index.items().items():
            self._metrics.items.labels(space).set(count)

    def _change(self, record: Record) -> Change | None:
        try:
            collection, exemplar_id = codec.read_key(record.key)
            message = cast("ExemplarEncoded | None", TOPICS[TOPIC].decode(self._claims.redeem(record)))
            encoded = None if message is None else codec.read_encoded(message)
        except (InvalidInput, NotFound, Corrupt) as error:
            _LOG.error(
                "record %d of partition %d cannot be read and is left out of the memory: %s",
                record.position.offset,
                record.position.partition,
                error.message,
                extra={"reason": error.reason, "topic": record.position.topic},
            )
            return None
        return Change(collection, exemplar_id, encoded, record.position.offset)
