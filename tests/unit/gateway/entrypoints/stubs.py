"""The gateway's services, called over a real gRPC server."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fovea.gateway.v1 import (
    collections_pb2_grpc,
    gateway_pb2,
    gateway_pb2_grpc,
    memory_pb2,
    memory_pb2_grpc,
)
from fovea.kernel.v1 import (
    embedding_pb2,
    exemplar_pb2,
)
from services.gateway.entrypoints.memory_servicer import MemoryServicer
from services.gateway.entrypoints.servicer import CollectionServicer, GatewayServicer
from services.gateway.entrypoints.shared_log import SharedLog
from services.runtime.grpc_server import Servicer
from services.runtime.stream_workers import Workers
from tests.fakes.gateway import picture
from tests.fakes.gateway_case import GatewayCase
from tests.fakes.serving import served

TIMEOUT_S = 10.0
FULL_NAME = "fovea.gateway.v1."


@contextmanager
def working() -> Iterator[Workers]:
    workers = Workers(threads=16, item_timeout_s=5.0)
    yield workers
    workers.close()


@contextmanager
def gateway_of(case: GatewayCase, *, shared: bool = True) -> Iterator[Any]:
    with working() as workers:
        servicer = GatewayServicer(case.recognition_cases(), workers, SharedLog(available=shared))
        add = gateway_pb2_grpc.add_GatewayServiceServicer_to_server
        with served(Servicer(FULL_NAME + "GatewayService", add, servicer)) as channel:
            yield gateway_pb2_grpc.GatewayServiceStub(channel)


@contextmanager
def memory_of(case: GatewayCase, *, shared: bool = True, window: int = 32) -> Iterator[Any]:
    with working() as workers:
        servicer = MemoryServicer(case.memory_cases(), workers, SharedLog(available=shared), window=window)
        add = memory_pb2_grpc.add_MemoryServiceServicer_to_server
        with served(Servicer(FULL_NAME + "MemoryService", add, servicer)) as channel:
            yield memory_pb2_grpc.MemoryServiceStub(channel)


@contextmanager
def collections_of(case: GatewayCase, *, shared: bool = True) -> Iterator[Any]:
    servicer = CollectionServicer(case.collection_cases(), SharedLog(available=shared))
    add = collections_pb2_grpc.add_CollectionServiceServicer_to_server
    with served(Servicer(FULL_NAME + "CollectionService", add, servicer)) as channel:
        yield collections_pb2_grpc.CollectionServiceStub(channel)


def a_task(image: bytes | None = None, recognition_id: str = "", **more: Any) -> gateway_pb2.RecognitionTask:
    image = picture() if image is None else image
    return gateway_pb2.RecognitionTask(image=image, recognition_id=recognition_id, **more)


def wait_for(gate: threading.Event) -> None:
    assert gate.wait(TIMEOUT_S)


def until(met: Callable[[], bool]) -> None:
    ticks = threading.Event()
    for _ in range(500):
        if met():
            return
        ticks.wait(0.01)
    raise AssertionError("it did not come about")


def a_lesson(label: str = "robin", **more: Any) -> memory_pb2.RememberRequest:
    return memory_pb2.RememberRequest(label=label, **more)


def an_import(label: str = "robin", **more: Any) -> memory_pb2.ImportExemplarsRequest:
    vector = struct.pack("<3f", 1, 0, 0)
    fields: dict[str, Any] = {"exemplar_id": label, "label": label, "text": "x"}
    return memory_pb2.ImportExemplarsRequest(
        exemplar=exemplar_pb2.EncodedExemplar(
            exemplar=exemplar_pb2.Exemplar(**fields | more, kind=exemplar_pb2.EXEMPLAR_KIND_NAME),
            embeddings=[embedding_pb2.Embedding(vector=vector, encoder="letters@1", space="name")],
        )
    )
