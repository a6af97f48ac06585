from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import Conflict, Corrupt, FoveaError, NotFound, Unavailable
from services.retrieval.adapters.versions.chains import Chains
from tests.fakes.exemplars import BIRDS, SEA
from tests.fakes.object_store import InMemoryStore


def chains(store: InMemoryStore | None = None) -> Chains:
    return Chains(store or InMemoryStore(), prefix="memory/versions", noun="version")


def test_what_was_kept_is_read_back_by_others() -> None:
    store = InMemoryStore()
    chains(store).create(BIRDS, "spring", b"data")

    assert chains(store).read(BIRDS, "spring").data == b"data"
    assert chains(store).all() == [(BIRDS, "spring")]
    assert chains(store).names(SEA) == []


def test_a_name_is_given_once_until_it_is_deleted() -> None:
    kept = chains()
    kept.create(BIRDS, "spring", b"1")
    with pytest.raises(Conflict) as refused:
        kept.create(BIRDS, "spring", b"2")
    assert refused.value.reason == "VERSION_EXISTS"

    kept.delete(BIRDS, "spring")
    kept.create(BIRDS, "spring", b"2")

    assert kept.read(BIRDS, "spring").data == b"2"


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    kept = chains()
    with pytest.raises(NotFound, match="none was kept yet"):
        kept.read(BIRDS, "spring")
    kept.create(BIRDS, "summer", b"1")
    kept.create(BIRDS, "spring", b"1")
    kept.delete(BIRDS, "spring")

    for call in (kept.read, kept.delete):
        with pytest.raises(NotFound, match="no version 'spring'; there are summer") as refused:
            call(BIRDS, "spring")
        assert refused.value.reason == "VERSION_UNKNOWN"


def test_of_two_that_change_the_same_one_learns_that_it_lost() -> None:
    kept = chains()
    kept.create(BIRDS, "spring", b"1")
    found = kept.read(BIRDS, "spring")

    assert kept.replace(found, b"2")
    assert not kept.replace(found, b"3")
    assert kept.read(BIRDS, "spring").data == b"2"


def test_what_was_deleted_does_not_come_back_by_a_change_that_was_under_way() -> None:
    store = InMemoryStore()
    kept = chains(store)
    kept.create(BIRDS, "spring", b"1")
    found = kept.read(BIRDS, "spring")
    kept.delete(BIRDS, "spring")

    assert not kept.replace(found, b"2")
    kept.create(BIRDS, "spring", b"3")  # its number is gone by for whoever found the first
    kept.delete(BIRDS, "spring")
    assert not kept.replace(found, b"2")
    assert kept.names(BIRDS) == []
    assert len(list(store.list(""))) == 1


def test_a_flipped_bit_is_found() -> None:
    store = InMemoryStore()
    kept = chains(store)
    kept.create(BIRDS, "spring", b"data")
    (entry,) = store.list("")
    sealed = store.get(entry.key)
    store.put(entry.key, sealed[:-1] + bytes([sealed[-1] ^ 1]))

    with pytest.raises(Corrupt, match="spring"):
        kept.read(BIRDS, "spring")


def test_of_many_that_keep_at_once_one_does() -> None:
    store = InMemoryStore()

    def keep(number: int) -> bool:
        try:
            chains(store).create(BIRDS, "spring", str(number).encode())
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = [number for number, kept in enumerate(pool.map(keep, range(32))) if kept]

    assert [str(number).encode() for number in won] == [chains(store).read(BIRDS, "spring").data]


class Dying(InMemoryStore):
    """Is not to be had after so many calls."""

    left = 10_000

    def _call(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Unavailable("gone")

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._call()
        return super().put_if_absent(key, data)

    def delete(self, key: str) -> None:
        self._call()
        super().delete(key)


ACTIONS: dict[str, Callable[[Chains], object]] = {
    "create": lambda kept: kept.create(BIRDS, "spring", b"new"),
    "replace": lambda kept: kept.replace(kept.read(BIRDS, "spring"), b"newer"),
    "delete": lambda kept: kept.delete(BIRDS, "spring"),
}


@given(st.lists(st.tuples(st.sampled_from(list(ACTIONS)), st.integers(0, 3))))
def test_a_change_that_broke_off_was_made_or_was_not(steps: list[tuple[str, int]]) -> None:
    store = Dying()
    kept = chains(store)
    for name, calls in steps:
        before = _value(kept)
        outcomes = {before, {"create": b"new", "replace": b"newer", "delete": None}[name]}
        store.left = calls
        try:
            ACTIONS[name](kept)
        except Unavailable:
            assert _value(kept) in outcomes
        except FoveaError:
            assert _value(kept) == before
        else:
            assert _value(kept) in outcomes - {before} or len(outcomes) == 1


def _value(kept: Chains) -> bytes | None:
    try:
        return kept.read(BIRDS, "spring").data
    except NotFound:
        return None
