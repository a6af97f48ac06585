"""A real gRPC server in this process, on a port of its own, and a channel to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from services.runtime.grpc_channel import Channel, open_channel
from services.runtime.grpc_server import GrpcServer, Servicer
from services.runtime.metrics import Metrics
from services.runtime.settings import ProcessSettings


@contextmanager
def served(servicer: Servicer) -> Iterator[Channel]:
    """Serve one service. The channel raises kernel errors, with field and reason, as the gateway has it."""
    server = GrpcServer([servicer], ProcessSettings(), Metrics())
    port = server.listen("127.0.0.1", 0)
    with server:
        server.set_serving(servicer.name, serving=True)
        with open_channel(f"127.0.0.1:{port}") as channel:
            yield channel


def bare(channel: Channel) -> grpc.Channel:
    """Return gRPC's own channel, whose errors are `grpc.RpcError` with a status."""
    return channel._inner
