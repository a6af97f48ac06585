"""The public gRPC calls as tests make them: plain stubs, one collection, a deadline on everything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import grpc

from fovea.gateway.v1 import (
    collections_pb2,
    collections_pb2_grpc,
    gateway_pb2,
    gateway_pb2_grpc,
    memory_pb2,
    memory_pb2_grpc,
)
from fovea.kernel.v1.envelope_pb2 import CollectionKey, RecognitionOptions
from fovea.kernel.v1.recognition_pb2 import Recognition

TIMEOUT_S = 30.0
_OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),  # two minutes by default, long after a server is back
]


class Calls:
    """One client of one collection."""

    def __init__(self, target: str, *, tenant: str = "default", collection: str = "default") -> None:
        self.key = CollectionKey(tenant=tenant, collection=collection)
        self.channel = grpc.insecure_channel(target, options=_OPTIONS)
        self.gateway = gateway_pb2_grpc.GatewayServiceStub(self.channel)
        self.memory = memory_pb2_grpc.MemoryServiceStub(self.channel)
        self.collections = collections_pb2_grpc.CollectionServiceStub(self.channel)

    def create_collection(self, **settings: object) -> None:
        collection = collections_pb2.Collection(key=self.key, **settings)  # type: ignore[arg-type]
        self.collections.CreateCollection(
            collections_pb2.CreateCollectionRequest(collection=collection), timeout=TIMEOUT_S
        )

    def update_collection(self, **settings: object) -> None:
        collection = collections_pb2.Collection(key=self.key, **settings)  # type: ignore[arg-type]
        self.collections.UpdateCollection(
            collections_pb2.UpdateCollectionRequest(collection=collection), timeout=TIMEOUT_S
        )

    def calibrate(self, **wish: object) -> list[collections_pb2.CalibrateCollectionResponse]:
        request = collections_pb2.CalibrateCollectionRequest(key=self.key, **wish)  # type: ignore[arg-type]
        return list(self.collections.CalibrateCollection(request, timeout=10 * TIMEOUT_S))

    def task(
        self, image: bytes, *, recognition_id: str = "", options: RecognitionOptions | None = None
    ) -> gateway_pb2.RecognitionTask:
        return gateway_pb2.RecognitionTask(
            collection=self.key, recognition_id=recognition_id, image=image, options=options
        )

    def recognize(
        self, image: bytes, *, recognition_id: str = "", options: RecognitionOptions | None = None
    ) -> Recognition:
        task = self.task(image, recognition_id=recognition_id, options=options)
        request = gateway_pb2.RecognizeRequest(task=task)
        return self.gateway.Recognize(request, timeout=TIMEOUT_S).recognition

    def submit(
        self,
        images: Mapping[str, bytes],
        *,
        submission_id: str = "",
        options: RecognitionOptions | None = None,
    ) -> Iterator[gateway_pb2.SubmitImagesResponse]:
        """Submit images by their recognition ids, and yield what is answered to each."""
        requests = (
            gateway_pb2.SubmitImagesRequest(
                submission_id=submission_id, task=self.task(image, recognition_id=name, options=options)
            )
            for name, image in images.items()
        )
        yield from self.gateway.SubmitImages(requests, timeout=TIMEOUT_S)

    def recognition(self, recognition_id: str) -> Recognition:
        request = gateway_pb2.GetRecognitionRequest(tenant=self.key.tenant, recognition_id=recognition_id)
        return self.gateway.GetRecognition(request, timeout=TIMEOUT_S).recognition

    def submission(self, submission_id: str) -> gateway_pb2.GetSubmissionResponse:
        request = gateway_pb2.GetSubmissionRequest(tenant=self.key.tenant, submission_id=submission_id)
        return self.gateway.GetSubmission(request, timeout=TIMEOUT_S)

    def watch(
        self, *, submission_id: str = "", resume_token: str = ""
    ) -> Iterator[gateway_pb2.WatchRecognitionsResponse]:
        request = gateway_pb2.WatchRecognitionsRequest(
            collection=self.key, submission_id=submission_id, resume_token=resume_token
        )
        return self.gateway.WatchRecognitions(request, timeout=TIMEOUT_S)

    def remember(self, lessons: Iterable[tuple[str, bytes | str]]) -> list[memory_pb2.RememberResponse]:
        """Teach labels by pictures (bytes) or names (text)."""
        return list(self.memory.Remember(map(self._lesson, lessons), timeout=TIMEOUT_S))

    def _lesson(self, lesson: tuple[str, bytes | str]) -> memory_pb2.RememberRequest:
        label, content = lesson
        if isinstance(content, bytes):
            return memory_pb2.RememberRequest(collection=self.key, label=label, image=content)
        return memory_pb2.RememberRequest(collection=self.key, label=label, name=content)

    def labels(self, *, min_memory_version: str = "") -> dict[str, int]:
        request = memory_pb2.ListLabelsRequest(collection=self.key, min_memory_version=min_memory_version)
        return {
            each.label: each.exemplars for each in self.memory.ListLabels(request, timeout=TIMEOUT_S).labels
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()
