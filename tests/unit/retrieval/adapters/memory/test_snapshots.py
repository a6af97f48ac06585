from __future__ import annotations

import pytest

from services.kernel.errors import Corrupt, NotFound, Unavailable
from tests.fakes.segments import catalogue
from tests.unit.retrieval.adapters.memory.replicas import FILES, PART, Replica, TimedStore


def test_a_snapshot_of_one_replica_is_opened_by_another(one: Replica, other: Replica) -> None:
    digest = one.segment("a", index_0=b"i" * 25)
    written = catalogue(digest)

    number = one.snapshots.write(written, one.folder)
    found = other.snapshots.read(number)
    other.snapshots.fetch(digest, other.folder)

    assert found == written
    assert other.files(digest) == one.files(digest)
    assert [path.name for path in other.folder.iterdir()] == [digest]


def test_no_object_is_larger_than_a_part(one: Replica, store: TimedStore) -> None:
    one.snapshots.write(catalogue(one.segment("a", index_0=b"i" * 25)), one.folder)

    parts = [each for each in store.list("memory/") if not each.key.endswith(".json")]
    assert max(each.size_bytes for each in parts) == PART


def test_the_newest_comes_first_whatever_the_clocks_say(one: Replica, store: TimedStore) -> None:
    digest = one.segment("a")
    for store.now_s in (50.0, 10.0, 30.0):
        one.snapshots.write(catalogue(digest), one.folder)

    assert [each.number for each in one.snapshots.snapshots()] == [3, 2, 1]


def test_what_is_stored_is_not_stored_again(one: Replica, store: TimedStore) -> None:
    digest = one.segment("a", index_0=b"i")
    one.snapshots.write(catalogue(digest), one.folder)
    store.puts.clear()

    one.snapshots.write(catalogue(digest), one.folder)

    assert store.puts == [f"memory/segments/{digest}/manifest.json", "memory/snapshots/000000000002.json"]


def test_an_index_that_was_replaced_is_stored_in_place_of_the_old_one(
    one: Replica, other: Replica, store: TimedStore
) -> None:
    digest = one.segment("a", index_0=b"fast")
    one.snapshots.write(catalogue(digest), one.folder)
    (one.folder / digest / "index_0").write_bytes(b"slow but good")
    (one.folder / digest / "index_0.new").write_bytes(b"half")
    one.snapshots.write(catalogue(digest), one.folder)

    other.snapshots.fetch(digest, other.folder)

    assert other.files(digest)["index_0"] == b"slow but good"
    assert len(store.stored(f"memory/indexes/{digest}/")) == 2


@pytest.mark.parametrize("allowed", range(8))  # two parts, one, three, the manifest; then the snapshot
def test_an_upload_that_failed_half_way_is_no_snapshot_and_is_completed_later(
    one: Replica, other: Replica, store: TimedStore, allowed: int
) -> None:
    digest = one.segment("a")
    store.puts_left = allowed

    with pytest.raises(Unavailable):
        one.snapshots.write(catalogue(digest), one.folder)

    assert other.snapshots.snapshots() == []
    if allowed < 7:
        with pytest.raises(NotFound):
            other.snapshots.fetch(digest, other.folder)
    store.puts_left = 1_000
    one.snapshots.write(catalogue(digest), one.folder)
    other.snapshots.fetch(digest, other.folder)
    assert other.files(digest) == one.files(digest)


def test_two_replicas_that_write_at_once_get_two_numbers(one: Replica, other: Replica) -> None:
    numbers = [
        replica.snapshots.write(catalogue(replica.segment(text)), replica.folder)
        for replica, text in ((one, "a"), (other, "b"))
    ]

    assert numbers == [1, 2]


@pytest.mark.parametrize("part", [f"{name}.00000" for name in FILES] + ["manifest.json"])
@pytest.mark.parametrize("how", ["flipped", "truncated"])
def test_a_damaged_segment_is_not_used_and_is_stored_again_by_whoever_has_it(
    one: Replica, other: Replica, store: TimedStore, part: str, how: str
) -> None:
    digest = one.segment("abc")
    number = one.snapshots.write(catalogue(digest), one.folder)
    key = f"memory/segments/{digest}/{part}"
    data = store.get(key)
    store.put(key, data[:-1] if how == "truncated" else bytes([data[0] ^ 4]) + data[1:])

    with pytest.raises(Corrupt):
        other.snapshots.fetch(digest, other.folder)
    assert list(other.folder.iterdir()) == []
    store.gets.clear()
    with pytest.raises(Corrupt, match="marked"):
        other.snapshots.fetch(digest, other.folder)
    assert store.gets == []

    one.snapshots.write(one.snapshots.read(number), one.folder)
    other.snapshots.fetch(digest, other.folder)
    assert other.files(digest) == one.files(digest)


def test_damage_on_the_way_is_read_past(one: Replica, other: Replica, store: TimedStore) -> None:
    digest = one.segment("a")
    one.snapshots.write(catalogue(digest), one.folder)
    bad = [f"memory/segments/{digest}/vectors-0.f32.00001"]
    store.on_get = lambda key, data: b"?" * len(data) if key in bad and not bad.remove(key) else data  # type: ignore[func-returns-value]

    other.snapshots.fetch(digest, other.folder)

    assert other.files(digest) == one.files(digest)


def test_a_damaged_index_is_left_out(one: Replica, other: Replica, store: TimedStore) -> None:
    digest = one.segment("a", index_0=b"abc")
    one.snapshots.write(catalogue(digest), one.folder)
    (key,) = store.stored(f"memory/indexes/{digest}/")
    store.put(key, b"abx")

    other.snapshots.fetch(digest, other.folder)

    assert other.files(digest).keys() == one.files(digest).keys() - {"index_0"}


def test_damage_on_a_replicas_own_disk_does_not_reach_the_store(one: Replica, store: TimedStore) -> None:
    digest = one.segment("a")
    (one.folder / digest / "vectors-0.f32").write_bytes(b"y" * 30)

    with pytest.raises(Corrupt):
        one.snapshots.write(catalogue(digest), one.folder)

    assert one.snapshots.snapshots() == []
    assert not [key for key in store.stored() if "vectors" in key]


def test_a_segment_that_is_not_there_is_said_to_be_missing(one: Replica) -> None:
    with pytest.raises(NotFound):
        one.snapshots.write(catalogue("1" * 64), one.folder)
