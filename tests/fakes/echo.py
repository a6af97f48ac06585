"""A gRPC service of bytes whose behaviour each test chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc

from services.runtime.grpc_server import Servicer

NAME = "fovea.test.v1.EchoService"
UNARY = f"/{NAME}/Echo"
WATCH = f"/{NAME}/Watch"
COLLECT = f"/{NAME}/Collect"
EXCHANGE = f"/{NAME}/Exchange"


def _same(request: bytes) -> bytes:
    return request


def _once(request: bytes) -> Iterator[bytes]:
    yield request


def _joined(requests: Iterable[bytes]) -> bytes:
    return b"".join(requests)


def _each(requests: Iterable[bytes]) -> Iterator[bytes]:
    yield from requests


def _strict(raw: bytes) -> bytes:
    if raw.startswith(b"\xff"):
        raise ValueError("cannot be parsed")
    return raw


@dataclass(frozen=True)
class Echo:
    """What the four methods do; by default each gives back what it got."""

    unary: Callable[[bytes], bytes] = _same
    watch: Callable[[bytes], Iterator[bytes]] = _once
    collect: Callable[[Iterator[bytes]], bytes] = _joined
    exchange: Callable[[Iterator[bytes]], Iterator[bytes]] = _each

    def servicer(self, name: str = NAME) -> Servicer:
        return Servicer(name, _adder(name), self)


def _adder(name: str) -> Callable[[Any, grpc.Server], None]:
    def add(echo: Echo, server: grpc.Server) -> None:
        methods: dict[str, Any] = {
            "Echo": grpc.unary_unary_rpc_method_handler(
                lambda request, _: echo.unary(request), request_deserializer=_strict
            ),
            "Watch": grpc.unary_stream_rpc_method_handler(lambda request, _: echo.watch(request)),
            "Collect": grpc.stream_unary_rpc_method_handler(lambda requests, _: echo.collect(requests)),
            "Exchange": grpc.stream_stream_rpc_method_handler(
                lambda requests, _: echo.exchange(requests), request_deserializer=_strict
            ),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))

    return add
