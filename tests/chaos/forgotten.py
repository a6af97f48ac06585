"""A process stands still with exemplars in hand, which are forgotten before it goes on with them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from infra.local.daemons import standing_still
from services.runtime.event_log.ports import EventLog
from services.runtime.event_log.reading import read_to_end
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.flow import PATIENCE_S, flowing, lines_with, wait_at_work
from tests.chaos.groups import opened
from tests.chaos.lessons import Lessons
from tests.e2e.calls import Calls
from tests.e2e.processes import Program
from tests.e2e.waiting import eventually

ROUNDS: Final = {Size.SHORT: 1, Size.LONG: 6}
_EXEMPLARS: Final = 240  # of each round: work for some seconds, so that there is more when a process stops
_ENCODED: Final = "exemplars.encoded"
_FORGETFUL: Final = {"FOVEA_KEPT_REGIONS": "0"}  # so that each exemplar takes its time
# What the loop says when the group knows better than it.
_REFUSED: Final = ("the event log takes nothing", "not committed", "is not begun", "lost the consumer")


def run(folder: Path, size: Size) -> list[Figures]:
    """Let one of two encoding processes stand still, time and again."""
    rounds = ROUNDS[size]
    with (
        flowing(folder, pictures=6, images=0) as flow,
        flow.log() as log,
        opened(flow.kafka, log) as groups,
        Calls(flow.platform.target, collection="forgotten") as calls,
    ):
        replicas = [flow.platform.start_beside("encoding", _FORGETFUL) for _ in range(2)]
        for replica in replicas:
            replica.wait_ready()
        flow.platform.programs["encoding"].stop()
        lessons = Lessons(calls, flow.pictures, _EXEMPLARS)
        for number in range(rounds):
            _forget_meanwhile(replicas[number % 2], log, lessons)
        eventually(lambda: groups.caught_up or None, timeout_s=PATIENCE_S)
        there = lessons.found().keys() | _last_words(log, calls.key.collection)
        return [
            Figures(
                "an encoding process stands still with exemplars in hand and goes on when they are forgotten",
                rounds,
                rounds * _EXEMPLARS,
                wrong=len(there),
            )
        ]


def _forget_meanwhile(victim: Program, log: EventLog, lessons: Lessons) -> None:
    """Stop a process in the middle of teaching, let the other one finish that and forget, and go on."""
    before = lines_with(victim, _REFUSED)
    with ThreadPoolExecutor(1) as pool, log.tail([_ENCODED]) as tail:
        taught = pool.submit(lessons.teach_all)
        wait_at_work(tail)
        with standing_still(victim.pid):
            taught.result(PATIENCE_S)
            lessons.forget_all()
    eventually(lambda: lines_with(victim, _REFUSED) > before or None, timeout_s=PATIENCE_S)


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
