"""A replica's memory over an event log, without doors: what keeps it is real."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from fovea.encoding.v1.events_pb2 import ExemplarEncoded
from services.kernel.vocabulary import CollectionKey, EncodedExemplar
from services.retrieval.adapters.exemplar_records import TOPIC, ApplyExemplars
from services.retrieval.adapters.memory.freshness import Limits
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.adapters.memory.keeper import Keeper, Rhythm
from services.retrieval.adapters.memory.local import LocalMemory
from services.retrieval.adapters.memory.opening import Opening
from services.retrieval.adapters.memory.parameters import (
    BufferParameters,
    IndexParameters,
    MergeParameters,
    Parameters,
)
from services.retrieval.adapters.memory.snapshot_writer import Schedule, SnapshotWriter
from services.retrieval.adapters.memory.snapshots import SnapshotStore
from services.retrieval.adapters.versions import Shelf
from services.runtime.codec.exemplar import write_encoded_exemplar
from services.runtime.codec.recognition import write_collection
from services.runtime.event_log.ports import EventLog, NewRecord, TopicPartition
from services.runtime.metrics import Metrics
from services.runtime.object_store.ports import ObjectStore
from tests.fakes.exemplars import BIRDS

PATIENCE_S = 30.0
AT_ONCE = Rhythm(flush_records=1, flush_every_s=0.01, most_retry_s=0.05)
NEVER = Rhythm(flush_records=1_000_000, flush_every_s=1e6, refresh_every_s=1e6)
SMALL = Parameters(
    BufferParameters(rows=8),
    MergeParameters(few_rows=2, few_segments=2),
    IndexParameters(exact_rows=16, rows=16, held_out=4),
)


class Replica:
    """Opens its memory when it is entered, and closes it as a process does that is told to end."""

    def __init__(  # noqa: PLR0913  (everything has a default that most tests leave)
        self,
        folder: Path,
        log: EventLog,
        store: ObjectStore | None = None,
        *,
        rhythm: Rhythm = NEVER,
        parameters: Parameters = SMALL,
        limits: Limits | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.metrics = Metrics()
        self.local = LocalMemory(folder)
        self.index = SegmentedIndex(self.local.segments, parameters)
        self.shelf = (
            None
            if store is None
            else Shelf.of(store, self.index, self.local, log=lambda: log.identity(TOPIC))
        )
        kept = tuple if self.shelf is None else self.shelf.versions.digests
        self.snapshots = None if store is None else SnapshotStore(store, also_named=kept)
        self.keeper = Keeper(
            log,
            TOPIC,
            ApplyExemplars(self.index, self.metrics.memory, now=now),
            index=self.index,
            local=self.local,
            opening=Opening(
                self.local,
                self.snapshots,
                refused=lambda why: self.metrics.memory.refused.labels(why).inc(),
                limits=limits,
                patience_s=0.0,
            ),
            metrics=self.metrics.memory,
            rhythm=rhythm,
            now=now,
        )

    def __enter__(self) -> Self:
        self.keeper.start()
        assert self.keeper.wait_caught_up(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.keeper.close()

    def writer(self, schedule: Schedule) -> SnapshotWriter:
        """Return what takes snapshots of this replica; not started."""
        assert self.snapshots is not None
        return SnapshotWriter(
            self.local,
            self.snapshots,
            metrics=self.metrics.memory,
            usable=lambda _: True,
            schedule=schedule,
        )

    def wait(self, offsets: Mapping[int, int]) -> None:
        """Wait until the log is visible up to these offsets."""
        wanted = {TopicPartition(TOPIC, partition): offset for partition, offset in offsets.items()}
        assert self.keeper.wait_until(wanted, PATIENCE_S)

    def memory(self, collection: CollectionKey = BIRDS) -> dict[str, str]:
        """Return the label of each exemplar."""
        return {each.exemplar_id: each.label for each in self.index.view(collection).exemplars()}

    def value(self, metric: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(metric, labels)


def taught(exemplar: EncodedExemplar, collection: CollectionKey = BIRDS) -> NewRecord:
    """Return the record that has an exemplar remembered."""
    message = ExemplarEncoded(
        collection=write_collection(collection), exemplar=write_encoded_exemplar(exemplar)
    )
    key = f"{collection}/{exemplar.exemplar.exemplar_id}"
    return NewRecord(TOPIC, key, message.SerializeToString())


def forgotten(exemplar_id: str, collection: CollectionKey = BIRDS) -> NewRecord:
    """Return the record that has an exemplar forgotten."""
    return NewRecord(TOPIC, f"{collection}/{exemplar_id}", None)


def publish(log: EventLog, *records: NewRecord) -> dict[int, int]:
    """Publish, and return the offsets from which all of it is visible."""
    offsets: dict[int, int] = {}
    for position in log.publish(records):
        offsets[position.partition] = max(offsets.get(position.partition, 0), position.offset + 1)
    return offsets
