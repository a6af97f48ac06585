"""Kafka's errors in the platform's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kafka import errors as kafka

from services.kernel.errors import Conflict, FoveaError, InvalidInput, Unavailable
from services.runtime.event_log.kafka.greeting import NotTrusted

# A member that is no longer, or not yet again, part of its group: whoever has the partitions does the work.
_NOT_MINE: Final = (
    kafka.CommitFailedError,
    kafka.FencedInstanceIdError,
    kafka.IllegalGenerationError,
    kafka.RebalanceInProgressError,
    kafka.UnknownMemberIdError,
)
# Asking again does not help: somebody has to change what this client is told, or what it may do.
REFUSED: Final = (
    NotTrusted,
    kafka.AuthorizationError,
    kafka.SaslAuthenticationFailedError,
    kafka.UnsupportedSaslMechanismError,
)
_TOO_LATE: Final = (
    "they come later than the topic takes them: this process or the broker stood still meanwhile, or this "
    "machine's clock is behind the broker's"
)
# What this library raises beside its own errors when the other side is not there or is just going away.
FOREIGN: Final = (kafka.KafkaError, OSError, ValueError, AssertionError, RuntimeError)


def translate(error: BaseException, what: str) -> FoveaError:
    """Return the kernel's error for one of the library's; `what` could not be done."""
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, kafka.MessageSizeTooLargeError | kafka.RecordListTooLargeError):
        return InvalidInput(f"{what}: the record is too large for the topic", reason="RECORD_TOO_LARGE")
    if isinstance(error, kafka.InvalidRecordError):
        return InvalidInput(f"{what}: {said}", reason="RECORD_REFUSED")
    if isinstance(error, kafka.OffsetMetadataTooLargeError):
        return InvalidInput(f"{what}: the note is too long", field="metadata")
    if isinstance(error, _NOT_MINE):
        return Conflict(f"{what}: {said}", reason="PARTITION_NOT_ASSIGNED")
    return _unavailable(error, what, said)


def _unavailable(error: BaseException, what: str, said: str) -> Unavailable:
    if isinstance(error, kafka.InvalidTimestampError):
        return Unavailable(f"{what}: {_TOO_LATE}", reason="TOO_LATE")
    if isinstance(error, REFUSED):
        reason = "NOT_TRUSTED" if isinstance(error, NotTrusted) else "NOT_ALLOWED"
        return Unavailable(f"{what}: Kafka does not allow it to this client: {said}", reason=reason)
    return Unavailable(f"{what}: {said}", reason="LOG_DOWN")


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise the kernel's errors instead of the library's."""
    try:
        yield
    except FOREIGN as error:
        raise translate(error, what) from error
