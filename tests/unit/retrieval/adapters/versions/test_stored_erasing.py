"""What is erased is in no kept version, nor are its bytes."""

from __future__ import annotations

from dataclasses import replace

from services.kernel.vocabulary import EncodedExemplar
from services.retrieval.adapters.memory.snapshots import SnapshotStore
from tests.fakes.exemplars import BIRDS
from tests.fakes.object_store import InMemoryStore
from tests.fakes.shelves import labels
from tests.unit.retrieval.adapters.versions.kept import ALL, LAZY, bird, holding, keep, replica, segments_of


def test_what_is_erased_is_in_no_version_from_the_moment_that_it_is_marked() -> None:
    store = InMemoryStore()
    with replica(store) as one, replica(store) as other:
        for name in "abc":
            one.remember(bird(name))
        keep(one, "spring")
        one.shelf.versions.view(BIRDS, "spring")  # open already

        one.shelf.register.mark(BIRDS, ["b"], "")

        for each in (one, other):
            view = each.shelf.versions.view(BIRDS, "spring")
            assert labels(view) == {"a": "robin", "c": "robin"}
            (found,) = view.nearest([bird("b").embeddings[0]], most=9, scope=ALL)
            assert {hit.exemplar.exemplar_id for hit in found.hits} == {"a", "c"}
        assert one.shelf.versions.erased(BIRDS, "spring") == {"b"}


def test_what_was_taught_again_is_kept_again() -> None:
    with replica(InMemoryStore()) as one:
        one.remember(bird("a"))
        keep(one, "before")
        one.erase("a")
        one.remember(bird("a", "wren"))
        keep(one, "after")
        one.housekeeping.turn()

        assert labels(one.shelf.versions.view(BIRDS, "before")) == {}
        assert labels(one.shelf.versions.view(BIRDS, "after")) == {"a": "wren"}
        assert one.shelf.versions.erased(BIRDS, "after") == set()


def test_the_bytes_of_what_was_erased_are_removed_everywhere() -> None:
    store = InMemoryStore()
    with replica(store) as one, replica(store) as other:
        for name in ("secret", "other"):
            one.remember(bird(name))
            store.put(f"acme/images/birds/{name}", b"pixels")
        one.settle()
        keep(one, "spring")
        one.write("secret", None)  # dead in the segment that both versions have
        keep(one, "summer")
        one.erase("secret")
        assert holding(store, "secret")

        for _ in range(2):
            other.housekeeping.turn()
            one.housekeeping.turn()
            one.settle()
            one.local.remove(one.local.names() - {view.segment.folder.name for view in segments_of(one)})
        SnapshotStore(store, also_named=one.shelf.versions.digests).collect(keep=1, grace_s=-10.0)

        assert holding(store, "secret") == []
        assert one.bytes_of("secret") == []
        for each in (one, other):
            for name in ("spring", "summer"):
                assert labels(each.shelf.versions.view(BIRDS, name)) == {"other": "robin"}
        assert [info.exemplars for info in one.shelf.versions.list(BIRDS)] == [1, 1]
        assert labels(one.index.view(BIRDS)) == {"other": "robin"}


def test_what_was_erased_is_removed_from_a_segment_that_has_no_other_reason_to_be_written_anew() -> None:
    with replica(InMemoryStore(), LAZY) as one:
        for number in range(50):
            one.remember(bird(f"secret-{number}" if number == 7 else f"x{number}"))
        one.settle()
        one.erase("secret-7")
        one.settle()
        assert one.bytes_of("secret-7")

        one.housekeeping.turn()
        one.settle()
        one.local.remove(one.local.names() - {view.segment.folder.name for view in segments_of(one)})

        assert one.bytes_of("secret-7") == []
        assert len(labels(one.index.view(BIRDS))) == 49
        assert one.index.erase(BIRDS, ["secret-7"])


def test_the_image_of_what_was_erased_goes_unless_it_was_taught_again() -> None:
    store = InMemoryStore()

    def pictured(name: str) -> EncodedExemplar:
        taught = bird(name)
        assert taught.exemplar.image is not None
        key = f"acme/images/birds/{name}"
        store.put(key, b"pixels")
        image = replace(taught.exemplar.image, key=key)
        return replace(taught, exemplar=replace(taught.exemplar, image=image))

    with replica(store) as one:
        for name in ("gone", "again", "never erased"):
            one.remember(pictured(name.replace(" ", "-")))
        keep(one, "spring")
        one.erase("gone", "again")
        one.remember(pictured("again"))

        one.housekeeping.turn()

        assert [entry.key for entry in store.list("acme/images/")] == [
            "acme/images/birds/again",
            "acme/images/birds/never-erased",
        ]
