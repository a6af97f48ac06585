"""kill -9 of one service after the other while images flow through both doors and the memory changes."""

from __future__ import annotations

import os
import random
import secrets
import statistics
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.chaos.clients import Teacher, Waiter, at_work
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.flow import PATIENCE_S, Flow, flowing
from tests.chaos.ledger import Balance, balance
from tests.chaos.platform import SERVICES
from tests.e2e.calls import Calls
from tests.e2e.waiting import eventually


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Args:
        images: Handed in at the streaming door, some of them before each kill.
        pictures: Different ones.
        kills: Of a random service each.
        gap_s: The longest time between two kills; each is a random part of it.
    """

    images: int
    pictures: int
    kills: int
    gap_s: float


PLANS: Final = {Size.SHORT: Plan(60, 6, 8, 3.0), Size.LONG: Plan(2_000, 48, 200, 5.0)}


def run(folder: Path, size: Size) -> list[Figures]:
    """Kill services, and account for everything that was accepted."""
    plan = PLANS[size]
    seed = int(os.environ.get("CHAOS_SEED") or secrets.randbelow(2**32))
    print(f"CHAOS_SEED={seed} chooses the same services again", flush=True)
    with flowing(folder, pictures=plan.pictures, images=plan.images) as flow:
        scene = _Scene(flow, plan)
        scene.kill(random.Random(seed))  # noqa: S311  (no secret)
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
        self._restarts_s: list[float] = []

    def kill(self, chance: random.Random) -> None:
        """Kill and start services while there is work under way; return when all has ended."""
        flow = self._flow
        with at_work([flow.watcher]):
            flow.watcher.began.wait(PATIENCE_S)
            with at_work([flow.sender, self._waiter, self._teacher]):
                for _ in range(self._plan.kills):
                    flow.sender.allow(-(-self._plan.images // self._plan.kills))
                    self._kill_one(chance)
                for program in flow.platform.programs.values():
                    program.wait_ready()
                eventually(lambda: flow.sender.done or None, timeout_s=PATIENCE_S)
            flow.wait_shown(flow.sender.accepted | self._waiter.answered)

    def _kill_one(self, chance: random.Random) -> None:
        threading.Event().wait(chance.uniform(0, self._plan.gap_s))
        name = chance.choice(SERVICES)
        self._flow.platform.programs[name].kill()
        self._flow.platform.start(name)
        self._restarts_s.append(time.time())

    def account(self) -> list[Figures]:
        """Return the figures of both doors and of the memory."""
        flow, answered = self._flow, self._waiter.answered
        submitted = flow.balance()
        flow.evidence.ask(flow.calls, answered)
        waited = balance(answered, flow.evidence, self._waiter.expected(flow.undisturbed))
        gaps_s = recoveries_s(self._restarts_s, flow.evidence.announced_s)
        streaming = (
            f"{len(flow.sender.accepted):,} images with {flow.sender.broken.counts.total()} broken "
            f"streams, each kill in the middle of work; half of the restarts had the next record "
            f"{statistics.median(gaps_s):.1f} s later; counting the batch took {flow.counted_s():.2f} s."
        )
        return [
            self._figures("images submitted", flow.sender.accepted, submitted, max(gaps_s), streaming),
            self._figures("images waited for", answered, waited, None, self._waiter.text),
            self._memory(),
        ]

    def _figures(
        self, what: str, names: Collection[str], found: Balance, recovery_s: float | None, note: str
    ) -> Figures:
        if found.text:
            print(f"{what}: {found.text}", flush=True)
        return Figures(
            f"kill -9 of random services: {what}",
            len(self._restarts_s),
            len(names),
            lost=len(found.lost),
            doubled=len(found.doubled),
            dead=len(found.dead),
            wrong=len(found.wrong),
            recovery_s=recovery_s,
            note=note,
        )

    def _memory(self) -> Figures:
        """Return what became of what was taught; a forgotten exemplar that is found is wrong."""
        teacher, found = self._teacher, self._teacher.found()
        return Figures(
            "kill -9 of random services: exemplars taught and forgotten",
            len(self._restarts_s),
            len(teacher.known) + len(teacher.forgotten),
            lost=len(teacher.known - found.keys()),
            doubled=sum(count > 1 for count in found.values()),
            wrong=len(teacher.forgotten & found.keys()),
        )


def recoveries_s(restarts_s: Sequence[float], ended_s: Sequence[float]) -> list[float]:
    """Return, for each restart that something ended after, how much later the next thing ended."""
    later = ([end_s - restart_s for end_s in ended_s if end_s > restart_s] for restart_s in restarts_s)
    return [min(gaps_s) for gaps_s in later if gaps_s]


EXPERIMENT: Final = Experiment(
    "kills",
    "Whichever service dies, and however often: what was accepted ends as exactly one result or one dead "
    "letter, what was taught is there, and what was forgotten is not.",
    run,
)
