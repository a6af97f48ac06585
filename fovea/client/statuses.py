"""gRPC statuses and failures of single items as errors of the client."""

from __future__ import annotations

from typing import Final

import grpc
from google.protobuf.any_pb2 import Any as PackedDetail
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from fovea.client.errors import (
    Cancelled,
    Conflict,
    Corrupt,
    DeadlineExceeded,
    Denied,
    FoveaError,
    InvalidInput,
    NotFound,
    Overloaded,
    ServerFault,
    Unavailable,
    Unsupported,
)
from fovea.kernel.v1 import failure_pb2

_KINDS: Final[dict[str, type[FoveaError]]] = {
    "CANCELLED": Cancelled,
    "INVALID_ARGUMENT": InvalidInput,
    "OUT_OF_RANGE": InvalidInput,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": Conflict,
    "FAILED_PRECONDITION": Conflict,
    "ABORTED": Unavailable,
    "PERMISSION_DENIED": Denied,
    "UNAUTHENTICATED": Denied,
    "RESOURCE_EXHAUSTED": Overloaded,
    "UNIMPLEMENTED": Unsupported,
    "UNAVAILABLE": Unavailable,
    "DATA_LOSS": Corrupt,
}
_TOO_LARGE: Final = "larger than max"  # gRPC's own words when a message passes a size limit
_NO_FIELD: Final = error_details_pb2.BadRequest.FieldViolation()
_Details = tuple[error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo]


def from_rpc_error(error: grpc.RpcError, *, target: str) -> FoveaError:
    """Return what a failed call means; raise it `from` the original.

    Args:
        error: As gRPC raised it.
        target: The server's address, for the message when nobody answers there.
    """
    code: grpc.StatusCode = error.code()
    message: str = error.details() or ""
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in message:
        return InvalidInput(f"the request is too large: {message}", reason="MESSAGE_TOO_LARGE")
    info, bad, retry = _details(error)
    if code is grpc.StatusCode.UNAVAILABLE and not info.reason:
        return _unreachable(target, message)
    violation = bad.field_violations[0] if bad.field_violations else _NO_FIELD
    return _KINDS.get(code.name, ServerFault)(
        message or f"the call failed with {code.name}",
        reason=info.reason,
        field=violation.field,
        retry_after_s=retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9,
    )


def from_failure(failure: failure_pb2.Failure) -> FoveaError:
    """Return why one item of many did not work."""
    kind = _KINDS.get(failure.status, ServerFault)
    return kind(
        failure.message or "no cause was given",
        reason=failure.reason,
        field=failure.field,
        retry_after_s=failure.retry_after_s,
    )


def _unreachable(target: str, message: str) -> Unavailable:
    """Say it in plain words: gRPC's message is a list of addresses and errno texts."""
    why = "the connection was refused" if "refused" in message else message or "no cause was given"
    return Unavailable(f"no Fovea server answers at {target}: {why}", reason="UNREACHABLE")


def _details(error: grpc.RpcError) -> _Details:
    """Return the details that came along; those that did not are empty."""
    wanted: _Details = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    for packed in _packed(error):
        for message in wanted:
            if packed.Is(message.DESCRIPTOR):
                packed.Unpack(message)
    return wanted


def _packed(error: grpc.RpcError) -> list[PackedDetail]:
    try:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]  # a failed call is both
    except (ValueError, AttributeError):  # a proxy's status without matching details
        return []
    return [] if status is None else list(status.details)
