"""Many threads that publish numbered events and remember which were acknowledged; and the account of them."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from google.protobuf.wrappers_pb2 import StringValue

from benchmarks.measure import resident_bytes
from services.kernel.errors import Unavailable
from services.runtime.event_log.ports import EventLog
from services.runtime.events import EventWriter, event_id
from services.runtime.publisher import Publisher
from services.runtime.topics import TopicTable
from tests.chaos.relay import Numbered

_KEYS: Final = 3  # of each thread
_STEP: Final = 4  # events of each key in one call
_PADDING: Final = "." * 4096
_PACE_S: Final = 0.25
_PATIENCE_S: Final = 120.0


@dataclass
class _Writer:
    """What one thread was promised."""

    keys: Sequence[str]
    acked: int = 0  # events of each of its keys
    acks_s: list[float] = field(default_factory=list)
    refused: int = 0


class Publishing:
    """Publishes until told to stop; what is refused is published again, as an event loop does.

    Args:
        log: Shared by all threads.
        topics: What they publish to.
        threads: How many.
    """

    def __init__(self, log: EventLog, topics: TopicTable, *, threads: int) -> None:
        self._publisher = Publisher(log, EventWriter(topics, producer="publishing/0"))
        self._topic = next(iter(topics)).name
        self._stop = threading.Event()
        self._given_up = threading.Event()
        self._resident: list[int] = []
        self.writers = [_Writer([f"w{n}-{key}" for key in range(_KEYS)]) for n in range(threads)]
        works = [partial(self._write, one) for one in self.writers] + [self._watch_memory]
        self._threads = [threading.Thread(target=work, daemon=True) for work in works]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, each with an acknowledgement: what was begun is published until it is there."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_PATIENCE_S)
        assert not any(thread.is_alive() for thread in self._threads), "publishing never succeeded again"

    def give_up(self) -> None:
        """End without waiting, for whoever has failed."""
        self._stop.set()
        self._given_up.set()

    @property
    def acked(self) -> dict[str, int]:
        """How many events of each key were acknowledged: the numbers below."""
        return {key: one.acked for one in self.writers for key in one.keys}

    @property
    def refused(self) -> int:
        """How often `publish` raised."""
        return sum(one.refused for one in self.writers)

    @property
    def longest_wait_s(self) -> float:
        """The longest time between two acknowledgements of one thread."""
        return max(
            later - earlier
            for one in self.writers
            for earlier, later in zip(one.acks_s, one.acks_s[1:], strict=False)
        )

    @property
    def growth_bytes(self) -> int:
        """How far the memory of this process rose above what it had when publishing had begun."""
        return max(self._resident) - self._resident[0]

    def first_after(self, moment_s: float) -> dict[Numbered, float] | None:
        """Return each thread's first event acknowledged after a moment, and when; None while one has none."""
        found = {}
        for one in self.writers:
            rounds = list(one.acks_s)
            turn = next((turn for turn, at_s in enumerate(rounds) if at_s > moment_s), None)
            if turn is None:
                return None
            found[Numbered(one.keys[-1], (turn + 1) * _STEP - 1)] = rounds[turn]
        return found

    def _write(self, one: _Writer) -> None:
        while not self._stop.is_set():
            numbers = range(one.acked, one.acked + _STEP)
            events = [StringValue(value=f"{key} {n} {_PADDING}") for n in numbers for key in one.keys]
            ids = [event_id(self._topic, key, str(n)) for n in numbers for key in one.keys]
            while not self._taken(one, events, ids):
                if self._given_up.is_set():
                    return
            one.acked += _STEP
            one.acks_s.append(time.monotonic())
            self._stop.wait(_PACE_S)

    def _taken(self, one: _Writer, events: Sequence[StringValue], ids: Sequence[str]) -> bool:
        with suppress(Unavailable):
            self._publisher.publish(*events, event_ids=ids)
            return True
        one.refused += 1
        return False

    def _watch_memory(self) -> None:
        while not self._stop.is_set():
            if all(one.acked for one in self.writers):
                self._resident.append(resident_bytes(os.getpid()))
            self._stop.wait(_PACE_S)


@dataclass(frozen=True)
class Account:
    """What came of the events that were acknowledged.

    Args:
        lost: Acknowledged, and not there.
        doubled: There under more than one event id, so that nobody could tell that they are one.
        wrong: There before an earlier one of their key, repetitions left out.
        repeated: There more than once under the same id; whoever reads leaves those out.
    """

    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    repeated: int = 0


def account(found: Iterable[tuple[str, Numbered]], acked: dict[str, int]) -> Account:
    """Hold event ids and what they say, in the order of reading, against what was acknowledged."""
    ids: dict[Numbered, set[str]] = defaultdict(set)
    highest: dict[str, int] = defaultdict(lambda: -1)
    wrong = repeated = 0
    for own_id, one in found:
        if own_id in ids[one]:
            repeated += 1
            continue
        if not ids[one]:
            wrong += one.number != highest[one.key] + 1
            highest[one.key] = max(highest[one.key], one.number)
        ids[one].add(own_id)
    lost = sum(Numbered(key, number) not in ids for key, count in acked.items() for number in range(count))
    doubled = sum(len(each) > 1 for each in ids.values())
    return Account(lost, doubled, wrong, repeated)


def until(condition: Callable[[], bool], what: str, *, patience_s: float) -> None:
    """Wait. Raises AssertionError, saying what did not happen."""
    end_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end_s, f"{what} within {patience_s:.0f} s"
        time.sleep(0.05)
