"""One taxonomy of errors; each kind has one consequence at every door.

    FoveaError
    ├── InvalidInput        the caller must change the request
    ├── NotFound            what was named does not exist
    ├── Conflict            it exists already, or the state forbids it
    ├── Unsupported         this build or deployment cannot do it
    ├── DeadlineExceeded    the time the caller gave is used up
    ├── Corrupt             stored bytes are not what their digest says
    ├── Overloaded          try again later, after `retry_after_s`
    └── Unavailable         a dependency is down; try again

`services.runtime.grpc_errors` turns them into gRPC statuses, `services.runtime.event_loop`
into pause, retry or dead letter.
"""

from __future__ import annotations


class FoveaError(Exception):
    """What every error of the platform is.

    Args:
        message: For the person who meets it: what was wrong and what to do.
        field: Path of the offending request field, such as `regions[2].box`.
        reason: Stable upper-case code for programs; the class has a default.
    """

    default_reason = "UNKNOWN"

    def __init__(self, message: str, *, field: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.reason = reason or self.default_reason


class InvalidInput(FoveaError):
    """The caller must change the request."""

    default_reason = "INVALID_INPUT"


class NotFound(FoveaError):
    """What was named does not exist."""

    default_reason = "NOT_FOUND"


class Conflict(FoveaError):
    """The thing exists already, or is in a state that forbids the call."""

    default_reason = "CONFLICT"


class Unsupported(FoveaError):
    """This build or deployment cannot do it; the message says what can."""

    default_reason = "UNSUPPORTED"


class DeadlineExceeded(FoveaError):
    """The time that the caller gave is used up."""

    default_reason = "DEADLINE_EXCEEDED"


class Corrupt(FoveaError):
    """Stored bytes are not what their digest or format says."""

    default_reason = "CORRUPT"


class Overloaded(FoveaError):
    """There is no room now; `retry_after_s` says when to come back."""

    default_reason = "OVERLOADED"

    def __init__(
        self, message: str, *, retry_after_s: float = 1.0, field: str = "", reason: str = ""
    ) -> None:
        super().__init__(message, field=field, reason=reason)
        self.retry_after_s = retry_after_s


class Unavailable(FoveaError):
    """A dependency is down or not ready; the same call may succeed later."""

    default_reason = "UNAVAILABLE"
