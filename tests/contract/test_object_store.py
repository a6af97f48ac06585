"""What every object store must do; each adapter and the fake pass this file."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.local.server import Running
from services.kernel.errors import InvalidInput, NotFound
from services.runtime.metrics import Metrics
from services.runtime.object_store.folder import FolderStore
from services.runtime.object_store.measured import MeasuredStore
from services.runtime.object_store.minio import MinioStore
from services.runtime.object_store.ports import ObjectStore
from tests.fakes.object_store import InMemoryStore
from tests.integration.minio.buckets import a_bucket

Open = Callable[[Path, pytest.FixtureRequest], AbstractContextManager[ObjectStore]]


@contextmanager
def in_memory(folder: Path, request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    del folder, request
    yield InMemoryStore()


@contextmanager
def in_folder(folder: Path, request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    del request
    with closing(FolderStore(folder)) as store:
        yield store


@contextmanager
def measured(folder: Path, request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    with in_folder(folder, request) as store:
        yield MeasuredStore(store, Metrics().storage)


@contextmanager
def on_minio(folder: Path, request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    del folder
    server: Running = request.getfixturevalue("minio_server")
    with closing(MinioStore(a_bucket(server))) as store:
        yield store


STORES: dict[str, Open] = {
    "fake": in_memory,
    "folder": in_folder,
    "measured": measured,
    "minio": on_minio,
}


@pytest.fixture(params=["fake", "folder", "measured", pytest.param("minio", marks=pytest.mark.integration)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    with STORES[request.param](tmp_path, request) as opened:
        yield opened


def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return [entry.key for entry in store.list(prefix)]


def test_an_object_comes_back_as_it_was_put(store: ObjectStore) -> None:
    data = bytes(range(256)) * 1000
    store.put("default/images/abc", data)

    assert store.get("default/images/abc") == data


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    store.put("empty", b"")

    assert store.get("empty") == b""
    assert keys(store) == ["empty"]


def test_what_was_never_put_is_not_found(store: ObjectStore) -> None:
    store.put("a/b", b"x")

    for key in ("b", "a", "a/b/c", "a/bc"):
        with pytest.raises(NotFound, match=key):
            store.get(key)


def test_put_replaces(store: ObjectStore) -> None:
    store.put("a", b"longer than the second")
    store.put("a", b"second")

    assert store.get("a") == b"second"
    assert [entry.size_bytes for entry in store.list("a")] == [6]


def test_put_if_absent_keeps_the_first(store: ObjectStore) -> None:
    assert store.put_if_absent("a/b", b"first") is True
    assert store.put_if_absent("a/b", b"second") is False
    assert store.get("a/b") == b"first"


def test_of_many_who_put_if_absent_one_wins_and_its_object_stays(store: ObjectStore) -> None:
    for round_number in range(10):
        barrier = threading.Barrier(8)

        def put(number: int, barrier: threading.Barrier = barrier, round_number: int = round_number) -> bool:
            barrier.wait()
            return store.put_if_absent(f"results/{round_number}", str(number).encode())

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(put, range(8)))
        assert won.count(True) == 1
        assert store.get(f"results/{round_number}") == str(won.index(True)).encode()


def test_a_reader_sees_a_whole_object_or_the_other(store: ObjectStore) -> None:
    versions = [letter * 200_000 for letter in (b"a", b"b", b"c")]
    store.put("big", versions[0])
    stop = threading.Event()

    def replace() -> None:
        for version in itertools.cycle(versions):
            if stop.is_set():
                return
            store.put("big", version)

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        assert all(store.get("big") in versions for _ in range(200))
        assert all(entry.size_bytes == 200_000 for _ in range(50) for entry in store.list(""))
    finally:
        stop.set()
        writer.join()


def test_a_deleted_object_is_gone_and_its_key_free(store: ObjectStore) -> None:
    store.put("a/b", b"x")
    store.delete("a/b")

    assert keys(store) == []
    with pytest.raises(NotFound):
        store.get("a/b")
    assert store.put_if_absent("a/b", b"y")


def test_deleting_what_is_not_there_is_no_error(store: ObjectStore) -> None:
    store.delete("never/was")


def test_list_says_size_and_time(store: ObjectStore) -> None:
    store.put("a", b"12345")

    (entry,) = store.list("")
    assert entry.size_bytes == 5
    assert abs(entry.modified_s - time.time()) < 60


def test_list_gives_what_starts_with_the_prefix_even_within_a_part(store: ObjectStore) -> None:
    for key in ("t/recognitions/ab1", "t/recognitions/ab2", "t/recognitions/b", "t/recognitionsx", "u/ab"):
        store.put(key, b"")

    assert keys(store, "t/recognitions/ab") == ["t/recognitions/ab1", "t/recognitions/ab2"]
    assert keys(store, "t/recognitions/") == ["t/recognitions/ab1", "t/recognitions/ab2", "t/recognitions/b"]
    assert keys(store, "t/recognitions/b") == ["t/recognitions/b"]
    assert keys(store, "t/recog") == [*keys(store, "t/recognitions/"), "t/recognitionsx"]
    assert keys(store, "nothing/here/") == []


def test_list_is_in_the_order_of_whole_keys(store: ObjectStore) -> None:
    names = [
        "a-b",
        "a.b",
        "a0",
        "a/b/c",
        "A",
        "a/b-c",
        "ä",
        "b=",
        "a+/x",
        "a=/x",
        "z/1",
        "z/10",
        "z/2",
    ]
    for name in names:
        store.put(name, b"")

    assert keys(store) == sorted(names, key=str.encode)


def test_what_lies_under_another_object_is_as_good_as_any(store: ObjectStore) -> None:
    store.put("a", b"1")
    store.put("a/b", b"2")
    store.put("a", b"3")

    assert [store.get("a"), store.get("a/b")] == [b"3", b"2"]
    store.delete("a")
    assert store.get("a/b") == b"2"
    assert keys(store) == ["a/b"]


PARTS = st.sampled_from(["a", "b", "ab", "a=", "a+", "a-", "+", "=", "é", "a b", "door", "lock"])
KEYS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(KEYS, unique=True, max_size=12), st.one_of(KEYS, st.text("ab=+/", max_size=3)))
def test_any_keys_that_are_no_folders_of_others_live_side_by_side(
    store: ObjectStore, names: list[str], prefix: str
) -> None:
    if prefix.startswith("/") or "//" in prefix:
        prefix = ""
    names = [name for name in names if not any(name.startswith(f"{other}/") for other in names)]
    for name in names:
        store.put(name, name.encode())

    try:
        assert all(store.get(name) == name.encode() for name in names)
        expected = sorted((name for name in names if name.startswith(prefix)), key=str.encode)
        assert keys(store, prefix) == expected
    finally:
        for name in names:
            store.delete(name)
    assert keys(store) == []


BAD = [
    "",
    "/a",
    "a/",
    "a//b",
    "../a",
    "a/../b",
    "a/./b",
    "..",
    ".",
    "a\0b",
    "\ud800",
    "x" * 251,
    "a/" * 600 + "a",
]


@pytest.mark.parametrize("key", BAD, ids=lambda key: ascii(key[:20]))
def test_a_bad_key_is_refused_everywhere(store: ObjectStore, key: str) -> None:
    for call in (store.get, store.delete):
        with pytest.raises(InvalidInput):
            call(key)
    with pytest.raises(InvalidInput):
        store.put(key, b"")
    with pytest.raises(InvalidInput):
        store.put_if_absent(key, b"")


@pytest.mark.parametrize("prefix", ["../", "a/../b", "/", "a\0"])
def test_a_bad_prefix_is_refused_at_once(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(InvalidInput):
        store.list(prefix)


def test_the_longest_key_fits(store: ObjectStore) -> None:
    key = "/".join(["é" * 125] * 4)  # 250 bytes a part
    store.put(key, b"x")

    assert len(key.encode()) == 1003
    assert keys(store) == [key]
