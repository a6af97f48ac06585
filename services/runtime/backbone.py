"""What carries events and keeps objects: servers where the settings name them, else one data folder.

data_folder/version.json, lock     which release may use it, and that one process does
data_folder/events.sqlite          the event log, without Kafka
data_folder/store/                 the objects, without an S3 and unless they have a folder of their own
data_folder/<anything else>        what a service keeps for itself, such as retrieval its segments
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from services.runtime.claim_check import Claims, NoClaims, StoredClaims
from services.runtime.data_folder import DataFolder
from services.runtime.event_log.ports import EventLog
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.metrics import Metrics
from services.runtime.object_store.measured import MeasuredStore
from services.runtime.object_store.opening import open_store
from services.runtime.object_store.ports import ObjectStore
from services.runtime.process import Resources
from services.runtime.settings import ProcessSettings
from services.runtime.topics import TOPICS

if TYPE_CHECKING:
    from services.runtime.event_log.kafka import KafkaLog


@dataclass(frozen=True)
class Backbone:
    """An event log and an object store.

    Args:
        log: Where events are.
        store: Where objects are.
        shared: Whether other processes read the same log.
        metrics: Of the process; the store counts there what is asked of it.
        shared_store: Where objects are for all who read the same log; None if no other process does.
        data_folder: This process's own, if something is kept there; opened and locked.
    """

    log: EventLog
    store: ObjectStore
    shared: bool
    metrics: Metrics
    shared_store: ObjectStore | None
    data_folder: Path

    @property
    def claims(self) -> Claims:
        """What keeps large events out of the log."""
        return StoredClaims(self.store)

    @property
    def resources(self) -> Resources:
        """What the services of the process share."""
        return Resources(log=self.log, claims=self.claims, metrics=self.metrics)


@dataclass(frozen=True)
class SharedLog:
    """The event log that other processes read as well; None where there is none.

    Args:
        log: Where events are.
        claims: Has the values of those that are too large for it.
        metrics: Of the process.
    """

    log: EventLog | None = None
    claims: Claims = field(default_factory=NoClaims)
    metrics: Metrics = field(default_factory=Metrics)

    @property
    def resources(self) -> Resources:
        """What the services of the process share."""
        return Resources(log=self.log, claims=self.claims, metrics=self.metrics)


@contextmanager
def open_backbone(settings: ProcessSettings, *, keeps_data: bool = False) -> Iterator[Backbone]:
    """Open both, and close them at the end.

    Args:
        settings: Name the servers, or the folders in their place.
        keeps_data: Whether the process keeps something in its data folder, whatever the servers are.

    Raises:
        Conflict: Another process uses the data folder, or the topics are laid out otherwise.
        Unsupported: Another release wrote the data folder.
        Corrupt: It is damaged.
        Unavailable: It cannot be used, or Kafka does not answer.
    """
    with ExitStack() as stack:
        data = stack.enter_context(_data(settings, keeps_data=keeps_data))
        objects = settings.object_folder or data / "store"
        metrics = Metrics()
        store = MeasuredStore(stack.enter_context(open_store(settings, objects)), metrics.storage)
        log: EventLog = stack.enter_context(
            closing(
                _kafka(settings)
                if settings.kafka_servers
                else SqliteLog(data / "events.sqlite", TOPICS.settings())
            )
        )
        yield Backbone(
            log,
            store,
            shared=bool(settings.kafka_servers),
            shared_store=store if _is_shared(settings) else None,
            data_folder=data,
            metrics=metrics,
        )


@contextmanager
def open_shared_log(settings: ProcessSettings) -> Iterator[SharedLog]:
    """Open the log that other processes read as well, for a service that keeps no data.

    There is none without Kafka: a log that nobody else reads would be of no use to such a service. Without an
    object store that is shared as well, large events cannot be read, and large results go into the log.

    Raises:
        Conflict: The topics are laid out otherwise.
        Unavailable: Kafka does not answer.
    """
    if not settings.kafka_servers:
        yield SharedLog()
        return
    with ExitStack() as stack:
        claims: Claims = NoClaims()
        metrics = Metrics()
        if settings.s3_endpoint or settings.object_folder:
            folder = settings.object_folder or settings.data_folder
            store = stack.enter_context(open_store(settings, folder))
            claims = StoredClaims(MeasuredStore(store, metrics.storage))
        yield SharedLog(stack.enter_context(closing(_kafka(settings))), claims, metrics)


@contextmanager
def _data(settings: ProcessSettings, *, keeps_data: bool) -> Iterator[Path]:
    """Give the data folder, opened only if something will be kept there."""
    if _is_shared(settings) and not keeps_data:
        yield settings.data_folder
        return
    with DataFolder(settings.data_folder) as folder:
        folder.folder("store")
        yield folder.path


def _is_shared(settings: ProcessSettings) -> bool:
    """Say whether other processes read the same log and the same objects."""
    return bool(settings.kafka_servers and (settings.s3_endpoint or settings.object_folder))


def _kafka(settings: ProcessSettings) -> KafkaLog:
    # Its client takes a third of a second to import: only whoever uses it pays for that.
    from services.runtime.event_log.kafka import KafkaLog, KafkaOptions, Security  # noqa: PLC0415

    options = KafkaOptions(security=Security.of(settings))
    return KafkaLog(settings.kafka_servers, TOPICS.settings(), options=options)
