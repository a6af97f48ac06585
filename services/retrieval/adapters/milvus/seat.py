"""Which replica writes: the one that the log gives the first partition of the memory's topic.

A group of the log is used as a lock alone: nothing is read through it, and nothing committed. The replica
that holds the partition follows the whole topic; when it ends, or is taken for dead, another gets it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from services.kernel.errors import FoveaError, Unavailable
from services.runtime.event_log.ports import Consumer, EventLog, TopicPartition

GROUP: Final = "memory-writer"
_POLL_S: Final = 0.25
_RETRY_S: Final = 1.0
_LOG = logging.getLogger(__name__)


class WriterSeat:
    """Keeps asking for the writer's seat, and says whether this replica has it.

    Args:
        log: Whose group decides.
        topic: Its first partition is the seat.
        trust_s: How long after the last word of the log the seat is held to be ours. Less than the time
            after which the log gives it to another, so that a process that stood still stops in time.
        clock: Gives seconds; only differences count.
    """

    def __init__(
        self,
        log: EventLog,
        topic: str,
        *,
        trust_s: float = 4.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._topic = topic
        self._trust_s = trust_s
        self._clock = clock
        self._until = clock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="milvus-seat", daemon=True)

    def start(self) -> None:
        """Begin to ask, and return at once."""
        self._thread.start()

    def close(self) -> None:
        """Give the seat to another replica."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def is_held(self) -> bool:
        """Say whether this replica is the one that writes."""
        return self._clock() < self._until

    def hold(self) -> None:
        """Raise Unavailable unless this replica is the one that writes."""
        if not self.is_held():
            raise Unavailable("another replica writes the memory", reason="NOT_THE_WRITER")

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with self._log.consumer(GROUP, [self._topic]) as consumer:
                    while not self._stop.is_set():
                        self._ask(consumer)
            except FoveaError as error:
                _LOG.warning("the log does not say who writes the memory: %s", error)
            except Exception:  # noqa: BLE001  (the log may recover; it is logged)
                _LOG.exception("asking who writes the memory failed")
            self._until = self._clock()
            self._stop.wait(_RETRY_S)

    def _ask(self, consumer: Consumer) -> None:
        asked_at = self._clock()
        consumer.poll(_POLL_S, most=1)
        owned = consumer.assignment()
        consumer.pause(owned)
        if TopicPartition(self._topic, 0) in owned:
            self._until = asked_at + self._trust_s
        else:
            self._until = asked_at
