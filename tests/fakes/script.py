"""What a fake server is told to get wrong, and what it was asked."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


@dataclass(frozen=True)
class Trouble:
    """How one call is to fail."""

    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    message: str = "not now"
    reason: str = ""
    field: str = ""
    retry_after_s: float = 0.0
    after_answers: int = 0
    """For a stream: how many answers it gives before it breaks."""

    def end(self, context: grpc.ServicerContext) -> None:
        """Abort the call with all that the real server would say."""
        details: list[Any] = []
        if self.reason:
            details.append(error_details_pb2.ErrorInfo(reason=self.reason, domain="fovea"))
        if self.field:
            violation = error_details_pb2.BadRequest.FieldViolation(field=self.field)
            details.append(error_details_pb2.BadRequest(field_violations=[violation]))
        if self.retry_after_s:
            delay = duration_pb2.Duration(nanos=int(self.retry_after_s * 1e9))
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        for detail in details:
            packed = any_pb2.Any()
            packed.Pack(detail)
            status.details.append(packed)
        context.abort_with_status(rpc_status.to_status(status))


@dataclass
class Script:
    """What goes wrong, call by call, and what was asked."""

    troubles: dict[str, deque[Trouble]] = field(default_factory=lambda: defaultdict(deque))
    requests: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    deadlines: dict[str, list[float | None]] = field(default_factory=lambda: defaultdict(list))
    delay_s: float = 0.0

    def plan(self, method: str, *troubles: Trouble) -> None:
        """Let the next calls of the method fail."""
        self.troubles[method].extend(troubles)

    def begin(self, method: str, context: grpc.ServicerContext, request: Any = None) -> Trouble | None:
        """Write a call down; fail it now, or return how its stream is to fail later."""
        self.calls[method] += 1
        self.deadlines[method].append(context.time_remaining())
        if request is not None:
            self.requests[method].append(request)
        time.sleep(self.delay_s)
        trouble = self.troubles[method].popleft() if self.troubles[method] else None
        if trouble is not None and not trouble.after_answers:
            trouble.end(context)
        return trouble
