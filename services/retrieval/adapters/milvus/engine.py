"""The memory on Milvus, put together."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.retrieval.adapters.exemplar_records import TOPIC, ApplyExemplars
from services.retrieval.adapters.memory.freshness import state_of
from services.retrieval.adapters.memory.snapshots import SnapshotStore
from services.retrieval.adapters.milvus.connection import Address, Connection
from services.retrieval.adapters.milvus.keeper import MilvusKeeper, Rhythm
from services.retrieval.adapters.milvus.schema import Layout
from services.retrieval.adapters.milvus.seat import WriterSeat
from services.retrieval.adapters.milvus.state import StateTable
from services.retrieval.adapters.milvus.watch import StateWatch
from services.retrieval.adapters.milvus.writer import MilvusWriter
from services.retrieval.settings import RetrievalSettings
from services.runtime.claim_check import Claims
from services.runtime.event_log.ports import EventLog
from services.runtime.metrics import MemoryMetrics


@dataclass(frozen=True)
class MilvusSettings:
    """Where the memory is, and how it is laid out.

    Args:
        address: Of Milvus.
        layout: Of its tables.
        keep_views_s: How long a view can be read after a newer state was published.
        rhythm: Of what is not urgent.
    """

    address: Address
    layout: Layout
    keep_views_s: float = 3_600.0
    rhythm: Rhythm = field(default_factory=Rhythm)


def settings_of(settings: RetrievalSettings) -> MilvusSettings:
    """Return what the environment says of it."""
    return MilvusSettings(
        Address(
            settings.milvus_uri,
            settings.milvus_token.get_secret_value(),
            settings.milvus_timeout_s,
            settings.milvus_ca_file,
        ),
        Layout(index=settings.milvus_index, shards=settings.milvus_shards),
        settings.milvus_keep_views_s,
    )


class MilvusEngine:
    """A replica's part of the memory on Milvus: it watches what is published, and writes if it is its turn.

    Args:
        settings: Where and how.
        log: Has the records.
        snapshots: Of segments, with which an empty Milvus begins; None where there are none.
        claims: Has the values of exemplars that are too large for the log.
        metrics: Of the memory.
    """

    def __init__(
        self,
        settings: MilvusSettings,
        log: EventLog,
        *,
        snapshots: SnapshotStore | None,
        claims: Claims,
        metrics: MemoryMetrics,
    ) -> None:
        # Two connections: a bulk import or a long write must not hold up the searches.
        self._connections = (Connection(settings.address), Connection(settings.address))
        reading, writing = self._connections
        self.watch = StateWatch(lambda: state_of(log, TOPIC), reading, settings.layout)
        self.seat = WriterSeat(log, TOPIC)
        self.writer = MilvusWriter(
            writing, settings.layout, fence=self.seat.hold, keep_s=settings.keep_views_s
        )
        self.keeper = MilvusKeeper(
            log,
            TOPIC,
            ApplyExemplars(self.writer, metrics, claims=claims),
            writer=self.writer,
            states=StateTable(writing, settings.layout),
            seat=self.seat,
            snapshots=snapshots,
            metrics=metrics,
            rhythm=settings.rhythm,
        )

    def start(self) -> None:
        """Begin, and return at once."""
        self.watch.start()
        self.keeper.start()

    def close(self) -> None:
        """Stop, and release everything."""
        self.keeper.close()
        self.watch.close()
        for connection in self._connections:
            connection.close()
