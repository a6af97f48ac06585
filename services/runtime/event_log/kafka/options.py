"""How this process talks to Kafka."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from services.runtime.event_log.kafka.security import Security

MIB = 2**20


@dataclass(frozen=True)
class KafkaOptions:
    """Sizes and times, whose defaults are those of the platform, and how brokers let this process in.

    Args:
        security: Encryption, and who this process is.
        record_bytes: The largest record that is sent. Topics are created to take it: a record that only
            the broker finds too large would end the producer for everybody.
        in_flight_bytes: How much may wait for acknowledgement in this process; further callers wait. The
            client library itself has no such limit.
        start_s: How long a process that starts waits for brokers that start as well.
        connect_s: How long the first answer of a broker may take.
        request_s: How long any other answer may take, before the request is tried again.
        delivery_s: How long a record may wait for its acknowledgement, before `publish` gives up.
        session_s: After this time without a sign of life a member's partitions go to the others.
        poll_interval_s: A member that does not poll for so long is taken to hang, and replaced.
        join_s: A member that is not in its group after this time tries again with a new connection. It is
            longer than a session: joining may have to wait until a dead member's session ends.
    """

    security: Security = field(default_factory=Security)
    record_bytes: int = 16 * MIB
    in_flight_bytes: int = 64 * MIB
    start_s: float = 60.0
    connect_s: float = 10.0
    request_s: float = 10.0
    delivery_s: float = 30.0
    session_s: float = 6.0
    poll_interval_s: float = 600.0
    join_s: float = 12.0


def connection(servers: str, options: KafkaOptions) -> dict[str, Any]:
    """Return what every client of the library is told."""
    return {
        "bootstrap_servers": servers.split(","),
        "client_id": "fovea",
        "bootstrap_timeout_ms": _ms(options.connect_s),
        "request_timeout_ms": _ms(options.request_s),
        "reconnect_backoff_max_ms": 2_000,  # half a minute by default, long after the broker is back
        **options.security.config(),
    }


def producing(servers: str, options: KafkaOptions) -> dict[str, Any]:
    """Return what a producer is told: a record is acknowledged when all in-sync copies have it, once."""
    return connection(servers, options) | {
        "acks": "all",
        "enable_idempotence": True,
        "max_request_size": options.record_bytes,
        "delivery_timeout_ms": _ms(options.delivery_s),
        "max_block_ms": 5_000,  # `send` itself waits for a topic's metadata, a minute by default
        "batch_size": 131_072,  # checksums cost least in large batches
        "linger_ms": 0,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }


def consuming(servers: str, options: KafkaOptions) -> dict[str, Any]:
    """Return what a reader is told."""
    return connection(servers, options) | {
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "fetch_max_bytes": 16 * MIB,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }


def joining(servers: str, options: KafkaOptions, group: str) -> dict[str, Any]:
    """Return what a member of a group is told."""
    return consuming(servers, options) | {
        "group_id": group,
        "session_timeout_ms": _ms(options.session_s),
        "heartbeat_interval_ms": _ms(options.session_s / 6),
        "max_poll_interval_ms": _ms(options.poll_interval_s),
    }


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
