"""Retrieval, put together."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fovea.retrieval.v1 import retrieval_pb2_grpc, versions_pb2_grpc
from services.kernel import defaults
from services.kernel.errors import Unsupported
from services.retrieval.adapters.engine import Engine
from services.retrieval.adapters.exemplar_records import TOPIC, ApplyExemplars
from services.retrieval.adapters.hierarchies import TOPIC as COLLECTIONS
from services.retrieval.adapters.hierarchies import LogHierarchies
from services.retrieval.adapters.log_memory import LogMemory
from services.retrieval.adapters.memory.freshness import Limits, behind, state_of
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.adapters.memory.keeper import Keeper, Rhythm
from services.retrieval.adapters.memory.local import LocalMemory
from services.retrieval.adapters.memory.opening import Opening
from services.retrieval.adapters.memory.parameters import IndexParameters, Parameters
from services.retrieval.adapters.memory.snapshot_writer import Schedule, SnapshotWriter
from services.retrieval.adapters.memory.snapshots import SnapshotStore
from services.retrieval.adapters.quality_watch import QualityWatch
from services.retrieval.adapters.telemetry import MetricsMonitor
from services.retrieval.adapters.versions import Shelf
from services.retrieval.adapters.versions.housekeeping import Housekeeping
from services.retrieval.entrypoints.handlers import OnRegionsEncoded
from services.retrieval.entrypoints.servicer import RetrievalServicer, UseCases
from services.retrieval.entrypoints.version_servicer import VersionCases, VersionServicer
from services.retrieval.settings import RetrievalSettings
from services.retrieval.usecases import (
    AuditMemory,
    CompareSpaces,
    CountSpaces,
    ExportExemplars,
    ListExemplars,
    ListLabels,
    MineNegatives,
    Recall,
    Voting,
)
from services.retrieval.usecases.versions import (
    CompareStates,
    FindDifference,
    KeepQueries,
    KeepVersion,
    States,
)
from services.runtime.assembly import Assembly, Background
from services.runtime.claim_check import Claims, NoClaims, redeeming
from services.runtime.event_log.ports import EventLog
from services.runtime.event_loop import LagWatch, Subscription
from services.runtime.follower import Follower
from services.runtime.grpc_server import Servicer
from services.runtime.late_follower import LateFollower
from services.runtime.metrics import MemoryMetrics, Metrics
from services.runtime.object_store.ports import ObjectStore


@dataclass(frozen=True)
class Storage:
    """Where a replica keeps its memory.

    Args:
        folder: On its own disk; it may be lost, and then the start takes longer.
        shared: Has the snapshots of all replicas; None without others.
        kept: Has what is kept under names; None where no store is seen by all replicas.
    """

    folder: Path
    shared: ObjectStore | None = None
    kept: ObjectStore | None = None


def assemble(  # noqa: PLR0913  (what a service is built from)
    settings: RetrievalSettings,
    log: EventLog,
    storage: Storage,
    *,
    metrics: Metrics,
    version: str,
    claims: Claims | None = None,
) -> Assembly:
    """Return retrieval; it is ready when its memory holds all that was in the log when it started.

    Args:
        settings: How many neighbours vote, how long a read waits for what it wrote, when the memory is kept.
        log: Where the exemplars are.
        storage: Where the memory is kept, so that a start need not read the whole log.
        metrics: Of the process.
        version: Of this release, for the records.
        claims: Has the values of exemplars that are too large for the log.

    Raises:
        Unavailable: The folder cannot be made.
        Unsupported: The memory is to be on Milvus, whose client is not installed.
    """
    build = _on_milvus if settings.memory_engine == "milvus" else _in_segments
    engine, shelf = build(settings, log, storage, claims=claims or NoClaims(), metrics=metrics.memory)
    lag = LagWatch(log.end_offsets, [_Behind(engine, metrics.memory)], time.time)
    background: list[Background] = [*engine.background, lag]
    memory = LogMemory(engine.views, engine.wait, most_wait_s=settings.freshness_wait_s)
    hierarchies = LogHierarchies()
    saw = redeeming(claims or NoClaims(), hierarchies.saw)
    known = LateFollower(Follower(log, [COLLECTIONS], saw), "the collections")
    background.append(known)
    voting = Voting(defaults.VOTES, settings.neighbours_per_space)
    recall = Recall(
        memory,
        voting=voting,
        monitor=_monitor(settings, metrics.memory, background),
        version=version,
        parents=hierarchies.parents,
    )
    usecases = UseCases(
        recall,
        list_exemplars=ListExemplars(memory),
        export_exemplars=ExportExemplars(memory),
        list_labels=ListLabels(memory),
        mine_negatives=MineNegatives(memory),
        audit_memory=AuditMemory(memory),
        count_spaces=CountSpaces(memory),
        compare_spaces=CompareSpaces(memory, neighbours=settings.neighbours_per_space),
    )
    return Assembly(
        "retrieval",
        servicers=(
            Servicer(
                "fovea.retrieval.v1.RetrievalService",
                retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server,
                RetrievalServicer(usecases),
            ),
            Servicer(
                "fovea.retrieval.v1.VersionService",
                versions_pb2_grpc.add_VersionServiceServicer_to_server,
                VersionServicer(None if shelf is None else _version_cases(shelf, memory, voting)),
            ),
        ),
        subscriptions=(Subscription("regions.encoded", "retrieval", OnRegionsEncoded(recall)),),
        background=tuple(background),
        checks={"memory": engine.check, "collections": known.check},
    )


def _in_segments(
    settings: RetrievalSettings,
    log: EventLog,
    storage: Storage,
    *,
    claims: Claims,
    metrics: MemoryMetrics,
) -> tuple[Engine, Shelf | None]:
    """Return a memory on the own disk, and what is kept of it under names."""
    local = LocalMemory(storage.folder)
    parameters = Parameters(index=IndexParameters(recall=settings.memory_index_recall))
    index = SegmentedIndex(local.segments, parameters)
    shelf = _shelf(storage, index, local, log)
    snapshots = None if storage.shared is None else _snapshots(storage.shared, shelf)
    keeper = Keeper(
        log,
        TOPIC,
        ApplyExemplars(index, metrics, claims=claims),
        index=index,
        local=local,
        opening=Opening(local, snapshots, refused=lambda why: metrics.refused.labels(why).inc()),
        metrics=metrics,
        rhythm=Rhythm(settings.memory_flush_records, settings.memory_flush_every_s),
    )
    background: list[Background] = [keeper]
    if snapshots is not None and settings.memory_snapshot_every_s:
        background.append(_snapshot_writer(settings, log, local, snapshots, metrics))
    if shelf is not None and storage.kept is not None:
        background.append(_housekeeping(shelf, index, storage.kept, collects=storage.shared is None))
    return Engine(index, keeper.wait_until, keeper.check, keeper.position, tuple(background)), shelf


def _on_milvus(
    settings: RetrievalSettings,
    log: EventLog,
    storage: Storage,
    *,
    claims: Claims,
    metrics: MemoryMetrics,
) -> tuple[Engine, None]:
    """Return a memory that all replicas share; nothing is kept of it under names."""
    try:
        from services.retrieval.adapters.milvus import engine as milvus  # noqa: PLC0415  (an optional extra)
    except ImportError as error:
        raise Unsupported(
            f"FOVEA_MEMORY_ENGINE=milvus needs the extra `milvus` of this package: {error}"
        ) from error
    snapshots = None if storage.shared is None else _snapshots(storage.shared, None)
    found = milvus.MilvusEngine(
        milvus.settings_of(settings), log, snapshots=snapshots, claims=claims, metrics=metrics
    )
    watch = found.watch
    return Engine(watch, watch.wait_until, watch.check, watch.position, (found,)), None


def _monitor(
    settings: RetrievalSettings, metrics: MemoryMetrics, background: list[Background]
) -> MetricsMonitor:
    """Return the monitor; a watch that some queries are repeated by joins the background.

    Not on Milvus, where comparing every vector would carry all of them over the network.
    """
    if not settings.memory_quality_sample or settings.memory_engine == "milvus":
        return MetricsMonitor(metrics)
    watch = QualityWatch(metrics, sample=settings.memory_quality_sample)
    background.append(watch)
    return MetricsMonitor(metrics, watch=watch.answered)


def _shelf(storage: Storage, index: SegmentedIndex, local: LocalMemory, log: EventLog) -> Shelf | None:
    if storage.kept is None:
        return None
    return Shelf.of(storage.kept, index, local, log=lambda: log.identity(TOPIC))


def _snapshots(store: ObjectStore, shelf: Shelf | None) -> SnapshotStore:
    return SnapshotStore(store, also_named=shelf.versions.digests if shelf else tuple)


def _housekeeping(shelf: Shelf, index: SegmentedIndex, store: ObjectStore, *, collects: bool) -> Housekeeping:
    """Return what removes the bytes of what was erased, and segments too where no snapshots are taken."""
    collect = partial(_snapshots(store, shelf).collect, keep=1, grace_s=Schedule().grace_s)
    return Housekeeping(
        shelf.register,
        shelf.versions,
        shelf.query_sets,
        memory=index,
        images=store,
        collect=collect if collects else None,
    )


def _version_cases(shelf: Shelf, memory: LogMemory, voting: Voting) -> VersionCases:
    states = States(memory, shelf.versions)
    return VersionCases(
        shelf.versions,
        shelf.query_sets,
        shelf.register,
        keep_version=KeepVersion(memory, shelf.versions),
        keep_queries=KeepQueries(memory, shelf.query_sets),
        compare=CompareStates(states, shelf.query_sets, voting=voting),
        difference=FindDifference(memory, shelf.versions),
    )


def _snapshot_writer(
    settings: RetrievalSettings,
    log: EventLog,
    local: LocalMemory,
    snapshots: SnapshotStore,
    metrics: MemoryMetrics,
) -> SnapshotWriter:
    return SnapshotWriter(
        local,
        snapshots,
        metrics=metrics,
        usable=lambda catalogue: not Limits().refusal(catalogue, state_of(log, TOPIC), time.time()),
        schedule=Schedule(settings.memory_snapshot_every_s, keep=settings.memory_snapshots_kept),
    )


class _Behind:
    """Tells how many records of the memory are not yet applied."""

    topic = TOPIC

    def __init__(self, engine: Engine, metrics: MemoryMetrics) -> None:
        self._engine = engine
        self._gauge = metrics.replica_lag

    def show_lag(self, ends: Mapping[int, int] | None, _: float) -> None:
        """Set the gauge; to NaN if the log does not answer."""
        self._gauge.set(math.nan if ends is None else behind(self._engine.position(), ends))
