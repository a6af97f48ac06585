"""What spans and their attributes are called: OpenTelemetry's semantic conventions, in one place.

The conventions for RPC and messaging still change; whoever follows a change edits this file alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.runtime.tracing import ERROR_TYPE, Attributes, Kind

RPC_SYSTEM: Final = "rpc.system.name"
RPC_METHOD: Final = "rpc.method"
RPC_STATUS: Final = "rpc.response.status_code"
MESSAGING_SYSTEM: Final = "messaging.system"
OPERATION: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
PARTITION: Final = "messaging.destination.partition.id"
OFFSET: Final = "messaging.kafka.offset"
GROUP: Final = "messaging.consumer.group.name"
MESSAGE_ID: Final = "messaging.message.id"
SERVICE: Final = "service.name"
NAMESPACE: Final = "service.namespace"
VERSION: Final = "service.version"
INSTANCE: Final = "service.instance.id"
MODEL: Final = "fovea.model.name"
BATCH: Final = "fovea.model.batch_size"
STORE_OPERATION: Final = "fovea.store.operation"
REASON: Final = "fovea.error.reason"

CONVENTIONAL: Final = (
    *(
        RPC_SYSTEM,
        RPC_METHOD,
        RPC_STATUS,
        MESSAGING_SYSTEM,
        OPERATION,
        OPERATION_TYPE,
        DESTINATION,
        PARTITION,
    ),
    *(OFFSET, GROUP, MESSAGE_ID, SERVICE, NAMESPACE, VERSION, INSTANCE, ERROR_TYPE),
)
"""Those that are OpenTelemetry's; the others are this platform's own."""

SERVER_FAULTS: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""Codes that are an error of the server; with any other the server did what it should."""


def rpc(method: str) -> tuple[str, Attributes]:
    """Return name and attributes of a call to `/package.Service/Method`, on either side."""
    name = method.removeprefix("/")
    return name, {RPC_SYSTEM: "grpc", RPC_METHOD: name}


def processing(system: str, topic: str, group: str) -> tuple[str, Attributes]:
    """Return name and attributes of one attempt at an event."""
    return f"process {topic}", {**_messaging(system, "process", topic), GROUP: group}


def sending(system: str, topic: str) -> tuple[str, Kind, Attributes]:
    """Return what a step is called that is an event's way into the log."""
    return f"send {topic}", "producer", _messaging(system, "send", topic)


def forward(model: str, kind: Kind) -> tuple[str, Kind, Attributes]:
    """Return what a step is called that is a forward pass: `internal`, or `client` of a model server."""
    return f"forward {model}", kind, {MODEL: model}


def storing(operation: str) -> tuple[str, Kind, Attributes]:
    """Return what a step is called that is a request to the object store."""
    return f"store {operation}", "client", {STORE_OPERATION: operation}


def _messaging(system: str, operation: str, topic: str) -> Mapping[str, str]:
    return {MESSAGING_SYSTEM: system, OPERATION: operation, OPERATION_TYPE: operation, DESTINATION: topic}
