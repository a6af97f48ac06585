"""A gateway of a few lines on a real gRPC server: what the client and the command line are tested against.

A picture is a text: `goldfinch` shows a goldfinch, and what begins with `bad` cannot be read.
"""

# ruff: noqa: N802  (the names are the proto's)
from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from fovea.gateway.v1 import (
    collections_pb2_grpc,
    explanations_pb2_grpc,
    gateway_pb2_grpc,
    memory_pb2_grpc,
    migrations_pb2_grpc,
    operations_pb2_grpc,
    versions_pb2_grpc,
)
from fovea.gateway.v1 import gateway_pb2 as pb
from fovea.kernel.v1 import failure_pb2, recognition_pb2
from tests.fakes.collection_servicer import FakeCollections
from tests.fakes.explanation_servicer import FakeExplanations
from tests.fakes.memory_servicer import FakeMemory
from tests.fakes.migration_servicer import FakeMigrations
from tests.fakes.operations_servicer import FakeOperations
from tests.fakes.records import a_record
from tests.fakes.script import Script, Trouble
from tests.fakes.version_servicer import FakeVersions

BAD = failure_pb2.Failure(
    status="INVALID_ARGUMENT", reason="IMAGE_UNREADABLE", message="this is not a picture", field="image"
)
NOWHERE = failure_pb2.Failure(status="NOT_FOUND", reason="COLLECTION_UNKNOWN", message="no such collection")


class FakeGateway(gateway_pb2_grpc.GatewayServiceServicer):
    """Recognises texts."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.records: dict[str, recognition_pb2.Recognition] = {}
        self.submissions: dict[str, list[str]] = defaultdict(list)
        self.looks_until_done = 0
        self.watched: list[recognition_pb2.Recognition] = []
        self.gate = threading.Semaphore(10_000)
        """Each answer of RecognizeStream takes one; a test may hold them back."""

    def Recognize(self, request: pb.RecognizeRequest, context: grpc.ServicerContext) -> pb.RecognizeResponse:
        self.script.begin("Recognize", context, request)
        if request.task.image.startswith(b"bad"):
            Trouble(grpc.StatusCode.INVALID_ARGUMENT, BAD.message, BAD.reason, BAD.field).end(context)
        return pb.RecognizeResponse(recognition=self._recognized(request.task))

    def RecognizeStream(
        self, request_iterator: Iterator[pb.RecognizeStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.RecognizeStreamResponse]:
        trouble = self.script.begin("RecognizeStream", context)
        for count, request in enumerate(request_iterator):
            if trouble and count == trouble.after_answers:
                trouble.end(context)
            self.script.requests["RecognizeStream"].append(request)
            self.gate.acquire()
            yield self._streamed(request.task)

    def SubmitImages(
        self, request_iterator: Iterator[pb.SubmitImagesRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.SubmitImagesResponse]:
        self.script.begin("SubmitImages", context)
        for request in request_iterator:
            self.script.requests["SubmitImages"].append(request)
            answer = pb.SubmitImagesResponse(
                submission_id=request.submission_id, recognition_id=request.task.recognition_id
            )
            if request.task.image.startswith(b"bad"):
                answer.failure.CopyFrom(BAD)
            else:
                answer.receipt.accepted_at.FromSeconds(1_700_000_000)
                self.submissions[request.submission_id].append(request.task.recognition_id)
                self._recognized(request.task, submission_id=request.submission_id)
            yield answer

    def GetRecognition(
        self, request: pb.GetRecognitionRequest, context: grpc.ServicerContext
    ) -> pb.GetRecognitionResponse:
        self.script.begin("GetRecognition", context, request)
        if request.recognition_id not in self.records:
            Trouble(grpc.StatusCode.NOT_FOUND, "there is no such recognition", "RECOGNITION_NOT_FOUND").end(
                context
            )
        return pb.GetRecognitionResponse(recognition=self.records[request.recognition_id])

    def GetSubmission(
        self, request: pb.GetSubmissionRequest, context: grpc.ServicerContext
    ) -> pb.GetSubmissionResponse:
        self.script.begin("GetSubmission", context, request)
        ids = self.submissions[request.submission_id]
        if self.script.calls["GetSubmission"] <= self.looks_until_done:
            return pb.GetSubmissionResponse(accepted=len(ids))
        failed = sum(self.records[id_].HasField("failure") for id_ in ids)
        return pb.GetSubmissionResponse(accepted=len(ids), completed=len(ids) - failed, failed=failed)

    def WatchRecognitions(
        self, request: pb.WatchRecognitionsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.WatchRecognitionsResponse]:
        trouble = self.script.begin("WatchRecognitions", context, request)
        start = int(request.resume_token or 0)
        for count, record in enumerate(self.watched[start:]):
            if trouble and count == trouble.after_answers:
                trouble.end(context)
            yield pb.WatchRecognitionsResponse(recognition=record, resume_token=str(start + count + 1))

    def _recognized(
        self, task: pb.RecognitionTask, *, submission_id: str = ""
    ) -> recognition_pb2.Recognition:
        record = a_record(task, submission_id=submission_id)
        if task.image.startswith(b"dead"):
            record.state = recognition_pb2.RECOGNITION_STATE_FAILED
            record.failure.CopyFrom(BAD)
            del record.regions[:]
        return self.records.setdefault(task.recognition_id, record)

    def _streamed(self, task: pb.RecognitionTask) -> pb.RecognizeStreamResponse:
        answer = pb.RecognizeStreamResponse(recognition_id=task.recognition_id)
        if task.collection.collection == "nowhere":
            answer.failure.CopyFrom(NOWHERE)
        elif task.image.startswith(b"bad"):
            answer.failure.CopyFrom(BAD)
        else:
            answer.recognition.CopyFrom(self._recognized(task))
        return answer


class FakeServer:
    """All of it on a port of the loopback interface; `stop` and `start` keep the port and what was kept."""

    def __init__(self) -> None:
        self.script = Script()
        self.gateway = FakeGateway(self.script)
        self.memory = FakeMemory(self.script, self.gateway.records)
        self.collections = FakeCollections(self.script)
        self.operations = FakeOperations(self.script)
        self.migrations = FakeMigrations(self.script)
        self.versions = FakeVersions(self.script)
        self.explanations = FakeExplanations(self.script, self.gateway.records)
        self.health = health.HealthServicer()
        self.port = 0

    @property
    def target(self) -> str:
        """Where it answers."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin to answer."""
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        gateway_pb2_grpc.add_GatewayServiceServicer_to_server(self.gateway, self._server)
        memory_pb2_grpc.add_MemoryServiceServicer_to_server(self.memory, self._server)
        collections_pb2_grpc.add_CollectionServiceServicer_to_server(self.collections, self._server)
        operations_pb2_grpc.add_OperationsServiceServicer_to_server(self.operations, self._server)
        migrations_pb2_grpc.add_MigrationServiceServicer_to_server(self.migrations, self._server)
        versions_pb2_grpc.add_VersionServiceServicer_to_server(self.versions, self._server)
        explanations_pb2_grpc.add_ExplanationServiceServicer_to_server(self.explanations, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        for name in ("fovea.gateway.v1.GatewayService", "fovea.gateway.v1.MemoryService"):
            self.health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        """Stop at once, calls in flight included."""
        self._server.stop(None).wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
