"""Recognition and collections over gRPC; the server turns errors into statuses, items carry their own."""
# ruff: noqa: ARG002  (the arguments are gRPC's)

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import grpc

from fovea.gateway.v1 import (
    collections_pb2,
    collections_pb2_grpc,
    gateway_pb2,
    gateway_pb2_grpc,
)
from services.gateway.codec import collections as collections_codec
from services.gateway.codec import recognition as codec
from services.gateway.codec.calibration import read_wish, write_calibration
from services.gateway.entrypoints.shared_log import SharedLog
from services.gateway.usecases.calibrate import Calibrate
from services.gateway.usecases.collections import (
    CreateCollection,
    DeleteCollection,
    GetCollection,
    ListCollections,
    UpdateCollection,
)
from services.gateway.usecases.recognize import Recognize
from services.gateway.usecases.submit import (
    GetRecognition,
    GetSubmission,
    SubmitImage,
    WatchRecognitions,
)
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.runtime.codec.failure import failure_of, write_failure
from services.runtime.codec.recognition import read_collection, write_time
from services.runtime.stream_window import Take, in_order
from services.runtime.stream_workers import Workers, outcome


@dataclass(frozen=True)
class RecognitionCases:
    """The use cases behind GatewayService."""

    recognize: Recognize
    submit: SubmitImage
    get_recognition: GetRecognition
    get_submission: GetSubmission
    watch: WatchRecognitions


