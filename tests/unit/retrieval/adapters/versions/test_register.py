from __future__ import annotations

import pytest

from services.kernel.errors import Corrupt, InvalidInput
from services.retrieval.adapters.versions.register import Register
from tests.fakes.exemplars import BIRDS, SEA
from tests.fakes.object_store import InMemoryStore


def register(store: InMemoryStore, log: str = "this log") -> Register:
    return Register(store, log=lambda: log)


def test_what_was_erased_is_kept_for_all_replicas() -> None:
    store = InMemoryStore()
    register(store).mark(BIRDS, ["b", "a", "b"], "v1.0-7")

    assert register(store).read(BIRDS).ids == {"a", "b"}
    assert register(store).read(SEA).ids == set()
    assert register(store).collections() == [BIRDS]


def test_it_counts_for_states_that_have_not_seen_the_end_of_it() -> None:
    erased = register(InMemoryStore())
    erased.mark(BIRDS, ["a"], "v1.0-7.1-3")

    assert erased.since(BIRDS, "v1.0-6.1-3") == {"a"}
    assert erased.since(BIRDS, "v1.0-9.1-2") == {"a"}
    assert erased.since(BIRDS, "v1.0-7.1-3") == set()
    assert erased.since(BIRDS, "v1.0-8.1-9") == set()


def test_while_it_is_being_forgotten_it_counts_for_all() -> None:
    erased = register(InMemoryStore())
    erased.mark(BIRDS, ["a"], "")
    assert erased.since(BIRDS, "v1.0-999") == {"a"}

    erased.mark(BIRDS, ["a"], "v1.0-7")
    assert erased.since(BIRDS, "v1.0-999") == set()


def test_what_is_erased_again_counts_again() -> None:
    erased = register(InMemoryStore())
    erased.mark(BIRDS, ["a"], "v1.0-7")
    erased.mark(BIRDS, ["a", "b"], "v1.0-9")

    assert erased.since(BIRDS, "v1.0-8") == {"a", "b"}


def test_offsets_of_another_log_say_nothing() -> None:
    store = InMemoryStore()
    register(store, "the old log").mark(BIRDS, ["a"], "v1.0-7")

    assert register(store, "the new log").since(BIRDS, "v1.0-999") == {"a"}


def test_the_digest_tells_whether_anything_was_erased_since() -> None:
    store = InMemoryStore()
    erased = register(store)
    digests = [erased.read(BIRDS).digest]
    for ids, version in ((["a"], ""), (["a"], "v1.0-7"), (["b"], "v1.0-8")):
        erased.mark(BIRDS, ids, version)
        digests.append(erased.read(BIRDS).digest)

    assert len(set(digests)) == 4
    assert digests[0] == ""


def test_a_version_that_is_none_is_refused_and_damage_is_seen() -> None:
    store = InMemoryStore()
    with pytest.raises(InvalidInput):
        register(store).mark(BIRDS, ["a"], "garbage")
    store.put("memory/erased/acme/birds/x", b"{")

    with pytest.raises(Corrupt):
        register(store).read(BIRDS)
