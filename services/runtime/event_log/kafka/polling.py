"""Waiting for records in slices, so that a closed log lets its readers go."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain
from typing import Any, Final

from services.kernel.errors import InvalidInput
from services.runtime.event_log.kafka.errors import translated
from services.runtime.event_log.kafka.records import decode
from services.runtime.event_log.ports import Record

SLICE_S: Final = 0.25

Turn = Callable[[float, int], list[Record] | None]
"""Takes seconds and the most records to return; None ends the waiting."""


def poll(turn: Turn, check: Callable[[], None], *, timeout_s: float, most: int) -> list[Record]:
    """Call `turn(seconds, most)` until it gives records or the time is up; `check` before each time."""
    if most < 1:
        raise InvalidInput(f"most={most} must be at least 1", field="most")
    end_s = time.monotonic() + timeout_s
    while True:
        check()
        left_s = end_s - time.monotonic()
        records = turn(max(0.0, min(SLICE_S, left_s)), most)
        if records is None:
            return []
        if records or time.monotonic() >= end_s:
            return records


def fetch(inner: Any, timeout_s: float, most: int) -> list[Record]:
    """Return what a consumer of the library gives, in order within each partition."""
    with translated("cannot read from Kafka"):
        batches = inner.poll(timeout_ms=timeout_s * 1000, max_records=most)
    return [decode(read) for read in chain.from_iterable(batches.values())]