class GatewayServicer(gateway_pb2_grpc.GatewayServiceServicer):
    """Recognises images: one and wait, a stream, or many without waiting."""

    def __init__(self, cases: RecognitionCases, workers: Workers, shared_log: SharedLog) -> None:
        self._cases = cases
        self._workers = workers
        self._shared_log = shared_log

    def Recognize(
        self, request: gateway_pb2.RecognizeRequest, context: grpc.ServicerContext
    ) -> gateway_pb2.RecognizeResponse:
        """Recognise one image and wait for the record."""
        record = self._cases.recognize(codec.read_task(request.task))
        return gateway_pb2.RecognizeResponse(recognition=codec.write_answer(record))

    def RecognizeStream(
        self,
        request_iterator: Iterator[gateway_pb2.RecognizeStreamRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[gateway_pb2.RecognizeStreamResponse]:
        """Recognise a stream of images; one that fails carries its failure."""

        def begin(
            request: gateway_pb2.RecognizeStreamRequest,
        ) -> Take[gateway_pb2.RecognizeStreamResponse]:
            return partial(outcome, self._workers.submit(partial(self._recognized, request)))

        return in_order(request_iterator, begin, size=LIMITS.stream_window)

    def _recognized(self, request: gateway_pb2.RecognizeStreamRequest) -> gateway_pb2.RecognizeStreamResponse:
        try:
            record = self._cases.recognize(codec.read_task(request.task))
        except Exception as error:  # noqa: BLE001  (an item's error is its answer)
            return gateway_pb2.RecognizeStreamResponse(
                recognition_id=request.task.recognition_id,
                failure=write_failure(failure_of(error)),
            )
        return gateway_pb2.RecognizeStreamResponse(
            recognition_id=record.envelope.recognition_id,
            recognition=codec.write_answer(record),
        )

    def SubmitImages(
        self,
        request_iterator: Iterator[gateway_pb2.SubmitImagesRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[gateway_pb2.SubmitImagesResponse]:
        """Take images without waiting for their records."""
        self._shared_log.require()
        batch = _Batch()

        def begin(
            request: gateway_pb2.SubmitImagesRequest,
        ) -> Take[gateway_pb2.SubmitImagesResponse]:
            submission_id = batch.submission_id(request)
            work = partial(self._submitted, request, submission_id)
            return partial(outcome, self._workers.submit(work))

        return in_order(request_iterator, begin, size=LIMITS.stream_window)

    def _submitted(
        self, request: gateway_pb2.SubmitImagesRequest, submission_id: str
    ) -> gateway_pb2.SubmitImagesResponse:
        try:
            _require_same_batch(request, submission_id)
            codec.read_id(submission_id, field="submission_id")
            task = codec.read_task(request.task, submission_id=submission_id)
            envelope = self._cases.submit(task)
        except Exception as error:  # noqa: BLE001  (an item's error is its answer)
            return gateway_pb2.SubmitImagesResponse(
                submission_id=submission_id,
                recognition_id=request.task.recognition_id,
                failure=write_failure(failure_of(error)),
            )
        return gateway_pb2.SubmitImagesResponse(
            submission_id=submission_id,
            recognition_id=envelope.recognition_id,
            receipt=gateway_pb2.Receipt(accepted_at=write_time(envelope.accepted_at_s)),
        )

    def GetRecognition(
        self, request: gateway_pb2.GetRecognitionRequest, context: grpc.ServicerContext
    ) -> gateway_pb2.GetRecognitionResponse:
        """Return the record of a recognition that has ended."""
        tenant = codec.read_tenant(request.tenant)
        recognition_id = codec.read_id(request.recognition_id, field="recognition_id")
        record = self._cases.get_recognition(tenant, recognition_id)
        return gateway_pb2.GetRecognitionResponse(recognition=codec.write_answer(record))

    def GetSubmission(
        self, request: gateway_pb2.GetSubmissionRequest, context: grpc.ServicerContext
    ) -> gateway_pb2.GetSubmissionResponse:
        """Say how far a submission is."""
        self._shared_log.require()
        tenant = codec.read_tenant(request.tenant)
        submission_id = codec.read_id(request.submission_id, field="submission_id")
        return codec.write_progress(self._cases.get_submission(tenant, submission_id))

    def WatchRecognitions(
        self, request: gateway_pb2.WatchRecognitionsRequest, context: grpc.ServicerContext
    ) -> Iterator[gateway_pb2.WatchRecognitionsResponse]:
        """Stream the records of a collection as they end."""
        self._shared_log.require()
        watched = self._cases.watch(
            read_collection(request.collection),
            submission_id=codec.read_optional_id(request.submission_id, field="submission_id"),
            resume_token=request.resume_token,
        )
        yield gateway_pb2.WatchRecognitionsResponse(resume_token=watched.resume_token)
        for ended in watched.endings:
            yield gateway_pb2.WatchRecognitionsResponse(
                recognition=codec.write_answer(ended.recognition),
                resume_token=ended.resume_token,
            )


class _Batch:
    """The submission that a stream belongs to: as its first message says, or one of its own."""

    def __init__(self) -> None:
        self._id = ""

    def submission_id(self, request: gateway_pb2.SubmitImagesRequest) -> str:
        """Return it; asked for each message, in order."""
        self._id = self._id or request.submission_id or uuid.uuid4().hex
        return self._id


def _require_same_batch(request: gateway_pb2.SubmitImagesRequest, submission_id: str) -> None:
    if request.submission_id not in ("", submission_id):
        raise InvalidInput(
            f"submission_id is {request.submission_id[:80]!r}, but the stream began with "
            f"{submission_id!r}; open a stream for each submission",
            field="submission_id",
            reason="SUBMISSION_ID_CHANGED",
        )


@dataclass(frozen=True)
class CollectionCases:
    """The use cases behind CollectionService."""

    create: CreateCollection
    get: GetCollection
    list: ListCollections
    update: UpdateCollection
    delete: DeleteCollection
    calibrate: Calibrate


class CollectionServicer(collections_pb2_grpc.CollectionServiceServicer):
    """Keeps a tenant's collections."""

    def __init__(self, cases: CollectionCases, shared_log: SharedLog) -> None:
        self._cases = cases
        self._shared_log = shared_log

    def CreateCollection(
        self, request: collections_pb2.CreateCollectionRequest, context: grpc.ServicerContext
    ) -> collections_pb2.CreateCollectionResponse:
        """Make a collection."""
        made = self._cases.create(collections_codec.read_collection(request.collection))
        return collections_pb2.CreateCollectionResponse(collection=collections_codec.write_collection(made))

    def GetCollection(
        self, request: collections_pb2.GetCollectionRequest, context: grpc.ServicerContext
    ) -> collections_pb2.GetCollectionResponse:
        """Find a collection."""
        found = self._cases.get(read_collection(request.key))
        return collections_pb2.GetCollectionResponse(collection=collections_codec.write_collection(found))

    def ListCollections(
        self, request: collections_pb2.ListCollectionsRequest, context: grpc.ServicerContext
    ) -> collections_pb2.ListCollectionsResponse:
        """List a tenant's collections."""
        found = self._cases.list(codec.read_tenant(request.tenant))
        return collections_pb2.ListCollectionsResponse(
            collections=map(collections_codec.write_collection, found)
        )

    def UpdateCollection(
        self, request: collections_pb2.UpdateCollectionRequest, context: grpc.ServicerContext
    ) -> collections_pb2.UpdateCollectionResponse:
        """Replace a collection's settings."""
        changed = self._cases.update(collections_codec.read_collection(request.collection))
        return collections_pb2.UpdateCollectionResponse(
            collection=collections_codec.write_collection(changed)
        )

    def DeleteCollection(
        self, request: collections_pb2.DeleteCollectionRequest, context: grpc.ServicerContext
    ) -> collections_pb2.DeleteCollectionResponse:
        """Forget every exemplar, then the collection itself."""
        self._shared_log.require()
        forgotten = self._cases.delete(read_collection(request.key))
        return collections_pb2.DeleteCollectionResponse(forgotten=forgotten)

    def CalibrateCollection(
        self, request: collections_pb2.CalibrateCollectionRequest, context: grpc.ServicerContext
    ) -> Iterator[collections_pb2.CalibrateCollectionResponse]:
        """Choose thresholds on the collection's own exemplars, and say how far it is."""
        for each in self._cases.calibrate(read_collection(request.key), read_wish(request)):
            found = None if each.calibration is None else write_calibration(each.calibration)
            yield collections_pb2.CalibrateCollectionResponse(done=each.done, all=each.all, calibration=found)
