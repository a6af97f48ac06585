"""kill -9 of one service after the other while images flow through both doors and the memory changes."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.chaos.clients import Teacher, Waiter, at_work
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.flow import PATIENCE_S, Flow, chance_of, figures, flowing
from tests.chaos.ledger import balance
from tests.chaos.platform import SERVICES
from tests.e2e.calls import Calls
from tests.e2e.waiting import eventually


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Args:
        images: Handed in at the streaming door, some of them before each kill.
        pictures: Different ones.
        kills: Of a random service each, of those that are ready.
        gap_s: How long to wait for a service to be in the middle of work before it is killed.
    """

    images: int
    pictures: int
    kills: int
    gap_s: float


# What comes through this topic tells that the service works. The gateway works on it as it comes.
_DOES: Final = {
    "segmentation": "regions.proposed",
    "encoding": "regions.encoded",
    "retrieval": "candidates.retrieved",
    "ranking": "recognitions.completed",
    "gateway": "recognitions.completed",
}
_FAULT: Final = "kill -9 of random services"
_MOMENT_S: Final = 0.06
PLANS: Final = {Size.SHORT: Plan(60, 6, 8, 5.0), Size.LONG: Plan(2_000, 48, 200, 3.5)}


def run(folder: Path, size: Size) -> list[Figures]:
    """Kill services, and account for everything that was accepted."""
    plan = PLANS[size]
    with flowing(folder, pictures=plan.pictures, images=plan.images) as flow:
        scene = _Scene(flow, plan)
        scene.kill(chance_of("kills"))
        return scene.account()


class _Scene:
    """A flow of images, and beside it those who wait for their answers and those who teach."""

    def __init__(self, flow: Flow, plan: Plan) -> None:
        self._flow = flow
        self._plan = plan
        taught = Calls(flow.platform.target, collection="taught")
        taught.create_collection()
        self._waiter = Waiter(flow.calls, flow.pictures, flow.evidence)
        self._teacher = Teacher(taught, flow.pictures)
        self._pulse = Pulse(flow)
        self._restarts_s: list[float] = []

    def kill(self, chance: random.Random) -> None:
        """Kill and start services while there is work under way; return when all has ended."""
        flow = self._flow
        with at_work([flow.watcher]):
            flow.watcher.began.wait(PATIENCE_S)
            with at_work([flow.sender, self._waiter, self._teacher, self._pulse]):
                for _ in range(self._plan.kills):
                    flow.sender.allow(-(-self._plan.images // self._plan.kills))
                    self._kill_one(chance)
                for program in flow.platform.programs.values():
                    program.wait_ready()
                eventually(lambda: flow.sender.done or None, timeout_s=PATIENCE_S)
            flow.wait_ended(flow.sender.accepted | self._waiter.answered)

    def _kill_one(self, chance: random.Random) -> None:
        """Kill a service a moment after it did something, if it does, for then it does the next thing."""
        programs = self._flow.platform.programs
        ready = eventually(lambda: [name for name in SERVICES if programs[name].ready] or None)
        name = chance.choice(ready)
        self._pulse.wait(_DOES[name], self._plan.gap_s)
        threading.Event().wait(chance.uniform(0, _MOMENT_S))
        programs[name].kill()
        self._flow.platform.start(name)
        self._restarts_s.append(time.time())

    def account(self) -> list[Figures]:
        """Return the figures of both doors and of the memory."""
        flow, answered, kills = self._flow, self._waiter.answered, len(self._restarts_s)
        submitted = flow.balance()
        waited = balance(answered, flow.evidence, self._waiter.expected(flow.undisturbed))
        gaps_s = recoveries_s(self._restarts_s, flow.evidence.announced_s)
        streaming = (
            f"Half of the restarts had the next record {statistics.median(gaps_s):.1f} s later. "
            f"Streams of images broke {flow.sender.broken.counts.total()} times. "
            f"To count the batch took {flow.counted_s(submitted):.2f} s. "
            f"Of the dead letters, {len(submitted.contested)} stand beside a result that had been published "
            "already: the first of both counts, for every caller alike."
        )
        images = figures(f"{_FAULT}: images submitted", kills, flow.sender.accepted, submitted)
        waiting = figures(f"{_FAULT}: images waited for", kills, answered, waited)
        return [
            replace(images, recovery_s=max(gaps_s), note=streaming),
            replace(waiting, note=self._waiter.text),
            self._memory(),
        ]

    def _memory(self) -> Figures:
        """Return what became of what was taught; a forgotten exemplar that is found is wrong."""
        teacher, found = self._teacher, self._teacher.found()
        return Figures(
            f"{_FAULT}: exemplars taught and forgotten",
            len(self._restarts_s),
            len(teacher.known) + len(teacher.forgotten),
            lost=len(teacher.known - found.keys()),
            doubled=sum(count > 1 for count in found.values()),
            wrong=len(teacher.forgotten & found.keys()),
        )


class Pulse:
    """Feels what goes through the topics of recognition."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._beats: Counter[str] = Counter()
        self._changed = threading.Condition()

    def wait(self, topic: str, timeout_s: float) -> bool:
        """Return when the next record comes through a topic, or, with False, when the time is up."""
        with self._changed:
            before = self._beats[topic]
            return self._changed.wait_for(lambda: self._beats[topic] > before, timeout_s)

    def run(self, stop: threading.Event) -> None:
        """Feel."""
        with self._flow.log() as log, log.tail(sorted(set(_DOES.values()))) as tail:
            while not stop.is_set():
                for record in tail.poll(0.1, most=100):
                    with self._changed:
                        self._beats[record.position.topic] += 1
                        self._changed.notify_all()


def recoveries_s(restarts_s: Sequence[float], ended_s: Sequence[float]) -> list[float]:
    """Return, for each restart that something ended after, how much later the next thing ended."""
    later = ([end_s - restart_s for end_s in ended_s if end_s > restart_s] for restart_s in restarts_s)
    return [min(gaps_s) for gaps_s in later if gaps_s]


KILLS: Final = Experiment(
    "kills",
    "Whichever service dies, and however often: what was accepted ends as exactly one result or one dead "
    "letter, what was taught is there, and what was forgotten is not.",
    run,
)
