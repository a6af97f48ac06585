"""One channel to a server, or to several alike: retries, deadlines and message limits of all calls."""

from __future__ import annotations

import ipaddress
import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import grpc

from fovea.client.errors import FoveaError, InvalidInput, Overloaded, Unavailable
from fovea.client.images import MOST_MESSAGE_BYTES
from fovea.client.statuses import from_rpc_error
from fovea.gateway.v1 import (
    collections_pb2_grpc,
    explanations_pb2_grpc,
    gateway_pb2_grpc,
    memory_pb2_grpc,
    migrations_pb2_grpc,
    operations_pb2_grpc,
    versions_pb2_grpc,
)

Request = TypeVar("Request")
Response = TypeVar("Response")

_IDEMPOTENT: Final = {
    "fovea.gateway.v1.GatewayService": ("Recognize", "GetRecognition", "GetSubmission"),
    "fovea.gateway.v1.MemoryService": ("ListExemplars", "ListLabels"),
    "fovea.gateway.v1.CollectionService": ("GetCollection", "ListCollections", "UpdateCollection"),
    "fovea.gateway.v1.MigrationService": (
        "GetMigration",
        "EvaluateMigration",
        "CutOverMigration",
        "RollBackMigration",
        "FinishMigration",
    ),
    "fovea.gateway.v1.ExplanationService": ("ReplayRecognition", "ExplainRecognition"),
    "fovea.gateway.v1.OperationsService": ("ListDeadLetters", "GetDeadLetter"),
    "fovea.gateway.v1.VersionService": ("ListVersions", "ListQuerySets"),
    "grpc.health.v1.Health": ("Check",),
}
"""Calls that may be sent again; `Recognize` is one because the client always chooses its id."""

