"""What the Kafka adapter makes of a client that hangs, loses partitions or must wait; no broker needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from kafka import OffsetAndMetadata
from kafka import TopicPartition as KafkaPartition
from kafka.coordinator.base import MemberState
from kafka.errors import CommitFailedError, RebalanceInProgressError

from services.kernel.errors import Conflict, Unavailable
from services.runtime.event_log.kafka.consumer import KafkaConsumer
from services.runtime.event_log.kafka.options import KafkaOptions
from services.runtime.event_log.ports import Commit, TopicPartition

TOPIC = "things.done"
FIRST, SECOND = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)


@dataclass(frozen=True)
class Message:
    """A record as the library gives it."""

    partition: int
    offset: int
    topic: str = TOPIC
    key: bytes = b"key"
    value: bytes = b""
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 0


@dataclass
class Metadata:
    state: MemberState


@dataclass
class FakeClient:
    """A consumer of the library that does, at each poll, the next thing of its script."""

    script: list[Callable[[FakeClient], Iterable[Message]]] = field(default_factory=list)
    state: MemberState = MemberState.STABLE
    owned: set[TopicPartition] = field(default_factory=lambda: {FIRST, SECOND})
    commits: list[Mapping[Any, OffsetAndMetadata]] = field(default_factory=list)
    refusals: list[Exception] = field(default_factory=list)
    closed: bool = False
    listener: Any = None

    def subscribe(self, topics: list[str], listener: object) -> None:
        assert topics == [TOPIC]
        self.listener = listener

    def topics(self) -> set[str]:
        return {TOPIC}

    def poll(self, timeout_ms: float, max_records: int) -> dict[KafkaPartition, list[Message]]:
        found: dict[KafkaPartition, list[Message]] = {}
        for message in self.script.pop(0)(self) if self.script else ():
            found.setdefault(KafkaPartition(message.topic, message.partition), []).append(message)
        assert sum(map(len, found.values())) <= max_records
        assert timeout_ms >= 0
        return found

    def assignment(self) -> set[KafkaPartition]:
        return {KafkaPartition(*source) for source in self.owned}

    def group_metadata(self) -> Metadata:
        return Metadata(self.state)

    def commit(self, offsets: Mapping[Any, OffsetAndMetadata], timeout_ms: float) -> None:
        assert timeout_ms > 0
        if self.refusals:
            raise self.refusals.pop(0)
        self.commits.append(offsets)

    def close(self, *, autocommit: bool, timeout_ms: float) -> None:
        assert not autocommit
        assert timeout_ms > 0
        self.closed = True


def member(*clients: FakeClient, **options: float) -> KafkaConsumer:
    waiting = list(clients)
    given = KafkaOptions(**options)  # type: ignore[arg-type]
    return KafkaConsumer(lambda: waiting.pop(0), [TOPIC], given, lambda: None)


def gives(*messages: Message) -> Callable[[FakeClient], Iterable[Message]]:
    return lambda _: messages


def test_a_member_that_hangs_at_joining_starts_anew() -> None:
    hanging = FakeClient(state=MemberState.REBALANCING, owned=set())
    working = FakeClient(script=[gives(Message(0, 7))])
    consumer = member(hanging, working, join_s=0.0)

    while not hanging.closed:
        assert not consumer.poll(0.0, most=1)
    records = [record for _ in range(3) for record in consumer.poll(0.0, most=1)]

    assert [record.position.offset for record in records] == [7]


def test_a_member_that_joined_and_was_given_nothing_waits_for_its_turn() -> None:
    idle = FakeClient(owned=set())
    consumer = member(idle, join_s=0.0)

    for _ in range(5):
        assert not consumer.poll(0.0, most=1)

    assert not idle.closed


def test_a_partition_that_went_and_came_back_within_a_poll_is_shown_to_be_gone() -> None:
    def lose_and_get_back(client: FakeClient) -> Iterable[Message]:
        client.listener.on_partitions_lost({KafkaPartition(*FIRST)})
        return [Message(0, 3), Message(1, 4)]

    consumer = member(FakeClient(script=[gives(), lose_and_get_back]))
    assert not consumer.poll(0.0, most=10)
    assert consumer.assignment() == {FIRST, SECOND}

    assert not consumer.poll(0.0, most=10)
    assert consumer.assignment() == {SECOND}
    records = consumer.poll(0.0, most=10)
    assert consumer.assignment() == {FIRST, SECOND}
    assert [record.position.offset for record in records] == [3, 4]


def test_what_was_read_while_a_loss_was_shown_waits_while_its_partition_is_paused() -> None:
    def lose(client: FakeClient) -> Iterable[Message]:
        client.owned = {SECOND}
        return [Message(1, 4)]

    client = FakeClient(script=[gives(), lose])
    client.pause = client.resume = lambda *_: None  # type: ignore[attr-defined]
    consumer = member(client)
    consumer.poll(0.0, most=1)
    assert not consumer.poll(0.0, most=1)

    consumer.pause(frozenset({SECOND}))
    assert not consumer.poll(0.0, most=1)
    consumer.resume(frozenset({SECOND}))
    assert [record.position.offset for record in consumer.poll(0.0, most=1)] == [4]


def test_a_commit_waits_for_a_rebalance_to_end_and_keeps_what_it_reads_meanwhile() -> None:
    client = FakeClient(
        script=[gives(Message(0, 1)), gives(Message(0, 2))], refusals=[RebalanceInProgressError()]
    )
    consumer = member(client)
    consumer.poll(0.0, most=1)

    consumer.commit({FIRST: Commit(2, "note")})

    assert client.commits == [{KafkaPartition(*FIRST): OffsetAndMetadata(2, "note", -1)}]
    assert [record.position.offset for record in consumer.poll(0.0, most=1)] == [2]


def test_a_commit_of_a_partition_that_went_in_the_rebalance_is_refused() -> None:
    def lose(client: FakeClient) -> Iterable[Message]:
        client.owned = {SECOND}
        return ()

    client = FakeClient(script=[gives(), lose], refusals=[RebalanceInProgressError()])
    consumer = member(client)
    consumer.poll(0.0, most=1)

    with pytest.raises(Conflict):
        consumer.commit({FIRST: Commit(2)})
    assert client.commits == []
    consumer.commit({SECOND: Commit(5)})
    assert client.commits == [{KafkaPartition(*SECOND): OffsetAndMetadata(5, "", -1)}]


@pytest.mark.parametrize(
    ("error", "meant"), [(CommitFailedError(), Conflict), (ConnectionResetError(), Unavailable)]
)
def test_a_commit_that_fails_says_so_in_the_words_of_the_kernel(error: Exception, meant: type) -> None:
    consumer = member(FakeClient(script=[gives()], refusals=[error]))
    consumer.poll(0.0, most=1)

    with pytest.raises(meant):
        consumer.commit({FIRST: Commit(2)})
