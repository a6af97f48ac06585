"""A process stands still with exemplars in hand, which are forgotten before it goes on with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from infra.local.daemons import standing_still
from services.runtime.event_log.ports import EventLog
from services.runtime.event_log.reading import read_to_end
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.flow import PATIENCE_S, Flow, flowing, lines_with, wait_at_work
from tests.chaos.groups import opened
from tests.chaos.hesitant_encoding import MOMENT
from tests.chaos.lessons import Lessons
from tests.chaos.platform import Platform
from tests.e2e.calls import Calls
from tests.e2e.processes import Program
from tests.e2e.waiting import eventually

ROUNDS: Final = {Size.SHORT: 1, Size.LONG: 6}
_EXEMPLARS: Final = 240  # of each round: work for some seconds, so that there is more when a process stops
_ENCODED: Final = "exemplars.encoded"
_FORGETFUL: Final = {"FOVEA_KEPT_REGIONS": "0"}  # so that each exemplar takes its time
# What the loop says when the group, or the log, knows better than it.
_REFUSED: Final = ("the event log takes nothing", "not committed", "is not begun", "lost the consumer")


@dataclass(frozen=True)
class Replica:
    """One of two encoding processes, and the file that makes it wait before it publishes."""

    program: Program
    moment: Path

    @contextmanager
    def amid_work(self) -> Iterator[None]:
        """Let it stand still wherever it is."""
        with standing_still(self.program.pid):
            yield

    @contextmanager
    def amid_publishing(self) -> Iterator[None]:
        """Let it stand still when it has asked whose the exemplars are, and has yet to publish them."""
        self.moment.touch()
        eventually(lambda: not self.moment.exists() or None, timeout_s=PATIENCE_S)
        with standing_still(self.program.pid):
            yield

    @property
    def refused(self) -> int:
        """How often it was told that something is not its any more."""
        return lines_with(self.program, _REFUSED)


@dataclass(frozen=True)
class Stand:
    """A way to stand still.

    Args:
        name: Of the collection that is taught meanwhile.
        fault: What happens, for the page.
        still: Lets a replica stand still inside its block.
    """

    name: str
    fault: str
    still: Callable[[Replica], AbstractContextManager[None]]


STANDS: Final = (
    Stand(
        "forgotten",
        "an encoding process stands still with exemplars in hand and goes on when they are forgotten",
        Replica.amid_work,
    ),
    Stand(
        "forgotten-amid-publishing",
        "the same, just when it has learnt that they are its to publish",
        Replica.amid_publishing,
    ),
)


def run(folder: Path, size: Size) -> list[Figures]:
    """Let one of two encoding processes stand still, time and again."""
    with flowing(folder, pictures=6, images=0) as flow, flow.log() as log:
        replicas = [_started(flow.platform, folder / f"moment-{number}") for number in range(2)]
        flow.platform.programs["encoding"].stop()
        victims = cycle(replicas)  # in turn: who has just stood still may not be back in the group yet
        return [_forgotten(flow, log, list(islice(victims, ROUNDS[size])), stand) for stand in STANDS]


def _started(platform: Platform, moment: Path) -> Replica:
    own = {**_FORGETFUL, MOMENT: str(moment)}
    program = platform.start_beside("encoding", own, module="tests.chaos.hesitant_encoding")
    return Replica(program.wait_ready(), moment)


def _forgotten(flow: Flow, log: EventLog, victims: Sequence[Replica], stand: Stand) -> Figures:
    with Calls(flow.platform.target, collection=stand.name) as calls, opened(flow.kafka, log) as groups:
        lessons = Lessons(calls, flow.pictures, _EXEMPLARS)
        for victim in victims:
            _forget_meanwhile(victim, stand, log, lessons)
        eventually(lambda: groups.caught_up or None, timeout_s=PATIENCE_S)
        there = lessons.found().keys() | _last_words(log, calls.key.collection)
    return Figures(stand.fault, len(victims), len(victims) * _EXEMPLARS, wrong=len(there))


def _forget_meanwhile(victim: Replica, stand: Stand, log: EventLog, lessons: Lessons) -> None:
    """Stop a process in the middle of teaching, let the other one finish that and forget, and go on."""
    before = victim.refused
    with ThreadPoolExecutor(1) as pool, log.tail([_ENCODED]) as tail:
        taught = pool.submit(lessons.teach_all)
        wait_at_work(tail)
        with stand.still(victim):
            taught.result(PATIENCE_S)
            lessons.forget_all()
    eventually(lambda: victim.refused > before or None, timeout_s=PATIENCE_S)


def _last_words(log: EventLog, collection: str) -> set[str]:
    """Return the exemplars that the log has, as a memory that begins anew would find it."""
    last = {record.key: record.value for record in read_to_end(log, [_ENCODED])}
    return {
        key.rpartition("/")[2]
        for key, value in last.items()
        if value is not None and key.startswith(f"default/{collection}/")
    }


FORGOTTEN: Final = Experiment(
    "forgotten",
    "What was forgotten stays forgotten, though a process that others believed dead goes on teaching it.",
    run,
)
