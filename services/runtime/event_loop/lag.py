"""How far a group is behind: in events, and in seconds.

The threads that handle events say every second or so how far they are (`Place`), from what they have in hand;
one thread a process asks the log where its partitions end (`LagWatch`). The work itself waits for neither.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from services.kernel.errors import FoveaError

_log = logging.getLogger(__name__)
EVERY_S: Final = 5.0
_JOIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """How far a group is in one partition.

    Args:
        offset: Of the first event that is not done with; all before it are committed or need not be.
        since_s: When that event was published, in seconds since the epoch; None if it is not yet read.
    """

    offset: int
    since_s: float | None = None


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a group is behind in one partition; None where the log does not say."""

    messages: int | None
    seconds: float


class Places:
    """The places of a group in the partitions that a process has. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[int, Place] = {}
        self._idle_s: dict[int, float] = {}  # when the partition was last seen without anything to do

    def put(self, partition: int, place: Place) -> None:
        """Note how far the group is."""
        with self._lock:
            self._places[partition] = place

    @contextmanager
    def without(self, partition: int) -> Iterator[None]:
        """Forget a partition; nobody looks at lags until the block ends."""
        with self._lock:
            self._places.pop(partition, None)
            self._idle_s.pop(partition, None)
            yield

    @contextmanager
    def lags(self, ends: Mapping[int, int] | None, now_s: float) -> Iterator[Mapping[int, Lag]]:
        """Give how far the group is behind; no partition comes or goes until the block ends.

        Args:
            ends: The offset that the next event of each partition gets; None if the log does not answer.
            now_s: Seconds since the epoch.
        """
        with self._lock:
            yield {
                partition: self._lag(partition, place, None if ends is None else ends[partition], now_s)
                for partition, place in self._places.items()
            }

    def _lag(self, partition: int, place: Place, end: int | None, now_s: float) -> Lag:
        messages = None if end is None else max(0, end - place.offset)
        idle_s = self._idle_s.setdefault(partition, now_s)
        if messages == 0:
            self._idle_s[partition] = now_s
            return Lag(0, 0.0)
        if place.since_s is not None:
            return Lag(messages, max(0.0, now_s - place.since_s))
        return Lag(messages, now_s - idle_s if messages else 0.0)


@runtime_checkable
class Watched(Protocol):
    """One subscription, to whoever looks at its lag."""

    topic: str

    def show_lag(self, ends: Mapping[int, int] | None, now_s: float) -> None:
        """Tell operators."""
        ...


class LagWatch:
    """Looks every few seconds how far the subscriptions of a process are behind.

    Args:
        end_offsets: The event log's.
        watched: The subscriptions.
        now_s: Seconds since the epoch.
        every_s: Between two looks.
    """

    def __init__(
        self,
        end_offsets: Callable[[str], Mapping[int, int]],
        watched: Sequence[Watched],
        now_s: Callable[[], float],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self._end_offsets = end_offsets
        self._watched = watched
        self._now_s = now_s
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lag", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking; a look that hangs is left to itself."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def look(self) -> None:
        """Look once."""
        for one in self._watched:
            one.show_lag(self._ends(one.topic), self._now_s())

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self.look()
            except Exception:  # noqa: BLE001  (logged; the next look may work)
                _log.warning("cannot tell how far events are behind", exc_info=True)

    def _ends(self, topic: str) -> Mapping[int, int] | None:
        try:
            return self._end_offsets(topic)
        except FoveaError:
            return None  # whoever handles events says in the log that it does not answer
