"""Kernel errors as gRPC statuses with `google.rpc` details, and back.

    InvalidInput      INVALID_ARGUMENT       ErrorInfo, BadRequest
    NotFound          NOT_FOUND              ErrorInfo
    Conflict          ALREADY_EXISTS         when its reason ends with EXISTS: the thing is there already
                      FAILED_PRECONDITION    otherwise: a state forbids the call
    Unsupported       UNIMPLEMENTED          ErrorInfo
    DeadlineExceeded  DEADLINE_EXCEEDED      ErrorInfo
    Corrupt           DATA_LOSS              ErrorInfo
    Overloaded        RESOURCE_EXHAUSTED     ErrorInfo, RetryInfo
    Unavailable       UNAVAILABLE            ErrorInfo
    anything else     INTERNAL               ErrorInfo; the message names the trace and nothing else

An error of any kind that names a field carries it in a BadRequest.
"""

from __future__ import annotations

import math
from typing import Any, Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from services.kernel.errors import (
    Conflict,
    Corrupt,
    DeadlineExceeded,
    FoveaError,
    InvalidInput,
    NotFound,
    Overloaded,
    Unavailable,
    Unsupported,
)

DOMAIN: Final = "fovea"
MOST_MESSAGE_BYTES: Final = 1024
"""Longer messages are cut: a status travels in HTTP/2 trailers, which peers limit to about 8 KiB."""

_MOST_RETRY_AFTER_S = 3600.0
_TOO_LARGE = "larger than max"  # gRPC's own words when a message passes a size limit

_CODES: Final[dict[type[FoveaError], grpc.StatusCode]] = {
    InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    Conflict: grpc.StatusCode.FAILED_PRECONDITION,
    Unsupported: grpc.StatusCode.UNIMPLEMENTED,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    Corrupt: grpc.StatusCode.DATA_LOSS,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
}
_KINDS: Final[dict[grpc.StatusCode, type[FoveaError]]] = {
    **{code: kind for kind, code in _CODES.items()},
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.OUT_OF_RANGE: InvalidInput,
    grpc.StatusCode.ABORTED: Unavailable,
    grpc.StatusCode.CANCELLED: DeadlineExceeded,
}
_NUMBERS: Final = {code: code_pb2.Code.Value(code.name) for code in grpc.StatusCode}


def status_code(error: BaseException) -> grpc.StatusCode:
    """Return the gRPC code of an error."""
    if isinstance(error, Conflict) and error.reason.endswith("EXISTS"):
        return grpc.StatusCode.ALREADY_EXISTS
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return code
    return grpc.StatusCode.INTERNAL


def to_status(error: BaseException, *, trace_id: str = "") -> grpc.Status:
    """Return what `context.abort_with_status` takes.

    Args:
        error: A kernel error, or anything else: then the caller learns nothing but the trace.
        trace_id: Where the operator finds the cause of an internal error.
    """
    if not isinstance(error, FoveaError):
        error = _hidden(trace_id)
    message = _cut(error.message, MOST_MESSAGE_BYTES)
    status = status_pb2.Status(
        code=_NUMBERS[status_code(error)],
        message=message,
        details=[_packed(detail) for detail in _details(error, message)],
    )
    return rpc_status.to_status(status)


def from_rpc_error(error: grpc.RpcError) -> FoveaError:
    """Return the kernel error that a failed call stands for; raise it `from` the original.

    A code that no kernel error has (INTERNAL, UNKNOWN, PERMISSION_DENIED...) gives a plain FoveaError with
    the code's name, or the server's reason, as its reason.
    """
    code = error.code()
    message = error.details() or f"the call failed with {code.name}"
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in message:
        return InvalidInput(message, reason="MESSAGE_TOO_LARGE")
    info, bad, retry = _unpacked(error)
    field = bad.field_violations[0].field if bad.field_violations else ""
    kind = _KINDS.get(code, FoveaError)
    if kind is Overloaded:
        retry_after_s = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
        return Overloaded(message, retry_after_s=retry_after_s or 1.0, field=field, reason=info.reason)
    return kind(message, field=field, reason=info.reason or _default_reason(kind, code))


def _default_reason(kind: type[FoveaError], code: grpc.StatusCode) -> str:
    """Keep the code's name where the kind alone would not tell what happened."""
    exact = _CODES.get(kind) is code
    return "" if exact else code.name


def _hidden(trace_id: str) -> FoveaError:
    where = f"; the log has the cause under trace {trace_id}" if trace_id else ""
    return FoveaError(f"internal error{where}", reason="INTERNAL")


def _details(error: FoveaError, message: str) -> list[Any]:
    details: list[Any] = [error_details_pb2.ErrorInfo(reason=_cut(error.reason, 128), domain=DOMAIN)]
    if error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=_cut(error.field, 256), description=message
        )
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, Overloaded):
        details.append(error_details_pb2.RetryInfo(retry_delay=_duration(error.retry_after_s)))
    return details


def _duration(seconds: float) -> duration_pb2.Duration:
    usable = seconds if math.isfinite(seconds) else _MOST_RETRY_AFTER_S
    nanos = round(min(max(usable, 0.001), _MOST_RETRY_AFTER_S) * 1e9)
    return duration_pb2.Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)


def _packed(detail: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _cut(text: str, most_bytes: int) -> str:
    """Keep the text valid UTF-8 and short enough for a trailer."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= most_bytes:
        return raw.decode()
    return raw[: most_bytes - 3].decode("utf-8", "ignore") + "…"


_Details = tuple[error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo]


def _unpacked(error: grpc.RpcError) -> _Details:
    """Return the details that came along; those that did not are empty."""
    wanted: _Details = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    for packed in _carried(error):
        for message in wanted:
            if packed.Is(message.DESCRIPTOR):
                packed.Unpack(message)
    return wanted


def _carried(error: grpc.RpcError) -> list[any_pb2.Any]:
    try:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]  # a failed call is both
    except (ValueError, DecodeError):  # a proxy may send a status without matching details
        return []
    return [] if status is None else list(status.details)
