"""A gRPC server of the runtime, open to callers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import generate_latest

from services.kernel.errors import (
    DeadlineExceeded,
    FoveaError,
)
from services.runtime import deadline
from services.runtime.grpc_errors import from_rpc_error
from services.runtime.grpc_server import GrpcServer
from services.runtime.metrics import Metrics
from services.runtime.settings import ProcessSettings
from tests.fakes import echo
from tests.fakes.echo import Echo

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def open_bare(target: str) -> Any:
    """A plain channel; `Any`, since the stubs cannot type calls of bytes."""
    return grpc.insecure_channel(target)


class Running:
    """A server with one echo service, and a bare client."""

    def __init__(self, server: GrpcServer, metrics: Metrics, port: int) -> None:
        self.server = server
        self.metrics = metrics
        self.port = port
        self.channel = open_bare(f"127.0.0.1:{port}")

    def call(self, request: bytes, timeout: float | None = 10.0, **options: Any) -> bytes:
        answer: bytes = self.channel.unary_unary(echo.UNARY)(request, timeout=timeout, **options)
        return answer

    def error(self, request: bytes = b"x", **options: Any) -> FoveaError:
        with pytest.raises(grpc.RpcError) as caught:
            self.call(request, **options)
        return from_rpc_error(caught.value)

    def health(self, service: str) -> Any:
        stub: Any = health_pb2_grpc.HealthStub(self.channel)
        return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status

    def text(self) -> str:
        return generate_latest(self.metrics.registry).decode()


@contextmanager
def serving(implementation: Echo, *, opened: bool = True, **settings: Any) -> Iterator[Running]:
    metrics = Metrics()
    server = GrpcServer([implementation.servicer()], ProcessSettings(**settings), metrics)
    port = server.listen("127.0.0.1", 0)
    with server:
        if opened:
            server.set_serving(echo.NAME, serving=True)
        running = Running(server, metrics, port)
        with running.channel:
            yield running


def raising(error: Exception) -> Callable[[Any], NoReturn]:
    def behaviour(_: Any) -> NoReturn:
        raise error

    return behaviour


def until_given_up(
    given_up: threading.Event, begun: threading.Event | None = None
) -> Callable[[bytes], bytes]:
    def work(_: bytes) -> bytes:
        if begun is not None:
            begun.set()
        for _step in range(1000):
            try:
                deadline.check()
            except DeadlineExceeded:
                given_up.set()
                raise
            time.sleep(0.01)
        return b"never"

    return work
