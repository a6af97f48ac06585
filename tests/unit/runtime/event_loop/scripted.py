"""A handler that does what a test says, and the dead letters that come of it."""

from __future__ import annotations

from fovea.gateway.v1.events_pb2 import ImageSubmitted
from fovea.segmentation.v1.events_pb2 import RegionsProposed
from services.runtime.dead_letters import DeadLetter
from tests.unit.runtime.event_loop.platforms import IN, Bench, name_of, propose

Outcome = RegionsProposed | Exception


class Scripted:
    """A handler that does for each event what its script says, then proposes."""

    def __init__(self, **script: list[Exception]) -> None:
        self.seen: list[str] = []
        self._script = script

    def __call__(self, event: ImageSubmitted) -> RegionsProposed:
        name = name_of(event)
        self.seen.append(name)
        if self._script.get(name):
            raise self._script[name].pop(0)
        return propose(event)


def dead_letter(bench: Bench, topic: str = IN) -> DeadLetter:
    (record,) = bench.read(f"{topic}.dead")
    return DeadLetter.of_record(record)
