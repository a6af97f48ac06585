"""What was changed lately, against a record of all changes there ever were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.encoding.usecases import RecentChanges


def saw(*keys: str, first: int = 5, partition: int = 0) -> RecentChanges:
    recent = RecentChanges()
    for offset, key in enumerate(keys, start=first):
        recent.arrive(partition, offset)
        recent.changed(partition, key)
    return recent


def test_a_key_that_nobody_changed_is_unchanged() -> None:
    assert saw("barrier").unchanged(0, "wren", since=5)


def test_a_key_that_was_changed_since_is_not() -> None:
    recent = saw("barrier", "wren")

    assert not recent.unchanged(0, "wren", since=5)
    assert recent.unchanged(0, "robin", since=5)


def test_a_change_before_is_no_change_since() -> None:
    assert saw("wren", "barrier").unchanged(0, "wren", since=6)


def test_what_was_before_its_time_it_does_not_know() -> None:
    assert not saw("barrier").unchanged(0, "wren", since=4)


def test_a_partition_that_was_elsewhere_meanwhile_begins_anew() -> None:
    recent = saw("barrier")
    recent.arrive(0, 9)

    assert not recent.unchanged(0, "wren", since=5)
    assert recent.unchanged(0, "wren", since=9)


def test_events_that_come_again_or_change_nothing_leave_no_gap() -> None:
    recent = saw("barrier")
    for offset in (5, 6, 6, 7):
        recent.arrive(0, offset)

    assert recent.unchanged(0, "wren", since=5)


def test_partitions_know_nothing_of_each_other() -> None:
    recent = saw("barrier")
    recent.arrive(1, 5)
    recent.changed(1, "wren")

    assert recent.unchanged(0, "wren", since=5)


@given(
    keys=st.lists(st.sampled_from("abcd"), min_size=1, max_size=40),
    breaks=st.sets(st.integers(0, 40)),
    most=st.integers(1, 5),
    key=st.sampled_from("abcd"),
    since=st.integers(0, 40),
)
def test_it_never_takes_a_changed_key_for_an_unchanged_one(
    keys: list[str], breaks: set[int], most: int, key: str, since: int
) -> None:
    recent = RecentChanges(most=most)
    for offset, each in enumerate(keys):
        if offset not in breaks:  # else another process handled it
            recent.arrive(0, offset)
            recent.changed(0, each)
    recent.arrive(0, len(keys))

    if recent.unchanged(0, key, since=since):
        assert key not in keys[since:]
