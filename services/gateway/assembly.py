"""The gateway, put together."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from importlib import metadata
from typing import Final

import grpc

from fovea.gateway.v1 import (
    collections_pb2,
    collections_pb2_grpc,
    gateway_pb2,
    gateway_pb2_grpc,
    memory_pb2,
    memory_pb2_grpc,
    migrations_pb2,
    migrations_pb2_grpc,
    operations_pb2,
    operations_pb2_grpc,
)
from services.gateway.adapters.announcements import LogAnnouncer
from services.gateway.adapters.back_filler import BackFiller, MetricsBackFill, Pace
from services.gateway.adapters.collections import TOPIC as COLLECTIONS
from services.gateway.adapters.collections import LogCollections
from services.gateway.adapters.dead_letters import LogDeadLetters
from services.gateway.adapters.encoder import GrpcEncoder
from services.gateway.adapters.endings import TOPIC as ENDINGS
from services.gateway.adapters.endings import LogEndings
from services.gateway.adapters.ranker import GrpcRanker
from services.gateway.adapters.retriever import GrpcRetriever
from services.gateway.adapters.segmenter import GrpcSegmenter
from services.gateway.adapters.stored import StoredImages, StoredRecognitions, StoredSubmissions
from services.gateway.adapters.sweeper import Sweeper
from services.gateway.adapters.teacher import ENCODED, SUBMITTED, LogTeacher
from services.gateway.domain.operations import CHAIN
from services.gateway.entrypoints.handlers import OnDeadLetter, OnRecognitionsCompleted
from services.gateway.entrypoints.items import Workers
from services.gateway.entrypoints.memory_servicer import MemoryCases, MemoryServicer
from services.gateway.entrypoints.migration_servicer import MigrationCases, MigrationServicer
from services.gateway.entrypoints.operations_servicer import OperationsCases, OperationsServicer
from services.gateway.entrypoints.servicer import (
    CollectionCases,
    CollectionServicer,
    GatewayServicer,
    RecognitionCases,
)
from services.gateway.entrypoints.shared_log import SharedLog
from services.gateway.settings import GatewaySettings
from services.gateway.usecases.back_fill import BackFill
from services.gateway.usecases.collections import (
    AuditMemory,
    CreateCollection,
    DeleteCollection,
    ExportExemplars,
    GetCollection,
    ListCollections,
    ListExemplars,
    ListLabels,
    SweepImages,
    UpdateCollection,
)
from services.gateway.usecases.intake import Intake
from services.gateway.usecases.migrate import (
    CutOver,
    EvaluateMigration,
    FinishMigration,
    GetMigration,
    Place,
    RollBack,
    StartMigration,
)
from services.gateway.usecases.operations import GetDeadLetter, ListDeadLetters, ReplayDeadLetters
from services.gateway.usecases.recognize import Recognize, RunSteps, Steps
from services.gateway.usecases.submit import (
    EndRecognition,
    FailRecognition,
    GetRecognition,
    GetSubmission,
    SubmitImage,
    WatchRecognitions,
)
from services.gateway.usecases.teach import Correct, Forget, Prepare, PrepareImport, Teach
from services.kernel import defaults
from services.kernel.errors import Unavailable
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import RecognitionOptions
from services.runtime.assembly import Assembly
from services.runtime.claim_check import StoredClaims, redeeming
from services.runtime.event_log.ports import EventLog
from services.runtime.event_loop import Subscription
from services.runtime.events import EventWriter
from services.runtime.follower import Follower
from services.runtime.grpc_server import Servicer
from services.runtime.metrics import Metrics
from services.runtime.object_store.ports import ObjectStore
from services.runtime.payload_sweep import SweepPayloads
from services.runtime.publisher import Publisher
from services.runtime.topics import DEAD, TOPICS

NAME: Final = "gateway"
SHIPPED: Final = RecognitionOptions(
    size=LIMITS.default_labels_per_region,
    votes=defaults.VOTES,
    trust_threshold=defaults.TRUST_THRESHOLD,
    unknown_threshold=defaults.UNKNOWN_THRESHOLD,
    level_threshold=defaults.LEVEL_THRESHOLD,
)
_HOUR_S: Final = 3600.0


@dataclass(frozen=True)
class Channels:
    """The way to each service; they may be one."""

    segmentation: grpc.Channel
    encoding: grpc.Channel
    retrieval: grpc.Channel
    ranking: grpc.Channel


class _Parts:
    """What the use cases share."""

    def __init__(self, log: EventLog, store: ObjectStore, channels: Channels, version: str) -> None:
        self.claims = StoredClaims(store)
        writer = EventWriter(TOPICS, producer=f"{NAME}/{version}", system=log.system, claims=self.claims)
        publisher = Publisher(log, writer)
        self.images = StoredImages(store)
        self.recognitions = StoredRecognitions(store)
        self.submissions = StoredSubmissions(store)
        self.announcer = LogAnnouncer(publisher)
        self.collections = LogCollections(publisher)
        self.teacher = LogTeacher(log, publisher, self.images)
        self.endings = LogEndings(log, self.recognitions, self.claims)
        self.letters = LogDeadLetters(log, store, self.claims, TOPICS)
        self.retriever = GrpcRetriever(channels.retrieval)
        self.segmenter = GrpcSegmenter(channels.segmentation)
        encoder = GrpcEncoder(channels.encoding)
        steps = Steps(self.segmenter, encoder, self.retriever, GrpcRanker(channels.ranking))
        self.place = Place(
            self.collections, self.retriever, encoder, self.teacher, self.images, SHIPPED.votes
        )
        self.run_steps = RunSteps(steps, version=version, clock=time.time)
        self.intake = Intake(self.collections, shipped=SHIPPED, clock=time.time, new_id=new_id)
        self.forget = Forget(self.collections, self.retriever, self.teacher)


def new_id() -> str:
    """Return an id that nobody has."""
    return uuid.uuid4().hex


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
    parts = _Parts(log, store, channels, metadata.version("fovea"))
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


def _servicers(
    parts: _Parts, workers: Workers, shared_log: SharedLog, *, window: int
) -> tuple[Servicer, ...]:
    gateway = GatewayServicer(_recognition_cases(parts), workers, shared_log)
    memory = MemoryServicer(_memory_cases(parts), workers, shared_log, window=window)
    collections = CollectionServicer(_collection_cases(parts), shared_log)
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
            OperationsServicer(_operations_cases(parts), shared_log),
        ),
        Servicer(
            migrations_pb2.DESCRIPTOR.services_by_name["MigrationService"].full_name,
            migrations_pb2_grpc.add_MigrationServiceServicer_to_server,
            MigrationServicer(_migration_cases(parts.place), shared_log),
        ),
    )


def _subscriptions(parts: _Parts) -> tuple[Subscription, ...]:
    end = EndRecognition(images=parts.images, recognitions=parts.recognitions, submissions=parts.submissions)
    fail = OnDeadLetter(FailRecognition(parts.recognitions, clock=time.time))
    dead = tuple(Subscription(topic + DEAD, NAME, fail) for topic in CHAIN)
    return (Subscription(ENDINGS, NAME, OnRecognitionsCompleted(end)), *dead)


def _recognition_cases(parts: _Parts) -> RecognitionCases:
    return RecognitionCases(
        recognize=Recognize(
            parts.intake,
            parts.run_steps,
            images=parts.images,
            recognitions=parts.recognitions,
            announcer=parts.announcer,
        ),
        submit=SubmitImage(
            parts.intake,
            images=parts.images,
            recognitions=parts.recognitions,
            submissions=parts.submissions,
            announcer=parts.announcer,
        ),
        get_recognition=GetRecognition(parts.recognitions),
        get_submission=GetSubmission(parts.submissions),
        watch=WatchRecognitions(parts.collections, parts.endings),
    )


def _memory_cases(parts: _Parts) -> MemoryCases:
    return MemoryCases(
        prepare=Prepare(
            parts.collections, parts.images, parts.segmenter, new_id=new_id, shipped=SHIPPED.votes
        ),
        prepare_import=PrepareImport(parts.collections, parts.images),
        teach=Teach(parts.teacher),
        forget=parts.forget,
        correct=Correct(
            parts.collections,
            images=parts.images,
            recognitions=parts.recognitions,
            teacher=parts.teacher,
            announcer=parts.announcer,
            shipped=SHIPPED.votes,
        ),
        list_exemplars=ListExemplars(parts.collections, parts.retriever),
        export_exemplars=ExportExemplars(parts.collections, parts.retriever),
        list_labels=ListLabels(parts.collections, parts.retriever),
        audit=AuditMemory(parts.collections, parts.retriever),
    )


def _migration_cases(place: Place) -> MigrationCases:
    evaluate = EvaluateMigration(place)
    return MigrationCases(
        start=StartMigration(place),
        get=GetMigration(place),
        evaluate=evaluate,
        cut_over=CutOver(place, evaluate),
        roll_back=RollBack(place),
        finish=FinishMigration(place),
    )


def _operations_cases(parts: _Parts) -> OperationsCases:
    return OperationsCases(
        list=ListDeadLetters(parts.letters),
        get=GetDeadLetter(parts.letters),
        replay=ReplayDeadLetters(parts.letters),
    )


def _collection_cases(parts: _Parts) -> CollectionCases:
    return CollectionCases(
        create=CreateCollection(parts.collections),
        get=GetCollection(parts.collections),
        list=ListCollections(parts.collections),
        update=UpdateCollection(parts.collections),
        delete=DeleteCollection(parts.collections, parts.images, parts.forget),
    )
