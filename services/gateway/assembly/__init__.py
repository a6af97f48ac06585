"""The gateway, put together."""

from __future__ import annotations

import time
from importlib import metadata
from typing import Final

from fovea.gateway.v1 import (
    collections_pb2,
    collections_pb2_grpc,
    explanations_pb2,
    explanations_pb2_grpc,
    gateway_pb2,
    gateway_pb2_grpc,
    memory_pb2,
    memory_pb2_grpc,
    migrations_pb2,
    migrations_pb2_grpc,
    operations_pb2,
    operations_pb2_grpc,
    versions_pb2,
    versions_pb2_grpc,
)
from services.gateway.adapters.back_filler import BackFiller, MetricsBackFill, Pace
from services.gateway.adapters.collections import TOPIC as COLLECTIONS
from services.gateway.adapters.endings import TOPIC as ENDINGS
from services.gateway.adapters.sweeper import Sweeper
from services.gateway.adapters.teacher import ENCODED, SUBMITTED
from services.gateway.assembly import cases
from services.gateway.assembly.parts import NAME, Channels, Parts
from services.gateway.domain.operations import CHAIN
from services.gateway.entrypoints.explanation_servicer import ExplanationServicer
from services.gateway.entrypoints.handlers import OnDeadLetter, OnRecognitionsCompleted
from services.gateway.entrypoints.memory_servicer import MemoryServicer
from services.gateway.entrypoints.migration_servicer import MigrationServicer
from services.gateway.entrypoints.operations_servicer import OperationsServicer
from services.gateway.entrypoints.servicer import (
    CollectionServicer,
    GatewayServicer,
)
from services.gateway.entrypoints.shared_log import SharedLog
from services.gateway.entrypoints.version_servicer import VersionServicer
from services.gateway.settings import GatewaySettings
from services.gateway.usecases.back_fill import BackFill
from services.gateway.usecases.collections import (
    SweepImages,
)
from services.gateway.usecases.submit import (
    EndRecognition,
    FailRecognition,
)
from services.kernel.errors import Unavailable
from services.runtime.assembly import Assembly
from services.runtime.claim_check import redeeming
from services.runtime.event_log.ports import EventLog
from services.runtime.event_loop import Subscription
from services.runtime.follower import Follower
from services.runtime.grpc_server import Servicer
from services.runtime.metrics import Metrics
from services.runtime.object_store.ports import ObjectStore
from services.runtime.payload_sweep import SweepPayloads
from services.runtime.stream_workers import Workers
from services.runtime.topics import DEAD, TOPICS

__all__ = ["NAME", "Channels", "assemble"]

_HOUR_S: Final = 3600.0


def assemble(  # noqa: PLR0913  (what a service is built from)
    settings: GatewaySettings,
    log: EventLog,
    store: ObjectStore,
    channels: Channels,
    *,
    streaming: bool = True,
    metrics: Metrics | None = None,
) -> Assembly:
    """Return the gateway over an event log, an object store and the way to the other services.

    Args:
        settings: How much at a time, how long.
        log: Where it tells what happened.
        store: Images, records and markers; the encoding service must see the same.
        channels: To the other services.
        streaming: Whether the other services read the same log. Without, submissions and changes of the
            memory answer Unsupported.
        metrics: Of the process.
    """
    parts = Parts(log, store, channels, version=metadata.version("fovea"), votes=settings.default_votes)
    workers = Workers(threads=settings.item_threads, item_timeout_s=settings.item_timeout_s)
    shared_log = SharedLog(available=streaming)
    known = Follower(log, [COLLECTIONS], redeeming(parts.claims, parts.collections.saw))
    taught = Follower(log, [ENCODED, SUBMITTED + DEAD], parts.teacher.saw, start="end")
    sweep = SweepImages(
        parts.collections,
        parts.images,
        clock=time.time,
        passing_s=settings.passing_image_hours * _HOUR_S,
    )
    payloads = SweepPayloads(
        log,
        store,
        TOPICS,
        tenants=lambda: (collection.key.tenant for collection in parts.collections.list()),
        clock=time.time,
    )
    sweeper = Sweeper((sweep, payloads), ready=known.wait_caught_up, every_s=settings.sweep_every_s)
    pace = Pace(settings.back_fill_per_s)
    back_fill = BackFill(parts.place, MetricsBackFill((metrics or Metrics()).back_fill), pace)
    back_filler = BackFiller(back_fill, pace, ready=known.wait_caught_up, every_s=settings.back_fill_every_s)
    return Assembly(
        name=NAME,
        servicers=_servicers(parts, workers, shared_log, window=settings.teaching_window),
        subscriptions=_subscriptions(parts) if streaming else (),
        background=(known, taught, sweeper, back_filler, workers) if streaming else (known, sweeper, workers),
        checks={"collections": lambda: _require_known(known), "taught": taught.check},
    )


def _require_known(collections: Follower) -> None:
    if not collections.wait_caught_up(0):
        raise Unavailable("the collections are still being read")


def _servicers(parts: Parts, workers: Workers, shared_log: SharedLog, *, window: int) -> tuple[Servicer, ...]:
    gateway = GatewayServicer(cases.recognition_cases(parts), workers, shared_log)
    memory = MemoryServicer(cases.memory_cases(parts), workers, shared_log, window=window)
    collections = CollectionServicer(cases.collection_cases(parts), shared_log)
    return (
        Servicer(
            gateway_pb2.DESCRIPTOR.services_by_name["GatewayService"].full_name,
            gateway_pb2_grpc.add_GatewayServiceServicer_to_server,
            gateway,
        ),
        Servicer(
            memory_pb2.DESCRIPTOR.services_by_name["MemoryService"].full_name,
            memory_pb2_grpc.add_MemoryServiceServicer_to_server,
            memory,
        ),
        Servicer(
            collections_pb2.DESCRIPTOR.services_by_name["CollectionService"].full_name,
            collections_pb2_grpc.add_CollectionServiceServicer_to_server,
            collections,
        ),
        Servicer(
            operations_pb2.DESCRIPTOR.services_by_name["OperationsService"].full_name,
            operations_pb2_grpc.add_OperationsServiceServicer_to_server,
            OperationsServicer(cases.operations_cases(parts), shared_log),
        ),
        Servicer(
            migrations_pb2.DESCRIPTOR.services_by_name["MigrationService"].full_name,
            migrations_pb2_grpc.add_MigrationServiceServicer_to_server,
            MigrationServicer(cases.migration_cases(parts.place), shared_log),
        ),
        Servicer(
            versions_pb2.DESCRIPTOR.services_by_name["VersionService"].full_name,
            versions_pb2_grpc.add_VersionServiceServicer_to_server,
            VersionServicer(cases.version_cases(parts), shared_log),
        ),
        Servicer(
            explanations_pb2.DESCRIPTOR.services_by_name["ExplanationService"].full_name,
            explanations_pb2_grpc.add_ExplanationServiceServicer_to_server,
            ExplanationServicer(cases.explanation_cases(parts)),
        ),
    )


def _subscriptions(parts: Parts) -> tuple[Subscription, ...]:
    end = EndRecognition(images=parts.images, recognitions=parts.recognitions, submissions=parts.submissions)
    fail = OnDeadLetter(FailRecognition(parts.recognitions, clock=time.time))
    dead = tuple(Subscription(topic + DEAD, NAME, fail) for topic in CHAIN)
    return (Subscription(ENDINGS, NAME, OnRecognitionsCompleted(end)), *dead)
