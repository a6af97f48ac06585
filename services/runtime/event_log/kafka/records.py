"""Records on their way to Kafka and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.kernel.errors import InvalidInput
from services.runtime.event_log.ports import NewRecord, Position, Record

# What the format needs beside key, value and headers, generously.
_FRAME_BYTES = 128
_HEADER_BYTES = 16


@dataclass(frozen=True)
class Encoded:
    """A record as bytes."""

    topic: str
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]
    size: int
    timestamp_ms: int | None


def encode(record: NewRecord, *, most: int) -> Encoded:
    """Return a record's bytes. Raises InvalidInput if it has more than `most`, or text that is none."""
    try:
        key = record.key.encode()
        headers = [(name, text.encode()) for name, text in record.headers.items()]
        texts = sum([len(text) + _HEADER_BYTES for _, text in headers])
        names = len("".join(record.headers).encode())
    except UnicodeEncodeError as error:
        raise InvalidInput(f"key {record.key!r} or a header is not valid Unicode", field="key") from error
    size = _FRAME_BYTES + len(key) + len(record.value or b"") + names + texts
    if size > most:
        message = f"a record for {record.topic} has {size} bytes, and {most} may be sent"
        raise InvalidInput(message, reason="RECORD_TOO_LARGE")
    timestamp_ms = None if record.as_of_s is None else round(record.as_of_s * 1000)
    return Encoded(record.topic, key, record.value, headers, size, timestamp_ms)


def decode(read: Any) -> Record:
    """Return a record of the library's. What another program wrote under no key has an empty one."""
    return Record(
        Position(read.topic, read.partition, read.offset),
        _text(read.key),
        read.value,
        {name: _text(value) for name, value in read.headers},
        read.timestamp / 1000,
    )


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
