"""Failures: errors of single items, which an answer carries instead of ending with them."""

from __future__ import annotations

import logging

from fovea.kernel.v1 import failure_pb2
from services.kernel.errors import FoveaError, Overloaded
from services.kernel.failures import Failure
from services.runtime import tracing
from services.runtime.grpc_errors import status_code

_LOG = logging.getLogger(__name__)


def write_failure(failure: Failure) -> failure_pb2.Failure:
    """Write why one thing did not work."""
    return failure_pb2.Failure(
        status=failure.status,
        reason=failure.reason,
        message=failure.message,
        field=failure.field,
        retry_after_s=failure.retry_after_s,
    )


def read_failure(message: failure_pb2.Failure) -> Failure:
    """Read why one thing did not work."""
    return Failure(message.status, message.reason, message.message, message.field, message.retry_after_s)


def failure_of(error: Exception) -> Failure:
    """Return the failure that an error is; an unexpected one is logged and only its trace is told."""
    status = status_code(error).name
    if isinstance(error, FoveaError):
        retry_after_s = error.retry_after_s if isinstance(error, Overloaded) else 0.0
        return Failure(status, error.reason, error.message, error.field, retry_after_s)
    _LOG.error("an item failed unexpectedly", exc_info=error)
    trace = tracing.current()
    where = f"; the log has the cause under trace {trace.trace_id}" if trace else ""
    return Failure(status, "INTERNAL", f"internal error{where}")
