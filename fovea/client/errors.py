"""What can go wrong, as one small tree; catch `FoveaError` for all of it.

FoveaError
├── InvalidInput        change the request: `field` says where
├── NotFound            what was named does not exist
├── Conflict            it exists already, or its state forbids the call
├── Unsupported         this server cannot do it; the message says what can
├── DeadlineExceeded    the time that was given is used up
├── Cancelled           the call was cancelled
├── Overloaded          no room now: try again after `retry_after_s`
├── Unavailable         the server cannot be reached, or a part of it is down
├── Denied              not allowed
├── Corrupt             stored bytes are not what their digest says
└── ServerFault         a fault of the server; its log has the cause
"""

from __future__ import annotations


class FoveaError(Exception):
    """What every error of the client is.

    Attributes:
        message: For people: what was wrong and what to do.
        reason: Stable upper-case code for programs: `IMAGE_TRUNCATED`.
        field: Path of the field that was wrong, if one was: `regions[2].box`.
        retry_after_s: When trying again may help, in seconds; 0 if the server did not say.
    """

    default_reason = "UNKNOWN"

    def __init__(
        self, message: str, *, reason: str = "", field: str = "", retry_after_s: float = 0.0
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.field = field
        self.retry_after_s = retry_after_s


class InvalidInput(FoveaError):
    """The request must change; `field` says where."""

    default_reason = "INVALID_INPUT"


class NotFound(FoveaError):
    """What was named does not exist."""

    default_reason = "NOT_FOUND"


class Conflict(FoveaError):
    """The thing exists already, or is in a state that forbids the call."""

    default_reason = "CONFLICT"


class Unsupported(FoveaError):
    """This server cannot do it; the message says what can."""

    default_reason = "UNSUPPORTED"


class DeadlineExceeded(FoveaError):
    """The time that was given is used up."""

    default_reason = "DEADLINE_EXCEEDED"


class Cancelled(FoveaError):
    """The call was cancelled."""

    default_reason = "CANCELLED"


class Overloaded(FoveaError):
    """There is no room now; try again after `retry_after_s`."""

    default_reason = "OVERLOADED"


class Unavailable(FoveaError):
    """The server cannot be reached, or a part of it is down."""

    default_reason = "UNAVAILABLE"


class Denied(FoveaError):
    """The caller is not allowed to do this."""

    default_reason = "DENIED"


class Corrupt(FoveaError):
    """Stored bytes are not what their digest says."""

    default_reason = "CORRUPT"


class ServerFault(FoveaError):
    """The server has a fault; its log has the cause."""

    default_reason = "INTERNAL"
