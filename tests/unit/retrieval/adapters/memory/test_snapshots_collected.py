"""Snapshots that nobody needs any more, and what has to stay."""

from __future__ import annotations

import pytest

from services.kernel.errors import Unavailable
from tests.fakes.segments import catalogue
from tests.unit.retrieval.adapters.memory.replicas import GRACE_S, Replica, TimedStore


def test_old_snapshots_go_with_the_segments_that_they_alone_name(one: Replica, store: TimedStore) -> None:
    shared = one.segment("shared")
    own = [one.segment(f"own {number}") for number in range(5)]
    for digest in own:
        store.now_s += 2 * GRACE_S
        one.snapshots.write(catalogue(shared, digest), one.folder)

    gone = one.snapshots.collect(keep=2, grace_s=GRACE_S)

    assert gone == 2  # the third has only just been superseded
    assert [each.number for each in one.snapshots.snapshots()] == [5, 4, 3]
    assert {key.split("/")[2] for key in store.stored("memory/segments/")} == {shared, *own[2:]}


def test_a_snapshot_stays_for_those_who_may_be_reading_it(one: Replica, store: TimedStore) -> None:
    for text in "abc":
        store.now_s += GRACE_S / 4
        one.snapshots.write(catalogue(one.segment(text)), one.folder)

    assert one.snapshots.collect(keep=1, grace_s=GRACE_S) == 0
    assert len(one.snapshots.snapshots()) == 3


def test_named_snapshots_stay(one: Replica, store: TimedStore) -> None:
    digests = [one.segment(text) for text in "abc"]
    for digest in digests:
        store.now_s += 2 * GRACE_S
        one.snapshots.write(catalogue(digest), one.folder)
    store.now_s += 2 * GRACE_S
    one.snapshots.write(catalogue(), one.folder)

    one.snapshots.collect(keep=1, grace_s=GRACE_S, also={1})

    assert [each.number for each in one.snapshots.snapshots()] == [4, 3, 1]
    assert {key.split("/")[2] for key in store.stored("memory/segments/")} == {digests[0], digests[2]}


def test_a_segment_whose_snapshot_is_still_being_written_stays(
    one: Replica, other: Replica, store: TimedStore
) -> None:
    store.puts_left = 6  # of seven for the segment
    with pytest.raises(Unavailable):
        one.snapshots.write(catalogue(one.segment("a")), one.folder)
    store.puts_left = 1_000
    store.now_s += GRACE_S / 2
    other.snapshots.write(catalogue(other.segment("b")), other.folder)

    other.snapshots.collect(keep=1, grace_s=GRACE_S)
    assert len({key.split("/")[2] for key in store.stored("memory/segments/")}) == 2

    store.now_s += GRACE_S
    other.snapshots.write(catalogue(other.segment("b")), other.folder)
    other.snapshots.collect(keep=1, grace_s=GRACE_S)
    assert len({key.split("/")[2] for key in store.stored("memory/segments/")}) == 1


def test_a_segment_that_is_used_again_stays(one: Replica, store: TimedStore) -> None:
    again, new = one.segment("a"), one.segment("b")
    one.snapshots.write(catalogue(again), one.folder)
    for _ in range(2):
        store.now_s += 2 * GRACE_S
        one.snapshots.write(catalogue(new), one.folder)
    store.puts_left = 1  # its manifest, which says that it is in use; the snapshot is not stored yet
    with pytest.raises(Unavailable):
        one.snapshots.write(catalogue(again), one.folder)
    store.puts_left = 1_000

    one.snapshots.collect(keep=1, grace_s=GRACE_S)

    assert again in {key.split("/")[2] for key in store.stored("memory/segments/")}


def test_nothing_is_collected_that_an_unreadable_snapshot_may_name(one: Replica, store: TimedStore) -> None:
    digest = one.segment("a")
    one.snapshots.write(catalogue(digest), one.folder)
    store.put("memory/snapshots/000000000001.json", b'{"format": 2, "sha256": "", "content": {}}')
    store.now_s += 2 * GRACE_S
    one.snapshots.write(catalogue(), one.folder)

    one.snapshots.collect(keep=2, grace_s=GRACE_S)

    assert digest in {key.split("/")[2] for key in store.stored("memory/segments/")}


def test_what_a_collection_left_that_was_broken_off_goes_with_the_next(
    one: Replica, store: TimedStore
) -> None:
    left = ["memory/indexes/abc/def/index_0.00000", "memory/damaged/abc", "memory/segments/abc/data.00000"]
    for key in left:
        store.put(key, b"x")
    store.now_s += 2 * GRACE_S
    one.snapshots.write(catalogue(), one.folder)

    one.snapshots.collect(keep=1, grace_s=GRACE_S)

    assert list(store.stored()) == ["memory/snapshots/000000000001.json"]


def test_with_nothing_stored_there_is_nothing_to_collect(one: Replica) -> None:
    assert one.snapshots.collect(keep=2, grace_s=GRACE_S) == 0
