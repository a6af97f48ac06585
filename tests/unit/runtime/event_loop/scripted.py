"""A handler and a consumer that do what a test says, and the dead letters that come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fovea.gateway.v1.events_pb2 import ImageSubmitted
from fovea.segmentation.v1.events_pb2 import RegionsProposed
from services.kernel.errors import Conflict
from services.runtime.dead_letters import DeadLetter
from services.runtime.event_log.ports import Commit, Consumer, Record, TopicPartition
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


class Refusing:
    """A consumer whose partitions another member has, for a while."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.refuses = True
        self.lost = False

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset() if self.lost else self._consumer.assignment()

    def poll(self, timeout_s: float, *, most: int) -> Sequence[Record]:
        return () if self.lost else self._consumer.poll(timeout_s, most=most)

    def commit(self, commits: Mapping[TopicPartition, Commit]) -> None:
        if self.refuses:
            raise Conflict("another member has it", reason="PARTITION_NOT_ASSIGNED")
        self._consumer.commit(commits)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)


def dead_letter(bench: Bench, topic: str = IN) -> DeadLetter:
    (record,) = bench.read(f"{topic}.dead")
    return DeadLetter.of_record(record)
