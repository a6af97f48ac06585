"""A process stands still until the group has given its work to another, and then goes on as if it had it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from infra.local.daemons import standing_still
from services.runtime.event_log.reading import read_to_end
from services.runtime.events import EVENT_ID
from tests.chaos.clients import at_work
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.flow import PATIENCE_S, Flow, figures, flowing, lines_with, wait_at_work
from tests.e2e.processes import Program
from tests.e2e.waiting import eventually

ROUNDS: Final = {Size.SHORT: 1, Size.LONG: 6}
IMAGES: Final = 240  # of each round: work for some seconds, so that there is more when a process stops
_PICTURES: Final = 6
_SERVICE: Final = "encoding"
_FORGETFUL: Final = {"FOVEA_KEPT_REGIONS": "0"}  # so that each image takes its time
_DONE: Final = "regions.encoded"
# What the loop says when its commit is refused, or it may not begin an event that it has in hand.
_REFUSED: Final = ("not committed", "is not begun", "cannot commit")


def run(folder: Path, size: Size) -> list[Figures]:
    """Let both processes of a service take turns in being dead and alive."""
    rounds = ROUNDS[size]
    with flowing(folder, pictures=_PICTURES, images=rounds * IMAGES) as flow:
        replicas = [flow.platform.start_beside(_SERVICE, _FORGETFUL) for _ in range(2)]
        for replica in replicas:
            replica.wait_ready()
        flow.platform.programs[_SERVICE].stop()
        with at_work([flow.watcher]):
            flow.watcher.began.wait(PATIENCE_S)
            with at_work([flow.sender]):
                taken_s = [_round(flow, replicas[number % 2]) for number in range(rounds)]
                eventually(lambda: flow.sender.done or None, timeout_s=PATIENCE_S)
            flow.wait_ended(flow.sender.accepted)
        found = flow.balance()
        refused = sum(lines_with(replica, _REFUSED) for replica in replicas)
        assert refused >= rounds, f"{rounds} zombies came back and {refused} commits were refused"
        note = (
            f"Counted from the stop. {refused} commits of {rounds} zombies were refused; "
            f"{_repeated(flow)} events they published had been published by the process that took over."
        )
        fault = f"one of two {_SERVICE} processes stands still for longer than its session and then goes on"
        return [
            replace(figures(fault, rounds, flow.sender.accepted, found), recovery_s=max(taken_s), note=note)
        ]


def _round(flow: Flow, victim: Program) -> float:
    """Stop a process with events in hand until the other has done them; return how long that took."""
    seen = lines_with(victim, _REFUSED)
    due = len(flow.sender.accepted) + IMAGES
    with flow.log() as log, log.tail([_DONE]) as tail:
        flow.sender.allow(IMAGES)
        wait_at_work(tail)
    with _still(victim) as since_s:
        eventually(lambda: len(flow.sender.accepted) == due or None, timeout_s=PATIENCE_S)
        flow.wait_ended(flow.sender.accepted)
        taken_s = time.monotonic() - since_s
    eventually(lambda: lines_with(victim, _REFUSED) > seen or None, timeout_s=PATIENCE_S)
    return taken_s


@contextmanager
def _still(victim: Program) -> Iterator[float]:
    with standing_still(victim.pid):
        yield time.monotonic()


def _repeated(flow: Flow) -> int:
    with flow.log() as log:
        ids = Counter(record.headers[EVENT_ID] for record in read_to_end(log, [_DONE]))
    return sum(count - 1 for count in ids.values())


ZOMBIE: Final = Experiment(
    "zombie",
    "A process that others believed dead changes nothing when it goes on: its commits are refused, and what "
    "it publishes again has no second effect.",
    run,
)
