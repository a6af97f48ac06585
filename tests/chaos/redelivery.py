"""Every event again and again, in any order that Kafka and those who publish can bring about."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.chaos.clients import at_work
from tests.chaos.copier import Copier
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.flow import PATIENCE_S, Flow, chance_of, figures, flowing
from tests.chaos.groups import Groups, opened
from tests.chaos.lessons import Lessons
from tests.chaos.platform import SERVICES
from tests.e2e.calls import Calls
from tests.e2e.waiting import eventually

_QUIET_S: Final = 300.0
_REACH: Final = 100  # events of each partition, and each that is done again leads to one at the next step


@dataclass(frozen=True)
class Plan:
    """How much is done: images of so many pictures, exemplars, and how often the groups are set back."""

    images: int
    pictures: int
    exemplars: int
    rounds: int


PLANS: Final = {Size.SHORT: Plan(40, 6, 12, 1), Size.LONG: Plan(500, 48, 120, 5)}


def run(folder: Path, size: Size) -> list[Figures]:
    """Deliver events again, and account for what came of it."""
    plan = PLANS[size]
    with (
        flowing(folder, pictures=plan.pictures, images=plan.images) as flow,
        flow.log() as log,
        opened(flow.kafka, log) as groups,
    ):
        chance = chance_of("redelivery")
        scene = _Scene(flow, groups)
        copied = scene.copied(Copier(log, chance, flow.sender.names))
        return [copied, *scene.set_back(chance, plan)]


class _Scene:
    """A flow of images, and the groups that read its events."""

    def __init__(self, flow: Flow, groups: Groups) -> None:
        self._flow = flow
        self._groups = groups

    def copied(self, copier: Copier) -> Figures:
        """Publish every event of the flow up to four times more, while it flows and when all has ended."""
        flow = self._flow
        with at_work([flow.watcher]):
            flow.watcher.began.wait(PATIENCE_S)
            with at_work([copier]):
                flow.sender.allow(len(flow.expected))
                flow.sender.run(threading.Event())
                flow.wait_ended(flow.sender.accepted)
                copier.release()
                eventually(lambda: self._quiet(copier) or None, timeout_s=_QUIET_S)
        self._require_stored_once()
        found = flow.balance()
        endings = len(flow.evidence.announced_s) / len(flow.expected)
        fault = "each event published again 0 to 4 times, shuffled: images"
        copied = figures(fault, copier.copies, flow.sender.accepted, found)
        return replace(
            copied, note=f"Each image's end was in the log {endings:.1f} times, and shown to a watcher once."
        )

    def set_back(self, chance: random.Random, plan: Plan) -> list[Figures]:
        """Let all groups read again what they have read, from places of their own, more often than once."""
        flow = self._flow
        flow.watcher.renew()  # past the copies, which are the same to the last byte, as no real repetition is
        with Calls(flow.platform.target, collection="lessons") as calls:
            lessons = Lessons(calls, flow.pictures, plan.exemplars)
            lessons.teach()
            before = lessons.found()
            again = sum(self._set_back_once(chance) for _ in range(plan.rounds))
            after = lessons.found()
        self._require_stored_once()
        fault = f"all groups set back to earlier places, {plan.rounds} times"
        images = figures(f"{fault}: images", again, flow.sender.accepted, flow.balance())
        changed = {name for name, exemplar in after.items() if before.get(name) != exemplar}
        return [
            images,
            Figures(
                f"{fault}: exemplars taught, changed and forgotten",
                again,
                plan.exemplars,
                lost=len(lessons.right.keys() - after.keys()),
                wrong=len(changed | lessons.mistaken(after)),
            ),
        ]

    def _quiet(self, copier: Copier) -> bool:
        """Whether nothing more can come: asked once more, since a copy may have come between the two."""
        return self._groups.caught_up and copier.idle and self._groups.caught_up

    def _set_back_once(self, chance: random.Random) -> int:
        """Return how many events were delivered again."""
        platform = self._flow.platform
        eventually(lambda: self._groups.caught_up or None, timeout_s=_QUIET_S)
        for name in SERVICES:
            platform.programs[name].kill()
        again = self._groups.set_back(chance, _REACH)
        for name in SERVICES:
            platform.start(name)
        for program in platform.programs.values():
            program.wait_ready()
        with at_work([self._flow.watcher]):
            eventually(lambda: self._groups.caught_up or None, timeout_s=_QUIET_S)
        return again

    def _require_stored_once(self) -> None:
        """Raise AssertionError if the store has other objects than one of each record and each picture."""
        flow = self._flow
        with flow.store() as store:
            records = [entry.key for entry in store.list("default/recognitions/image-")]
            pictures = [entry.key for entry in store.list(f"default/images/{flow.calls.key.collection}/")]
        _require(records, flow.expected.keys(), "records")
        _require(pictures, flow.digests, "pictures")


def _require(keys: Iterable[str], names: Iterable[str], what: str) -> None:
    there = Counter(key.rpartition("/")[2] for key in keys)
    if there != Counter(names):
        raise AssertionError(f"the store has other {what} than it must: {there - Counter(names)}")


REDELIVERY: Final = Experiment(
    "redelivery",
    "However often and in whichever order events come again: results are those of one delivery, each is "
    "stored and shown once, and the memory ends as it was.",
    run,
)
