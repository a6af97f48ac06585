"""Each partition has one owner at a time, whoever comes, goes and asks in whatever order."""

from __future__ import annotations

import itertools
import threading

from hypothesis import given
from hypothesis import strategies as st

from services.runtime.event_log.ports import TopicPartition
from services.runtime.event_log.sqlite.groups import Group, Member

SOURCES = [TopicPartition(topic, partition) for topic in ("a.done", "b.done") for partition in range(3)]


def new_member() -> Member:
    return Member(SOURCES, threading.Event())


def settle(group: Group, members: list[Member]) -> None:
    """Let everybody ask until nothing changes: to give up, and then to take."""
    for _ in range(2):
        for member in members:
            group.sync(member)


def test_a_newcomer_gets_nothing_before_the_owner_asked_again() -> None:
    group, first, second = Group(), new_member(), new_member()
    group.join(first)
    group.sync(first)
    group.join(second)

    assert group.sync(second) == frozenset()
    assert len(group.sync(first)) == 3
    assert group.sync(second) == frozenset(SOURCES) - first.owned


def test_who_waits_is_woken_when_something_is_free() -> None:
    group, first, second = Group(), new_member(), new_member()
    group.join(first)
    group.sync(first)
    group.join(second)
    second.waker.clear()

    group.sync(first)

    assert second.waker.is_set()


@given(st.lists(st.tuples(st.sampled_from(["join", "leave", "sync"]), st.integers(0, 3))))
def test_no_partition_ever_has_two_owners_and_in_the_end_each_has_one(steps: list[tuple[str, int]]) -> None:
    group = Group()
    members: list[Member] = []
    for step, index in steps:
        if step == "join":
            members.append(new_member())
            group.join(members[-1])
        elif members and step == "leave":
            group.leave(members.pop(index % len(members)))
        elif members:
            group.sync(members[index % len(members)])
        assert all(not one.owned & other.owned for one, other in itertools.combinations(members, 2))

    settle(group, members)
    owned = [member.owned for member in members]
    assert frozenset().union(*owned) == frozenset(SOURCES if members else [])
    assert not owned or max(map(len, owned)) - min(map(len, owned)) <= 1
