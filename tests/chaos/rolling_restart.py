"""Two replicas of every service, each told to end while many calls are in flight, and started again."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import fovea
from infra.local.kafka import KafkaServer
from infra.local.server import running
from tests.chaos.callers import LABELS, LESSONS, Callers, Seen
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.platform import SERVICES
from tests.chaos.replicas import Replica, Replicas, started_replicas
from tests.e2e.pictures import png
from tests.e2e.processes import Program
from tests.e2e.scrape import Scrape
from tests.e2e.waiting import eventually

GRACE_S: Final = 120.0  # more than the calls of LONG need on two cores
CALL_S: Final = 300.0
PATIENCE_S: Final = 240.0
_LAST_S: Final = 20.0  # of each drain's later steps
HURRIED: Final = ("encoding", "gateway")  # of SHORT
_SERVED_BEFORE: Final = 30


@dataclass(frozen=True)
class Load:
    """How much is in flight: single pictures, streams of pictures with a window each, batches likewise.

    `drain_wait_s` has to be longer than callers take, under this load, to notice that a server is ending.
    """

    waiting: int
    streams: int
    batches: int
    drain_wait_s: float
    window: int = 4

    @property
    def in_flight(self) -> int:
        """Calls and items of streams at a time."""
        return self.waiting + (self.streams + self.batches) * self.window


SHORT: Final = Load(waiting=80, streams=4, batches=2, drain_wait_s=2.0)
LONG: Final = Load(waiting=800, streams=40, batches=10, drain_wait_s=10.0)


@dataclass
class Restarts:
    """What became of the processes that were told to end."""

    statuses: list[int] = field(default_factory=list)
    drains_s: list[float] = field(default_factory=list)

    def ended(self, status: int, began_s: float) -> None:
        """Note that one has ended."""
        self.statuses.append(status)
        self.drains_s.append(time.monotonic() - began_s)


def run(folder: Path, size: Size) -> list[Figures]:
    """Restart every replica, then all of one kind in a hurry."""
    load = LONG if size is Size.LONG else SHORT
    with running(KafkaServer(), folder / "kafka") as kafka:
        settings = {
            **kafka.settings,
            "FOVEA_QUEUED_CALLS": "1000",
            "FOVEA_DRAIN_WAIT_S": str(load.drain_wait_s),
            "FOVEA_DRAIN_GRACE_S": str(GRACE_S),
        }
        with started_replicas(folder, settings) as replicas:
            with fovea.Client(replicas.target_of("gateway"), collection=LESSONS) as client:
                client.create_collection(fovea.Collection(LESSONS))
            return [_rolling(replicas, load), _hurried(replicas, load)]


def _rolling(replicas: Replicas, load: Load) -> Figures:
    restarts = Restarts()
    with _loaded(replicas, load, "rolling") as (client, callers):
        for replica in replicas.all if load is LONG else _first(replicas):
            _restart(replicas, replica, restarts, callers.seen)
        callers.stop(PATIENCE_S)
        seen = callers.seen
        print(f"failed calls: {dict(seen.failures)}", flush=True)
        lost, doubled, wrong = _held_against(client, seen)
    assert max(restarts.drains_s) < load.drain_wait_s + GRACE_S, restarts.drains_s
    note = (
        f"{load.in_flight:,} calls and items of streams were in flight all the time, {seen.answers:,} were "
        f"answered and {seen.failures.total()} failed; {len(seen.receipts):,} images were handed in and "
        f"{len(seen.taught)} exemplars taught meanwhile. Every process ended with status 0, the last after "
        f"{max(restarts.drains_s):.1f} s, of which {load.drain_wait_s:.0f} s are for callers to notice."
    )
    return Figures(
        f"SIGTERM to each of {len(restarts.statuses)} replicas in turn",
        len(restarts.statuses),
        seen.answers + seen.failures.total() + len(seen.receipts),
        lost=lost + seen.failures.total(),
        doubled=doubled,
        wrong=wrong,
        note=note,
    )


def _hurried(replicas: Replicas, load: Load) -> Figures:
    restarts = Restarts()
    with _loaded(replicas, load, "hurried") as (client, callers):
        for replica in _first(replicas, *(HURRIED if load is SHORT else ())):
            _restart(replicas, replica, restarts, callers.seen, hurried=True)
        callers.stop(PATIENCE_S)
        seen = callers.seen
        print(f"failed calls: {dict(seen.failures)}", flush=True)
        lost, doubled, wrong = _held_against(client, seen)
    calls = seen.answers + seen.failures.total()
    note = (
        f"A second SIGTERM while a process drained ended it with status 0 within "
        f"{max(restarts.drains_s):.1f} s; {seen.failures.total()} of {calls:,} calls failed and said so."
    )
    return Figures(
        f"SIGTERM twice to each of {len(restarts.statuses)} replicas",
        len(restarts.statuses),
        calls + len(seen.receipts),
        lost=lost,
        doubled=doubled,
        wrong=wrong,
        note=note,
    )


@contextmanager
def _loaded(replicas: Replicas, load: Load, collection: str) -> Iterator[tuple[fovea.Client, Callers]]:
    """Give callers that have so much in flight."""
    target = replicas.target_of("gateway")
    with fovea.Client(target, collection=collection, timeout_s=CALL_S, window=load.window) as client:
        client.create_collection(fovea.Collection(collection))
        for label in LABELS:
            client.teach_image(label, png(label, seed=900))
        callers = Callers(
            client, collection, waiting=load.waiting, streams=load.streams, batches=load.batches
        )
        callers.start()
        yield client, callers


def _first(replicas: Replicas, *services: str) -> list[Replica]:
    """Return one replica of each service, or of some."""
    return [one for one in replicas.all if not one.number and one.service in (services or SERVICES)]


def _restart(
    replicas: Replicas, replica: Replica, restarts: Restarts, seen: Seen, *, hurried: bool = False
) -> None:
    """End one while it has work, and go on when it is back."""
    before = seen.answers
    eventually(lambda: seen.answers >= before + _SERVED_BEFORE or None, timeout_s=PATIENCE_S)
    program, began_s = replicas.programs[replica], time.monotonic()
    program.send(signal.SIGTERM)
    if hurried:
        eventually(lambda: "draining" in program.log() or None)
        program.send(signal.SIGTERM)
    status = program.stop_code(timeout_s=LONG.drain_wait_s + GRACE_S + _LAST_S)
    assert status == 0, f"{replica} ended with {status}:\n{program.log()[-2000:]}"
    restarts.ended(status, began_s)
    again = replicas.start(replica)
    again.wait_ready()
    eventually(lambda: _calls(again, replica.service) >= _SERVED_BEFORE or None, timeout_s=PATIENCE_S)


def _calls(program: Program, service: str) -> float:
    """Return how many calls a process has answered: callers have found it when there are some."""
    name = f"fovea.{service}.v1.{service.capitalize()}Service"
    return Scrape(program).value("fovea_rpc_requests_total", service=name, code="OK") or 0.0


def _held_against(client: fovea.Client, seen: Seen) -> tuple[int, int, int]:
    """Return how much of what was promised is lost, doubled and wrong, now that all is quiet."""
    batches = {name.rpartition("-")[0] for name in seen.receipts}
    for batch in batches:
        with suppress(AssertionError):
            eventually(partial(_ended, client, batch), timeout_s=PATIENCE_S)
    with suppress(AssertionError):
        eventually(lambda: seen.receipts.keys() <= seen.watched.keys() or None)
    records = {name: _record(client, name) for name in seen.receipts}
    exported = {one.exemplar_id for one in client.using(collection=LESSONS).exemplars()}
    lost = {
        "records": [name for name, record in records.items() if record is None],
        "shown to the watcher": sorted(seen.receipts.keys() - seen.watched.keys()),
        "exemplars": sorted(seen.taught - exported),
    }
    doubled = [name for name, count in seen.watched.items() if count > 1]
    wrong = seen.wrong + [
        f"{name}: {record.best} for {seen.receipts[name]}"
        for name, record in records.items()
        if record is not None and record.best != seen.receipts[name]
    ]
    print(f"lost: {lost}, doubled: {doubled}, wrong: {wrong}"[:4000], flush=True)
    return sum(map(len, lost.values())), len(doubled), len(wrong)


def _ended(client: fovea.Client, batch: str) -> bool | None:
    return client.submission(batch).pending == 0 or None


def _record(client: fovea.Client, name: str) -> fovea.Recognition | None:
    try:
        return client.recognition(name)
    except fovea.NotFound:
        return None


ROLLING_RESTART: Final = Experiment(
    name="rolling_restart",
    promise=(
        "Replicas may be restarted one after the other under load: no call fails, no accepted image and no "
        "taught exemplar is lost, every process ends in time with status 0. A second SIGTERM spoils nothing."
    ),
    run=run,
    short_timeout_s=400.0,
)
