"""Publishing: durable when it returns, whatever became of the producer before."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaProducer

from services.kernel.errors import FoveaError, InvalidInput, Unavailable
from services.runtime import deadline
from services.runtime.event_log.kafka.connecting import connect
from services.runtime.event_log.kafka.errors import FOREIGN, translate, translated
from services.runtime.event_log.kafka.options import KafkaOptions, producing
from services.runtime.event_log.kafka.records import Encoded
from services.runtime.event_log.ports import Position

_log = logging.getLogger(__name__)
_WHAT = "Kafka did not confirm the records"
_CLOSE_S = 5.0
_ANSWER_S = 0.3  # what the way back to a caller may take
_SLACK_S = 5.0  # what a future may take beyond the delivery's end to say so


class Producer:
    """Sends records and waits for each one's acknowledgement. Safe to use from many threads.

    An idempotent producer that met an error may be of no use ever after, and says so only by failing. So
    any failure replaces it: the next call starts a new one.
    """

    def __init__(self, servers: str, options: KafkaOptions) -> None:
        self._servers = servers
        self._options = options
        self._room = _Room(options.in_flight_bytes, options.delivery_s)
        self._lock = threading.Lock()
        self._producer: Any = None
        self._failed: Any = None
        self._closed = False

    def publish(self, records: Sequence[Encoded]) -> list[Position]:
        """Return where the records stand, in their order.

        Raises InvalidInput if the broker will never take one, Unavailable otherwise; records whose
        acknowledgement is missing may or may not have been written.
        """
        with self._room.taken(sum(record.size for record in records)):
            producer = self._current()
            try:
                futures = self._send(producer, records)
            except FOREIGN as error:
                self._replace(producer)
                raise translate(error, _WHAT) from error
            return self._wait(producer, futures)

    def close(self) -> None:
        """Send what is on its way, for a moment, and refuse further work."""
        with self._lock:
            self._closed = True
            producer, self._producer = self._producer, None
        self._room.close()
        if producer is not None:
            _end(producer, _CLOSE_S)

    def _current(self) -> Any:
        if (failed := self._failed) is not None:
            self._replace(failed)
        if not self._lock.acquire(timeout=_wanted_s(self._options.delivery_s)):
            raise Unavailable("Kafka has not been reached in the time there was", reason="LOG_DOWN")
        try:
            if self._closed:
                raise Unavailable("the event log is closed")
            if self._producer is None:
                with translated("cannot reach Kafka"):
                    self._producer = connect(KafkaProducer, producing(self._servers, self._options))
            return self._producer
        finally:
            self._lock.release()

    def _send(self, producer: Any, records: Sequence[Encoded]) -> list[Any]:
        return [
            producer.send(
                record.topic,
                value=record.value,
                key=record.key,
                headers=record.headers,
                timestamp_ms=record.timestamp_ms,
            )
            for record in records
        ]

    def _wait(self, producer: Any, futures: Sequence[Any]) -> list[Position]:
        """Look at every future: `flush` returns as if nothing were wrong when sends have failed.

        Whoever has less time than a delivery may take goes earlier, and leaves the producer to the others.
        """
        patience_s = self._options.delivery_s + _SLACK_S
        wanted_s = _wanted_s(patience_s)
        end_s = time.monotonic() + wanted_s
        positions: list[Position] = []
        errors: list[FoveaError] = []
        for future in futures:
            try:
                written = future.get(max(0.0, end_s - time.monotonic()))
            except FOREIGN as error:
                if wanted_s < patience_s and not future.is_done:
                    self._leave(producer, futures)
                    raise Unavailable(
                        f"{_WHAT} in the time that the caller has", reason="LOG_SLOW"
                    ) from error
                errors.append(_caused(error))
                self._replace(producer)  # so that the other futures end as well
            else:
                positions.append(Position(written.topic, written.partition, written.offset))
        if errors:
            # what will never be taken is the reason; the others fell with it
            raise next((error for error in errors if isinstance(error, InvalidInput)), errors[0])
        return positions

    def _leave(self, producer: Any, futures: Sequence[Any]) -> None:
        """See to it that somebody notices if what nobody waits for any more fails."""

        def note(_: object) -> None:  # on the library's thread, which could not end its own producer
            self._failed = producer

        for future in futures:
            future.add_errback(note)

    def _replace(self, producer: Any) -> None:
        with self._lock:
            self._failed = None if self._failed is producer else self._failed
            if self._producer is not producer:
                return
            self._producer = None
        _log.warning("a Kafka producer failed; the next record starts a new one")
        _end(producer, 0.0)


class _Room:
    """Bytes that may be on their way at one time."""

    def __init__(self, size: int, patience_s: float) -> None:
        self._size = size
        self._free = size
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._closed = False

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Take some while it lasts; a call larger than all there is takes all. Raises Unavailable."""
        share = min(size, self._size)
        with self._changed:
            patience_s = _wanted_s(self._patience_s)
            free = self._changed.wait_for(lambda: self._closed or self._free >= share, patience_s)
            if self._closed:
                raise Unavailable("the event log is closed")
            if not free:
                message = "too many records wait for Kafka's confirmation already"
                raise Unavailable(message, reason="LOG_SLOW")
            self._free -= share
        try:
            yield
        finally:
            with self._changed:
                self._free += share
                self._changed.notify_all()

    def close(self) -> None:
        """Let those who wait go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _wanted_s(most_s: float) -> float:
    """Return how long to wait: less than the caller has, so that the answer says what was waited for."""
    left_s = deadline.remaining_s()
    return most_s if left_s is None else min(most_s, max(left_s - _ANSWER_S, left_s / 2))


def _caused(error: BaseException) -> FoveaError:
    translation = translate(error, _WHAT)
    translation.__cause__ = error
    return translation


def _end(producer: Any, timeout_s: float) -> None:
    """Close a producer; what it holds is given up, so that whoever waits for it is told.

    The library's `close` flushes first, and leaves its thread running if that fails.
    """
    try:
        producer.close(timeout=timeout_s)
    except FOREIGN:
        _log.debug("a producer did not flush", exc_info=True)
        producer._sender.force_close()  # noqa: SLF001  (there is no other way)
