from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from services.kernel.errors import Corrupt, NotFound, Unavailable
from services.retrieval.adapters.memory.snapshots import SnapshotStore
from services.runtime.object_store.ports import ObjectEntry
from tests.fakes.object_store import InMemoryStore
from tests.fakes.segments import catalogue, write_segment

PART = 10
GRACE_S = 100.0
FILES = {"columns.bin": b"0123456789abcdef", "exemplars.bin": b"", "vectors-0.f32": b"x" * 30}


class TimedStore(InMemoryStore):
    """Has a clock that the test sets, and may break what is stored, or refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.times: dict[str, float] = {}
        self.puts: list[str] = []
        self.gets: list[str] = []
        self.on_get: Callable[[str, bytes], bytes] = lambda _, data: data
        self.puts_left = 1_000

    def put(self, key: str, data: bytes) -> None:
        self._count(key)
        super().put(key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._count(key)
        return super().put_if_absent(key, data)

    def get(self, key: str) -> bytes:
        self.gets.append(key)
        return self.on_get(key, super().get(key))

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        return (replace(each, modified_s=self.times[each.key]) for each in super().list(prefix))

    def stored(self, prefix: str = "") -> Sequence[str]:
        return [each.key for each in self.list(prefix)]

    def _count(self, key: str) -> None:
        self.puts_left -= 1
        if self.puts_left < 0:
            raise Unavailable("the object store is full")
        self.puts.append(key)
        self.times[key] = self.now_s


class Replica:
    """A folder of segments, with the store that all replicas share."""

    def __init__(self, folder: Path, store: TimedStore) -> None:
        self.folder = folder
        folder.mkdir()
        self.snapshots = SnapshotStore(store, part_bytes=PART)

    def segment(self, text: str, **indexes: bytes) -> str:
        digest = write_segment(self.folder, FILES | {"exemplars.bin": text.encode()})
        for name, data in indexes.items():
            (self.folder / digest / name).write_bytes(data)
        return digest

    def files(self, digest: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / digest).iterdir()}


@pytest.fixture
def store() -> TimedStore:
    return TimedStore()


@pytest.fixture
def one(tmp_path: Path, store: TimedStore) -> Replica:
    return Replica(tmp_path / "one", store)


@pytest.fixture
def other(tmp_path: Path, store: TimedStore) -> Replica:
    return Replica(tmp_path / "other", store)


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
