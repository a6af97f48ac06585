"""The use cases of the gateway, from what they share."""

from __future__ import annotations

import time

from services.gateway.assembly.parts import Parts, new_id
from services.gateway.entrypoints.explanation_servicer import ExplanationCases
from services.gateway.entrypoints.memory_servicer import MemoryCases
from services.gateway.entrypoints.migration_servicer import MigrationCases
from services.gateway.entrypoints.operations_servicer import OperationsCases
from services.gateway.entrypoints.servicer import (
    CollectionCases,
    RecognitionCases,
)
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
from services.gateway.usecases.explain import ExplainRecognition, ReplayRecognition
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
from services.gateway.usecases.recognize import Recognize
from services.gateway.usecases.submit import (
    GetRecognition,
    GetSubmission,
    SubmitImage,
    WatchRecognitions,
)
from services.gateway.usecases.teach import Prepare, PrepareImport, Teach
from services.gateway.usecases.versions import ApplyState, CompareStates, KeepQueries, KeepVersion
from services.runtime import deadline


def recognition_cases(parts: Parts) -> RecognitionCases:
    """Return the use cases behind GatewayService."""
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


def memory_cases(parts: Parts) -> MemoryCases:
    """Return the use cases behind MemoryService."""
    return MemoryCases(
        prepare=Prepare(
            parts.collections, parts.images, parts.segmenter, new_id=new_id, shipped=parts.shipped.votes
        ),
        prepare_import=PrepareImport(parts.collections, parts.images),
        teach=Teach(parts.teacher),
        forget=parts.forget,
        erase=Erase(
            parts.forget,
            collections=parts.collections,
            retriever=parts.retriever,
            teacher=parts.teacher,
            images=parts.images,
            shelf=parts.shelf,
        ),
        correct=Correct(
            parts.collections,
            images=parts.images,
            recognitions=parts.recognitions,
            teacher=parts.teacher,
            announcer=parts.announcer,
            shipped=parts.shipped.votes,
        ),
        list_exemplars=ListExemplars(parts.collections, parts.retriever),
        export_exemplars=ExportExemplars(parts.collections, parts.retriever),
        list_labels=ListLabels(parts.collections, parts.retriever),
        audit=AuditMemory(parts.collections, parts.retriever, shipped=parts.shipped.votes),
    )


def migration_cases(place: Place) -> MigrationCases:
    """Return the use cases behind MigrationService."""
    evaluate = EvaluateMigration(place)
    return MigrationCases(
        start=StartMigration(place),
        get=GetMigration(place),
        evaluate=evaluate,
        cut_over=CutOver(place, evaluate),
        roll_back=RollBack(place),
        finish=FinishMigration(place),
    )


def version_cases(parts: Parts) -> VersionCases:
    """Return the use cases behind VersionService."""
    return VersionCases(
        parts.collections,
        parts.shelf,
        keep_version=KeepVersion(parts.collections, parts.teacher, parts.shelf),
        keep_queries=KeepQueries(
            parts.collections, parts.recognitions, parts.encoder, parts.shelf, shipped=parts.shipped
        ),
        compare=CompareStates(parts.collections, parts.shelf, shipped=parts.shipped),
        apply=ApplyState(parts.collections, parts.teacher, parts.shelf),
    )


def operations_cases(parts: Parts) -> OperationsCases:
    """Return the use cases behind OperationsService."""
    return OperationsCases(
        list=ListDeadLetters(parts.letters),
        get=GetDeadLetter(parts.letters),
        replay=ReplayDeadLetters(parts.letters),
    )


def explanation_cases(parts: Parts) -> ExplanationCases:
    """Return the use cases behind ExplanationService."""
    get = GetRecognition(parts.recognitions)
    return ExplanationCases(
        replay=ReplayRecognition(get, parts.images, parts.steps),
        explain=ExplainRecognition(get, parts.images, parts.steps),
    )


def collection_cases(parts: Parts) -> CollectionCases:
    """Return the use cases behind CollectionService."""
    return CollectionCases(
        create=CreateCollection(parts.collections),
        get=GetCollection(parts.collections),
        list=ListCollections(parts.collections),
        update=UpdateCollection(parts.collections),
        delete=DeleteCollection(parts.collections, parts.images, parts.forget, parts.shelf),
        calibrate=Calibrate(
            parts.collections,
            parts.teacher,
            parts.steps,
            limit=deadline,
            shipped=parts.shipped,
            clock=time.time,
        ),
    )
