"""The gateway's use cases over fakes, wired as its assembly wires them."""

from __future__ import annotations

import itertools

from services.gateway.domain.collections import Collection, Retention, RetentionPolicy
from services.gateway.entrypoints.memory_servicer import MemoryCases
from services.gateway.entrypoints.servicer import CollectionCases, RecognitionCases
from services.gateway.entrypoints.version_servicer import VersionCases
from services.gateway.usecases.calibrate import Calibrate
from services.gateway.usecases.collections import (
    AuditMemory,
    CreateCollection,
    DeleteCollection,
    ExportExemplars,
    GetCollection,
    ListCollections,
    ListExemplars,
    ListLabels,
    UpdateCollection,
)
from services.gateway.usecases.correct import Correct
from services.gateway.usecases.erase import Erase
from services.gateway.usecases.intake import Intake
from services.gateway.usecases.recognize import Recognize, RunSteps, Steps
from services.gateway.usecases.submit import (
    EndRecognition,
    FailRecognition,
    GetRecognition,
    GetSubmission,
    SubmitImage,
    WatchRecognitions,
)
from services.gateway.usecases.teach import Forget, Prepare, PrepareImport, Teach
from services.gateway.usecases.versions import ApplyState, CompareStates, KeepQueries, KeepVersion
from services.kernel.vocabulary import CollectionKey
from services.runtime import deadline
from tests.fakes.gateway import (
    NOW_S,
    SHIPPED,
    InMemoryAnnouncer,
    InMemoryCollections,
    InMemoryEndings,
    InMemoryImages,
    InMemoryRecognitions,
    InMemorySubmissions,
    InMemoryTeacher,
)
from tests.fakes.gateway_shelf import InMemoryShelf
from tests.fakes.gateway_steps import FakeEncoder, FakeRanker, FakeRetriever, FakeSegmenter

PASSING = CollectionKey("default", "passing")
DAILY = CollectionKey("default", "daily")


class GatewayCase:
    """Every port is a field, every use case is made from them."""

    def __init__(self) -> None:
        self.segmenter = FakeSegmenter()
        self.encoder = FakeEncoder()
        self.retriever = FakeRetriever()
        self.ranker = FakeRanker()
        self.images = InMemoryImages()
        self.recognitions = InMemoryRecognitions()
        self.submissions = InMemorySubmissions()
        self.announcer = InMemoryAnnouncer()
        self.teacher = InMemoryTeacher(self.retriever)
        self.endings = InMemoryEndings()
        self.shelf = InMemoryShelf(self.retriever)
        self.collections = InMemoryCollections(
            Collection(PASSING, retention=Retention(RetentionPolicy.NONE)),
            Collection(DAILY, retention=Retention(RetentionPolicy.DAYS, 1)),
        )
        self._ids = map("id-{}".format, itertools.count(1))

    def new_id(self) -> str:
        return next(self._ids)

    def now_s(self) -> float:
        return NOW_S

    @property
    def intake(self) -> Intake:
        return Intake(self.collections, self.retriever, shipped=SHIPPED, clock=self.now_s, new_id=self.new_id)

    @property
    def steps(self) -> Steps:
        return Steps(self.segmenter, self.encoder, self.retriever, self.ranker)

    @property
    def recognize(self) -> Recognize:
        return Recognize(
            self.intake,
            RunSteps(self.steps, version="9", clock=self.now_s),
            images=self.images,
            recognitions=self.recognitions,
            announcer=self.announcer,
        )

    @property
    def submit(self) -> SubmitImage:
        return SubmitImage(
            self.intake,
            images=self.images,
            recognitions=self.recognitions,
            submissions=self.submissions,
            announcer=self.announcer,
        )

    @property
    def end(self) -> EndRecognition:
        return EndRecognition(
            images=self.images, recognitions=self.recognitions, submissions=self.submissions
        )

    @property
    def fail(self) -> FailRecognition:
        return FailRecognition(self.recognitions, clock=self.now_s)

    @property
    def prepare(self) -> Prepare:
        return Prepare(
            self.collections, self.images, self.segmenter, new_id=self.new_id, shipped=SHIPPED.votes
        )

    @property
    def prepare_import(self) -> PrepareImport:
        return PrepareImport(self.collections, self.images)

    @property
    def forget(self) -> Forget:
        return Forget(self.collections, self.retriever, self.teacher)

    @property
    def erase(self) -> Erase:
        return Erase(
            self.forget,
            collections=self.collections,
            retriever=self.retriever,
            teacher=self.teacher,
            images=self.images,
            shelf=self.shelf,
        )

    @property
    def correct(self) -> Correct:
        return Correct(
            self.collections,
            images=self.images,
            recognitions=self.recognitions,
            teacher=self.teacher,
            announcer=self.announcer,
        )

    def recognition_cases(self) -> RecognitionCases:
        return RecognitionCases(
            self.recognize,
            self.submit,
            GetRecognition(self.recognitions),
            GetSubmission(self.submissions),
            WatchRecognitions(self.collections, self.endings),
        )

    def memory_cases(self) -> MemoryCases:
        return MemoryCases(
            self.prepare,
            self.prepare_import,
            Teach(self.teacher),
            self.forget,
            self.erase,
            self.correct,
            ListExemplars(self.collections, self.retriever),
            ExportExemplars(self.collections, self.retriever),
            ListLabels(self.collections, self.retriever),
            AuditMemory(self.collections, self.retriever, shipped=SHIPPED.votes),
        )

    def version_cases(self) -> VersionCases:
        return VersionCases(
            self.collections,
            self.shelf,
            KeepVersion(self.collections, self.teacher, self.shelf),
            KeepQueries(self.collections, self.recognitions, self.encoder, self.shelf, shipped=SHIPPED),
            CompareStates(self.collections, self.shelf, shipped=SHIPPED),
            ApplyState(self.collections, self.teacher, self.shelf),
        )

    def collection_cases(self) -> CollectionCases:
        return CollectionCases(
            CreateCollection(self.collections),
            GetCollection(self.collections),
            ListCollections(self.collections),
            UpdateCollection(self.collections),
            DeleteCollection(self.collections, self.images, self.forget, self.shelf),
            Calibrate(
                self.collections,
                self.teacher,
                self.steps,
                limit=deadline,
                shipped=SHIPPED,
                clock=self.now_s,
            ),
        )
