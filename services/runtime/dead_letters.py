"""An event that nobody could handle: kept with where it came from and why it is here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from services.kernel.errors import FoveaError, InvalidInput
from services.runtime.event_log.ports import NewRecord, Position, Record
from services.runtime.topics import DEAD

_PREFIX: Final = "dead-"
_MOST_CHARACTERS: Final = 1_000


@dataclass(frozen=True)
class Cause:
    """Why an event could not be handled, and by whom."""

    error_class: str
    reason: str
    message: str
    field: str
    attempts: int
    service: str
    version: str
    first_seen_s: float
    last_seen_s: float


@dataclass(frozen=True)
class DeadLetter:
    """The event as it was, and why it is here. `headers` are the event's own."""

    origin: Position
    key: str
    value: bytes | None
    headers: Mapping[str, str]
    cause: Cause

    def to_record(self) -> NewRecord:
        """Return the record for the topic of dead letters."""
        cause = self.cause
        why = {
            "topic": self.origin.topic,
            "partition": str(self.origin.partition),
            "offset": str(self.origin.offset),
            "key": self.key,
            "error-class": cause.error_class,
            "reason": cause.reason,
            "message": cause.message[:_MOST_CHARACTERS],
            "field": cause.field,
            "attempts": str(cause.attempts),
            "service": cause.service,
            "version": cause.version,
            "first-seen": _utc(cause.first_seen_s),
            "last-seen": _utc(cause.last_seen_s),
        }
        headers = {**self.headers, **{_PREFIX + name: text for name, text in why.items()}}
        return NewRecord(self.origin.topic + DEAD, self.key, self.value, headers)

    @classmethod
    def of_record(cls, record: Record) -> DeadLetter:
        """Return the dead letter that a record holds. Raises InvalidInput if it is none."""
        why = {
            name.removeprefix(_PREFIX): text
            for name, text in record.headers.items()
            if name.startswith(_PREFIX)
        }
        headers = {name: text for name, text in record.headers.items() if not name.startswith(_PREFIX)}
        try:
            origin = Position(why["topic"], int(why["partition"]), int(why["offset"]))
            return cls(origin, why["key"], record.value, headers, _cause(why))
        except (KeyError, ValueError) as error:
            raise InvalidInput(f"the record is no dead letter: {error!r}", reason="UNDECODABLE") from error


def describe(error: Exception) -> tuple[str, str, str, str]:
    """Return class, reason, message and field of an error."""
    name = type(error).__name__
    if isinstance(error, FoveaError):
        return name, error.reason, error.message, error.field
    return name, "INTERNAL", f"{name}: {error}", ""


def _cause(why: Mapping[str, str]) -> Cause:
    return Cause(
        error_class=why["error-class"],
        reason=why["reason"],
        message=why["message"],
        field=why["field"],
        attempts=int(why["attempts"]),
        service=why["service"],
        version=why["version"],
        first_seen_s=datetime.fromisoformat(why["first-seen"]).timestamp(),
        last_seen_s=datetime.fromisoformat(why["last-seen"]).timestamp(),
    )


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
