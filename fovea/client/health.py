"""Asks a server which of its services take calls (`grpc.health.v1`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from fovea.client.connection import Connection
from fovea.client.errors import NotFound

SERVICES: Final = (
    "fovea.gateway.v1.GatewayService",
    "fovea.gateway.v1.MemoryService",
    "fovea.gateway.v1.CollectionService",
    "fovea.gateway.v1.OperationsService",
    "fovea.gateway.v1.ExplanationService",
    "fovea.segmentation.v1.SegmentationService",
    "fovea.encoding.v1.EncodingService",
    "fovea.retrieval.v1.RetrievalService",
    "fovea.ranking.v1.RankingService",
)
_STATUSES: Final = {1: "SERVING", 2: "NOT_SERVING"}


@dataclass(frozen=True)
class ServiceHealth:
    """What the server says of one service: `SERVING`, `NOT_SERVING` or `NOT_HERE`."""

    name: str
    status: str

    @property
    def serving(self) -> bool:
        """Whether it takes calls."""
        return self.status == "SERVING"


def check(connection: Connection, service: str, *, timeout_s: float) -> ServiceHealth:
    """Return what the server says of one service; the empty name means the process.

    The two messages of `grpc.health.v1` are, on the wire, a text and a number, each in field 1: so
    protobuf's wrappers read and write them, and no further package is needed.
    """
    ask: grpc.UnaryUnaryMultiCallable[StringValue, Int32Value] = connection.channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=StringValue.SerializeToString,
        response_deserializer=Int32Value.FromString,
    )
    try:
        answer = connection.call(ask, StringValue(value=service), timeout_s=timeout_s)
    except NotFound:
        return ServiceHealth(service, "NOT_HERE")
    return ServiceHealth(service, _STATUSES.get(answer.value, "UNKNOWN"))
