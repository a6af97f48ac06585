"""What the use cases of the gateway share."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import grpc

from services.gateway.adapters.announcements import LogAnnouncer
from services.gateway.adapters.collections import LogCollections
from services.gateway.adapters.dead_letters import LogDeadLetters
from services.gateway.adapters.encoder import GrpcEncoder
from services.gateway.adapters.endings import LogEndings
from services.gateway.adapters.ranker import GrpcRanker
from services.gateway.adapters.retriever import GrpcRetriever
from services.gateway.adapters.segmenter import GrpcSegmenter
from services.gateway.adapters.shelf import GrpcShelf
from services.gateway.adapters.stored import StoredImages, StoredRecognitions, StoredSubmissions
from services.gateway.adapters.teacher import LogTeacher
from services.gateway.usecases.intake import Intake
from services.gateway.usecases.migrate import (
    Place,
)
from services.gateway.usecases.recognize import RunSteps, Steps
from services.gateway.usecases.teach import Forget
from services.kernel import defaults
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import RecognitionOptions, SpaceVote
from services.runtime.claim_check import StoredClaims
from services.runtime.event_log.ports import EventLog
from services.runtime.events import EventWriter
from services.runtime.object_store.ports import ObjectStore
from services.runtime.publisher import Publisher
from services.runtime.topics import TOPICS

NAME: Final = "gateway"
SHIPPED: Final = RecognitionOptions(
    size=LIMITS.default_labels_per_region,
    votes=defaults.VOTES,
    trust_threshold=defaults.TRUST_THRESHOLD,
    unknown_threshold=defaults.UNKNOWN_THRESHOLD,
    level_threshold=defaults.LEVEL_THRESHOLD,
)


@dataclass(frozen=True)
class Channels:
    """The way to each service; they may be one."""

    segmentation: grpc.Channel
    encoding: grpc.Channel
    retrieval: grpc.Channel
    ranking: grpc.Channel


class Parts:
    """What the use cases share."""

    def __init__(
        self,
        log: EventLog,
        store: ObjectStore,
        channels: Channels,
        *,
        version: str,
        votes: Sequence[SpaceVote] = (),
    ) -> None:
        self.shipped = replace(SHIPPED, votes=tuple(in_place_of(defaults.VOTES, votes)))
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
        self.shelf = GrpcShelf(channels.retrieval)
        self.encoder = GrpcEncoder(channels.encoding)
        self.steps = Steps(self.segmenter, self.encoder, self.retriever, GrpcRanker(channels.ranking))
        self.place = Place(
            self.collections, self.retriever, self.encoder, self.teacher, self.images, self.shipped.votes
        )
        self.run_steps = RunSteps(self.steps, version=version, clock=time.time)
        self.intake = Intake(
            self.collections, self.retriever, shipped=self.shipped, clock=time.time, new_id=new_id
        )
        self.forget = Forget(self.collections, self.retriever, self.teacher)


def in_place_of(shipped: Sequence[SpaceVote], said: Sequence[SpaceVote]) -> Iterable[SpaceVote]:
    """Return one vote a space: what was said of it, else what ships."""
    return {vote.space: vote for vote in (*shipped, *said)}.values()


def new_id() -> str:
    """Return an id that nobody has."""
    return uuid.uuid4().hex
