"""One hop over Kafka, beside the bare client: processor time, and how long an event waits for its handler.

Both sides run in this process on one broker and take turns. Ours is the event loop with everything on:
protobuf read and written, trace and event ids handed on, metrics, dead letters, retries. The bare loop copies
the bytes of the same records. Where something is passed on, both wait for every acknowledgement, then commit,
and read at most as many records at once. A member marks its first events in the log; those are over before
anything is measured.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from benchmarks.kafka_sides import BARE_TOPICS, MOST, Side, bare, ours
from benchmarks.table import milliseconds, table
from infra.local.kafka import KafkaServer
from infra.local.server import running
from services.runtime.event_log.kafka import KafkaLog
from services.runtime.topics import TOPICS

ROUNDS: Final = 7
EVENTS: Final = 2_000
PER_SECOND: Final = 50
SECONDS: Final = 6.0
_PATIENCE_S: Final = 60.0
T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """What was measured of one side, a figure of each round.

    Args:
        cpu_s: Processor time of this process for one event.
        p50_s: From before the call that publishes an event to the start of its handler.
        p99_s: The same.
    """

    cpu_s: Sequence[float]
    p50_s: Sequence[float]
    p99_s: Sequence[float]


def measure(*, rounds: int = ROUNDS, events: int = EVENTS, seconds: float = SECONDS) -> Mapping[str, Found]:
    """Start a broker, and let the sides take turns on it."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(running(KafkaServer(), Path(folder)))
        servers = server.settings["FOVEA_KAFKA_SERVERS"]
        log = stack.enter_context(closing(KafkaLog(servers, {**TOPICS.settings(), **BARE_TOPICS})))
        sides = {
            "bare, passed on": stack.enter_context(bare(servers, topic="bare.in")),
            "bare, passed on without headers": stack.enter_context(bare(servers, topic="headless.in")),
            "ours, passed on": stack.enter_context(ours(log, passes_on=True)),
            "bare, read": stack.enter_context(bare(servers, topic="bare.read")),
            "ours, read": stack.enter_context(ours(log, passes_on=False)),
        }
        cpu = _in_turn(sides, rounds, lambda side: _spent_s(side, events))
        waits = _in_turn(sides, rounds, lambda side: waits_s(side, seconds))
    return {name: _found(cpu[name][1:], waits[name][1:]) for name in sides}


def report(found: Mapping[str, Found]) -> str:
    """Return the result as a table."""
    rows = [_row(name, one, found[_opponent(name)]) for name, one in found.items()]
    head = ("hop over Kafka", "CPU us", "over bare", "spread", "p50 ms", "over bare", "p99 ms", "over bare")
    return (
        f"events of 1 kB, {MOST} read at once; CPU at full speed, waits at {PER_SECOND} events a second\n"
        f"goals: CPU of passing on <= 1.3; p50 of reading <= 1.2, p99 <= 1.5\n{table(head, rows)}"
    )


def _opponent(name: str) -> str:
    return "bare, read" if name.endswith("read") else "bare, passed on"


def _in_turn(sides: Mapping[str, Side], rounds: int, work: Callable[[Side], T]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {name: [] for name in sides}
    for _ in range(rounds + 1):  # the first does not count
        for name, side in sides.items():
            found[name].append(work(side))
    return found


def _spent_s(side: Side, events: int) -> float:
    """Return the processor time for each of some events that lie there already."""
    names = [uuid.uuid4().hex for _ in range(events)]
    for at in range(0, events, 200):
        side.send(names[at : at + 200])
    began_s = time.process_time()
    _work_off(side)
    return (time.process_time() - began_s) / events


def waits_s(side: Side, seconds: float) -> tuple[float, float]:
    """Return the median and the 99th percentile of what events wait that come at a steady pace."""
    side.seen.waited_s.clear()
    stop = threading.Event()
    sender = threading.Thread(target=_send_steadily, args=(side, seconds, stop))
    sender.start()
    while not stop.is_set():
        side.step()
    sender.join()
    _work_off(side)
    p50_s, p99_s = np.percentile(side.seen.waited_s, [50, 99])
    return float(p50_s), float(p99_s)


def _send_steadily(side: Side, seconds: float, stop: threading.Event) -> None:
    began_s = time.monotonic()
    for number in range(round(seconds * PER_SECOND)):
        stop.wait(max(0.0, began_s + number / PER_SECOND - time.monotonic()))
        side.send([uuid.uuid4().hex])
    stop.set()


def _work_off(side: Side) -> None:
    end_s = time.monotonic() + _PATIENCE_S
    while side.seen.sent_s:
        if time.monotonic() > end_s:
            raise TimeoutError(f"{len(side.seen.sent_s)} events were not handled")
        side.step()


def _found(cpu_s: Sequence[float], waits_s: Sequence[tuple[float, float]]) -> Found:
    return Found(cpu_s, [p50_s for p50_s, _ in waits_s], [p99_s for _, p99_s in waits_s])


def _row(name: str, one: Found, opponent: Found) -> tuple[str, ...]:
    cpu_s, p50_s, p99_s = (statistics.median(each) for each in (one.cpu_s, one.p50_s, one.p99_s))
    spread = (max(one.cpu_s) - min(one.cpu_s)) / cpu_s
    return (
        name,
        f"{1e6 * cpu_s:.0f}",
        f"{cpu_s / statistics.median(opponent.cpu_s):.2f}",
        f"{100 * spread:.0f} %",
        milliseconds(p50_s),
        f"{p50_s / statistics.median(opponent.p50_s):.2f}",
        milliseconds(p99_s),
        f"{p99_s / statistics.median(opponent.p99_s):.2f}",
    )


if __name__ == "__main__":
    print(report(measure()))