_SERVICE_CONFIG: Final = {
    "loadBalancingConfig": [{"round_robin": {}}],  # over all addresses that answer
    "methodConfig": [
        {
            "name": [
                {"service": service, "method": method}
                for service, methods in _IDEMPOTENT.items()
                for method in methods
            ],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                # A server that ends cancels calls that arrive at that moment, before it has looked at them.
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
}
_OPTIONS: Final[tuple[tuple[str, int | str], ...]] = (
    ("grpc.max_send_message_length", MOST_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MOST_MESSAGE_BYTES),
    # Without this a call whose picture is larger than 256 KiB would never be tried again.
    ("grpc.per_rpc_retry_buffer_size", MOST_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)

_NOT_LET_IN: Final = frozenset({"DRAINING", "STARTING"})
"""Reasons of a server that refused a call before it looked at it."""
_GIVEN_UP: Final = "GIVEN_UP"
"""Reason of a call that a server cut; when one ends it cuts many at once, more than the budget of retries."""
_NEXT_SERVER_S: Final = 0.2


@dataclass(frozen=True)
class Patience:
    """How long a stream that broke is opened again: pauses double, and an answer starts them afresh."""

    attempts: int = 5
    first_pause_s: float = 0.2

    def pauses(self) -> Iterator[float]:
        """Return the pauses between attempts, spread at random so that clients do not return as one."""
        for attempt in range(self.attempts):
            yield self.first_pause_s * 2**attempt * random.uniform(0.8, 1.2)  # noqa: S311  (no secret)


class Connection:
    """A channel that translates errors, shared by all clients that `Client.using` makes."""

    def __init__(self, target: str, *, patience: Patience) -> None:
        self.target = target
        self.patience = patience
        self.channel = _open(_address(target))
        self.explanations = explanations_pb2_grpc.ExplanationServiceStub(self.channel)
        self.gateway = gateway_pb2_grpc.GatewayServiceStub(self.channel)
        self.memory = memory_pb2_grpc.MemoryServiceStub(self.channel)
        self.collections = collections_pb2_grpc.CollectionServiceStub(self.channel)
        self.migrations = migrations_pb2_grpc.MigrationServiceStub(self.channel)
        self.operations = operations_pb2_grpc.OperationsServiceStub(self.channel)
        self.versions = versions_pb2_grpc.VersionServiceStub(self.channel)
        stubs = {"GatewayService": self.gateway, "MemoryService": self.memory}
        stubs |= {"CollectionService": self.collections, "OperationsService": self.operations}
        stubs |= {"VersionService": self.versions, "ExplanationService": self.explanations}
        stubs |= {"MigrationService": self.migrations}
        self._repeatable = frozenset(
            getattr(stub, method)
            for name, stub in stubs.items()
            for method in _IDEMPOTENT[f"fovea.gateway.v1.{name}"]
        )
        self._versions: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()
        self._closed = False

    def call(
        self,
        method: grpc.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        timeout_s: float,
    ) -> Response:
        """Return the answer, waiting and trying again where the server asks for that and time allows.

        Raises:
            FoveaError: What the server said, or that it cannot be reached.
        """
        end = time.monotonic() + timeout_s
        while True:
            left_s = end - time.monotonic()
            try:
                return method(request, timeout=max(left_s, 0.001))
            except grpc.RpcError as failed:
                error = self.translate(failed)
                pause_s = _pause_s(error, may_repeat=method in self._repeatable)
                if not 0 < pause_s < end - time.monotonic():
                    raise error from failed
            time.sleep(pause_s)

    def translate(self, error: grpc.RpcError) -> FoveaError:
        """Return what a failed call means."""
        if error.code() is grpc.StatusCode.CANCELLED and not self._closed:
            return Unavailable("the server gave the call up, as it does when it ends", reason=_GIVEN_UP)
        return from_rpc_error(error, target=self.target)

    def wrote(self, scope: tuple[str, str], memory_version: str) -> None:
        """Keep the newest memory version that a write of this client got."""
        if memory_version:
            with self._lock:
                self._versions[scope] = memory_version

    def written(self, scope: tuple[str, str]) -> str:
        """Return the memory version that this client's reads must hold; empty if it wrote nothing."""
        with self._lock:
            return self._versions.get(scope, "")

    def close(self) -> None:
        """Cancel what is in flight and close the channel."""
        self._closed = True
        self.channel.close()


def _open(target: str) -> grpc.Channel:
    """Return a channel; of replicas it asks only those that say they serve."""
    several = target.startswith(("ipv4:", "ipv6:", "dns:"))
    health = {"healthCheckConfig": {"serviceName": "fovea.gateway.v1.GatewayService"}} if several else {}
    config = json.dumps({**_SERVICE_CONFIG, **health})
    return grpc.insecure_channel(target, options=[*_OPTIONS, ("grpc.service_config", config)])


def _pause_s(error: FoveaError, *, may_repeat: bool) -> float:
    """Return after what time the same call may be made again; 0: not at all, for it may have been begun."""
    passing = error.reason in _NOT_LET_IN or (may_repeat and error.reason == _GIVEN_UP)
    if isinstance(error, Unavailable) and passing:
        return _NEXT_SERVER_S * random.uniform(0.5, 1.5)  # noqa: S311  (no secret)
    return error.retry_after_s if isinstance(error, Overloaded) else 0.0


def _address(target: str) -> str:
    """Return a target in gRPC's words, which has no list of names but one of addresses."""
    if "," not in target or target.startswith(("ipv4:", "ipv6:", "unix:", "dns:")):
        return target
    hosts = [each.rpartition(":")[0] for each in target.split(",")]
    try:
        (version,) = {ipaddress.ip_address(host.strip("[]")).version for host in hosts}
    except ValueError as error:
        raise InvalidInput(
            f"{target!r} names several servers: give each as a numeric address with a port, all of one kind, "
            "or one name that has all their addresses as dns:///name:port",
            reason="TARGET_INVALID",
            field="target",
        ) from error
    return f"ipv{version}:{target}"


def worth_another_try(error: FoveaError) -> bool:
    """Return whether the same request may work in a moment."""
    return isinstance(error, Unavailable | Overloaded)
