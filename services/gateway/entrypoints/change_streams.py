"""Streams of changes of the memory: prepared side by side, handed over in groups, answered in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from services.gateway.domain.teaching import Change
from services.gateway.ports import Pending
from services.gateway.usecases.teach import Teach
from services.runtime import deadline
from services.runtime.codec.failure import failure_of, write_failure
from services.runtime.stream_window import Line, Place, Take, in_order
from services.runtime.stream_workers import Workers, outcome

Q = TypeVar("Q")
R = TypeVar("R")


@dataclass(frozen=True)
class Kind(Generic[Q, R]):
    """What sort of stream it is.

    Attributes:
        prepare: From a request to the change that it asks for.
        asked_id: The exemplar that a request names, if any.
        answer: Makes an answer of `exemplar_id` and either `memory_version` or `failure`.
    """

    prepare: Callable[[Q], Change]
    asked_id: Callable[[Q], str]
    answer: Callable[..., R]


@dataclass(frozen=True)
class _Taught:
    """An exemplar that was handed over; its time ends at `end_s` of the monotonic clock."""

    exemplar_id: str
    pending: Pending
    end_s: float


class ChangeStreams:
    """Runs streams; each answer says that one change is durable, or carries its failure.

    Args:
        teach: Hands changes over.
        workers: Prepare the items of all streams.
        window: Changes of one stream on their way at a time. Only their preparation holds a thread,
            so a window may be wide, and encoding always has something to do.
    """

    def __init__(self, teach: Teach, workers: Workers, *, window: int) -> None:
        self._teach = teach
        self._workers = workers
        self._window = window

    def __call__(self, requests: Iterator[Q], kind: Kind[Q, R]) -> Iterator[R]:
        """Yield the answers in the order of the requests."""
        line: Line[Change, _Taught] = Line(self._hand_over)

        def begin(request: Q) -> Take[R]:
            place = line.join()
            prepared = self._workers.submit(partial(_prepare, kind, request, line, place))
            return partial(_answer, kind, kind.asked_id(request), lambda: outcome(prepared), place)

        return in_order(requests, begin, size=self._window)

    def _hand_over(self, changes: Sequence[Change]) -> Sequence[_Taught]:
        """Publish a group of changes in one write."""
        end_s = time.monotonic() + self._workers.item_timeout_s
        pending = self._teach(changes)
        return [
            _Taught(change.exemplar_id, each, end_s) for change, each in zip(changes, pending, strict=True)
        ]


def _prepare(
    kind: Kind[Q, R], request: Q, line: Line[Change, _Taught], place: Place[Change, _Taught]
) -> None:
    try:
        change = kind.prepare(request)
    except Exception as error:  # noqa: BLE001  (an item's error is its answer)
        line.leave(place, error)
    else:
        line.ready(place, change)


def _answer(
    kind: Kind[Q, R], asked_id: str, prepared: Callable[[], None], place: Place[Change, _Taught]
) -> R:
    """Wait for one change to be durable, and say so or why not."""
    exemplar_id = asked_id
    try:
        prepared()
        taught = outcome(place.outcome)
        exemplar_id = taught.exemplar_id
        with deadline.within(max(0.0, taught.end_s - time.monotonic())):
            version = taught.pending.result()
    except Exception as error:  # noqa: BLE001  (an item's error is its answer)
        return kind.answer(exemplar_id=exemplar_id, failure=write_failure(failure_of(error)))
    return kind.answer(exemplar_id=exemplar_id, memory_version=version)
