"""Keeps a view of some topics up to date: a thread that tails them and applies each record."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from services.kernel.errors import InvalidInput, Unavailable
from services.runtime.event_log.ports import EventLog, Record, Start, Tail, TopicPartition
from services.runtime.event_loop.retry import RetryPolicy
from services.runtime.event_loop.subscription import Clock

_log = logging.getLogger(__name__)
_IDLE_S: Final = 0.25
_MOST: Final = 500

Apply = Callable[[Record], None]
ApplyAll = Callable[[Sequence[Record]], None]


@dataclass(frozen=True)
class _Waiter:
    """Somebody who waits for offsets to be applied."""

    offsets: Mapping[TopicPartition, int]
    reached: threading.Event = field(default_factory=threading.Event)


class Follower:
    """Applies the records of some topics to a view, in order within a partition, for ever.

    While the log or what `apply` needs is Unavailable, it tries the same record again. Any other error of
    `apply` stops it for good, and `check` and all waits raise: a view with a hole would answer wrongly.

    Args:
        log: Where the records are.
        topics: Their names.
        apply: Called with each record, in the follower's own thread; may meet a record again after an error.
        apply_all: In place of `apply`: called with all records that have come, which it applies or does not.
        start: Where to begin; a snapshot gives its offsets.
        retry: How long to wait after an error.
    """

    def __init__(  # noqa: PLR0913  (three are by name, and rare)
        self,
        log: EventLog,
        topics: Sequence[str],
        apply: Apply | None = None,
        *,
        apply_all: ApplyAll | None = None,
        start: Start | Mapping[TopicPartition, int] = "beginning",
        retry: RetryPolicy | None = None,
    ) -> None:
        self._log = log
        self._topics = topics
        self._apply = apply_all or _one_by_one(apply)
        self._at_once = _MOST if apply_all else 1
        self._start = start
        self._retry = retry or RetryPolicy(cap_s=5.0)
        self._random = Clock().random
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._waiters: list[_Waiter] = []
        self._position: dict[TopicPartition, int] = {}
        self._target: Mapping[TopicPartition, int] = {}
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"follow:{','.join(topics)}", daemon=True)

    def start(self) -> None:
        """Begin. Raises NotFound for an unknown topic, Unavailable if the log cannot be read."""
        self._target = {
            TopicPartition(topic, partition): offset
            for topic in self._topics
            for partition, offset in self._log.end_offsets(topic).items()
        }
        tail = self._log.tail(self._topics, start=self._start)
        self._position = dict(tail.position())
        self._tail = tail
        self._thread.start()

    def wait_caught_up(self, timeout_s: float) -> bool:
        """Wait until everything is applied that was in the log when it started; say whether it is."""
        return self.wait_until(self._target, timeout_s)

    def position(self) -> Mapping[TopicPartition, int]:
        """Return, for each partition, the offset up to which every record is applied."""
        return dict(self._position)

    def wait_until(self, offsets: Mapping[TopicPartition, int], timeout_s: float) -> bool:
        """Wait until every partition is applied up to, not including, its offset; say whether it is.

        Raises:
            InvalidInput: A partition is none of the topics'.
            Unavailable: The follower has stopped.
        """
        if strange := sorted(offsets.keys() - self._position.keys()):
            raise InvalidInput(f"{strange} is not followed here", reason="UNKNOWN_PARTITION")
        waiter = _Waiter(offsets)
        with self._lock:
            self._waiters.append(waiter)
        try:
            self._wake()
            waiter.reached.wait(timeout_s)
            self.check()
            return self._reached(offsets)
        finally:
            with self._lock:
                self._waiters.remove(waiter)

    def check(self) -> None:
        """Raise Unavailable if the view is no longer kept up to date."""
        if self._error is not None:
            raise Unavailable(f"the view of {self._topics} has stopped: {self._error}") from self._error

    def close(self) -> None:
        """Stop after the record in hand."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            with self._tail as tail:
                while not self._stop.is_set():
                    self._read(tail)
        except Exception as error:  # noqa: BLE001  (it is shown to whoever asks)
            _log.exception("the view of %s has stopped", self._topics)
            self._error = error
        self._wake(everybody=True)

    def _read(self, tail: Tail) -> None:
        """Apply what has come."""
        records: list[Record] = []
        self._patiently(lambda: records.extend(tail.poll(_IDLE_S, most=_MOST)))
        for start in range(0, len(records), self._at_once):
            some = records[start : start + self._at_once]
            self._patiently(partial(self._apply, some))
            if self._stop.is_set():
                return
            self._position.update({record.source: record.position.offset + 1 for record in some})
            if self._waiters:
                self._wake()
        self._position.update(tail.position())  # also past gaps
        self._wake()

    def _patiently(self, action: Callable[[], None]) -> None:
        """Do it, again and again while something is Unavailable, until told to stop."""
        attempts = 0
        while not self._stop.is_set():
            try:
                action()
            except Unavailable as error:
                attempts += 1
                _log.warning("the view of %s waits: %s", self._topics, error)
                self._stop.wait(self._retry.delay_s(error, attempts, self._random))
            else:
                return

    def _reached(self, offsets: Mapping[TopicPartition, int]) -> bool:
        return all(self._position[source] >= offset for source, offset in offsets.items())

    def _wake(self, *, everybody: bool = False) -> None:
        """Let those go whose offsets are applied."""
        with self._lock:
            for waiter in self._waiters:
                if everybody or self._reached(waiter.offsets):
                    waiter.reached.set()


def _one_by_one(apply: Apply | None) -> ApplyAll:
    if apply is None:
        raise TypeError("a follower needs something that applies records")

    def apply_all(records: Sequence[Record]) -> None:
        for record in records:
            apply(record)

    return apply_all
