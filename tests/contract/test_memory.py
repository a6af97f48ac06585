"""What every Memory must do. The fake and the real one both pass this file."""

from __future__ import annotations

import numpy as np
import pytest

from services.kernel.vocabulary import CollectionKey, Condition, Embedding
from services.retrieval.domain import Scope
from services.retrieval.ports import Memory
from tests.contract.memories import ALL, EAST, NORTH, Writable, answers
from tests.fakes.exemplars import BIRDS, ENCODER, OTHER_DIGEST, SEA, embedding, encoded

NORTH_EAST = embedding(1, 1)


def nearest(
    memory: Memory, query: Embedding, *, most: int = 10, scope: Scope = ALL, collection: CollectionKey = BIRDS
) -> list[str]:
    (found,) = memory.view(collection).nearest([query], most=most, scope=scope)
    return [hit.exemplar.exemplar_id for hit in found.hits]


def test_the_nearest_comes_first(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("east", "wren", [EAST]))
    memory.remember(BIRDS, encoded("north", "robin", [NORTH]))

    (found,) = memory.view(BIRDS).nearest([NORTH], most=2, scope=ALL)

    assert [hit.exemplar.exemplar_id for hit in found.hits] == ["north", "east"]
    assert [hit.exemplar.label for hit in found.hits] == ["robin", "wren"]
    assert [hit.similarity for hit in found.hits] == pytest.approx([1, 0])


def test_no_more_than_asked_for_are_found(memory: Writable) -> None:
    for number in range(5):
        memory.remember(BIRDS, encoded(f"x{number}", "robin", [embedding(number, 1)]))

    assert nearest(memory, NORTH, most=2) == ["x0", "x1"]
    assert len(nearest(memory, NORTH, most=1_000_000)) == 5


def test_equally_near_ones_come_in_order_of_id(memory: Writable) -> None:
    for name in ("c", "a", "d", "b"):
        memory.remember(BIRDS, encoded(name, "robin", [NORTH_EAST]))

    assert nearest(memory, NORTH, most=3) == ["a", "b", "c"]


def test_each_query_is_answered_in_its_place(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("east", "wren", [EAST]))
    memory.remember(BIRDS, encoded("north", "robin", [NORTH]))
    memory.remember(BIRDS, encoded("name", "robin", [embedding(1, 0, 0, space="name")]))

    queries = [EAST, embedding(0, 1, 0, space="name"), NORTH]
    found = memory.view(BIRDS).nearest(queries, most=1, scope=ALL)

    assert [each.hits[0].exemplar.exemplar_id for each in found] == ["east", "name", "north"]


def test_no_query_finds_nothing(memory: Writable) -> None:
    assert list(memory.view(BIRDS).nearest([], most=1, scope=ALL)) == []


def test_a_collection_never_written_to_is_empty(memory: Writable) -> None:
    view = memory.view(SEA)

    assert nearest(memory, NORTH, collection=SEA) == []
    assert list(view.exemplars()) == []
    assert list(view.encoded()) == []
    assert dict(view.labels()) == {}


def test_collections_do_not_see_each_other(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("north", "robin", [NORTH]))
    memory.remember(CollectionKey("other", "birds"), encoded("north", "spy", [NORTH]))

    assert dict(memory.view(BIRDS).labels()) == {"robin": 1}
    assert nearest(memory, NORTH, collection=SEA) == []


def test_exemplars_with_their_embeddings_go_on_after_an_id(memory: Writable) -> None:
    for name in ("c", "a", "b"):
        memory.remember(BIRDS, encoded(name, "robin", [NORTH]))

    found = [each.exemplar.exemplar_id for each in memory.view(BIRDS).encoded(after="a")]

    assert found == ["b", "c"]


def test_exemplars_are_counted_by_the_spaces_that_they_have_embeddings_in(memory: Writable) -> None:
    other = embedding(1, 0, 0, space="other")
    memory.remember(BIRDS, encoded("one", "robin", [NORTH]))
    memory.remember(BIRDS, encoded("both", "robin", [NORTH, other]))
    memory.remember(BIRDS, encoded("both too", "wren", [EAST, other]))
    memory.remember(BIRDS, encoded("none", "wren", []))
    memory.remember(BIRDS, encoded("gone", "wren", [EAST, other]))
    memory.forget(BIRDS, "gone")

    assert dict(memory.view(BIRDS).spaces()) == {
        frozenset(): 1,
        frozenset({"visual"}): 1,
        frozenset({"visual", "other"}): 2,
    }
    assert dict(memory.view(SEA).spaces()) == {}


def test_a_forgotten_exemplar_is_gone(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("a", "robin", [NORTH]))
    memory.remember(BIRDS, encoded("b", "wren", [EAST]))
    memory.forget(BIRDS, "a")
    memory.forget(BIRDS, "never there")

    assert nearest(memory, NORTH) == ["b"]
    assert dict(memory.view(BIRDS).labels()) == {"wren": 1}
    assert [each.exemplar_id for each in memory.view(BIRDS).exemplars()] == ["b"]


def test_remembering_an_id_again_replaces_it(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("a", "robin", [NORTH], {"place": "wood"}))
    memory.remember(BIRDS, encoded("a", "wren", [EAST]))

    (found,) = memory.view(BIRDS).nearest([EAST], most=9, scope=ALL)

    assert answers(found) == [("a", "wren", 1.0)]
    assert dict(memory.view(BIRDS).labels()) == {"wren": 1}


def test_what_was_forgotten_can_be_remembered_again(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("a", "robin", [NORTH]))
    memory.forget(BIRDS, "a")
    memory.remember(BIRDS, encoded("a", "robin", [NORTH]))

    assert nearest(memory, NORTH) == ["a"]


def test_only_vectors_of_the_same_space_meet(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("image", "robin", [NORTH]))
    memory.remember(BIRDS, encoded("name", "robin", [embedding(0, 1, space="name")]))

    assert nearest(memory, NORTH) == ["image"]
    assert nearest(memory, embedding(0, 1, space="name")) == ["name"]
    assert nearest(memory, embedding(0, 1, space="sound")) == []


def test_vectors_of_another_version_of_the_encoder_are_left_out_and_counted(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("old", "robin", [embedding(0, 1, encoder=OTHER_DIGEST)]))
    memory.remember(BIRDS, encoded("older", "robin", [embedding(0, 1, encoder=OTHER_DIGEST)]))
    memory.forget(BIRDS, "older")
    memory.remember(BIRDS, encoded("new", "wren", [EAST]))

    (found,) = memory.view(BIRDS).nearest([NORTH], most=9, scope=ALL)

    assert [hit.exemplar.exemplar_id for hit in found.hits] == ["new"]
    assert found.left_out == 1


def test_another_model_that_shares_the_space_is_met_and_an_exemplar_counts_once(memory: Writable) -> None:
    both = [embedding(0, 1), embedding(1, 1, encoder="bridge@aa")]
    memory.remember(BIRDS, encoded("both", "robin", both))
    memory.remember(BIRDS, encoded("east", "wren", [EAST]))

    (found,) = memory.view(BIRDS).nearest([NORTH], most=2, scope=ALL)

    assert answers(found) == [("both", "robin", 1.0), ("east", "wren", 0.0)]
    assert found.left_out == 0


def test_a_vector_of_another_length_is_left_out(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("long", "robin", [embedding(0, 1, 0)]))

    (found,) = memory.view(BIRDS).nearest([NORTH], most=9, scope=ALL)

    assert (found.hits, found.left_out) == ((), 1)


def test_excluded_exemplars_and_those_that_fail_a_condition_do_not_answer(memory: Writable) -> None:
    for number in range(50):
        name = f"x{number:02}"
        place = "wood" if number % 10 == 9 else "sea"
        memory.remember(BIRDS, encoded(name, "robin", [embedding(number, 10)], {"place": place}))
    scope = Scope((Condition("place", one_of=("wood",)),), frozenset({"x19"}))

    assert nearest(memory, NORTH, most=2, scope=scope) == ["x09", "x29"]
    assert nearest(memory, NORTH, most=9, scope=scope) == ["x09", "x29", "x39", "x49"]


def test_comparing_all_finds_what_is_nearest_within_the_same_bounds(memory: Writable) -> None:
    for number in range(30):
        memory.remember(
            BIRDS, encoded(f"x{number:02}", "robin", [embedding(number, 10)], {"n": float(number % 3)})
        )
    memory.forget(BIRDS, "x03")
    scope = Scope((Condition("n", one_of=(0.0,)),), frozenset({"x06"}))
    view = memory.view(BIRDS)

    compared = view.compare_all([NORTH, EAST], most=3, scope=scope)

    assert [[hit.exemplar.exemplar_id for hit in found.hits] for found in compared] == [
        ["x00", "x09", "x12"],
        ["x27", "x24", "x21"],
    ]
    assert list(compared) == list(view.nearest([NORTH, EAST], most=3, scope=scope))


def test_exemplars_come_in_order_of_id_and_from_where_one_asks(memory: Writable) -> None:
    for name in ("b", "d", "a", "c"):
        memory.remember(BIRDS, encoded(name, "robin", [NORTH]))
    memory.forget(BIRDS, "b")
    view = memory.view(BIRDS)

    assert [each.exemplar_id for each in view.exemplars()] == ["a", "c", "d"]
    assert [each.exemplar_id for each in view.exemplars(after="a")] == ["c", "d"]
    assert [each.exemplar_id for each in view.exemplars(after="b")] == ["c", "d"]


def test_an_export_gives_back_what_was_remembered(memory: Writable) -> None:
    taught = encoded("a", "robin", [NORTH, embedding(3, 4, 0, space="name")], {"place": "wood"})
    memory.remember(BIRDS, encoded("0", "wren", [EAST]))
    memory.remember(BIRDS, taught)

    _, given_back = memory.view(BIRDS).encoded()

    assert given_back.exemplar == taught.exemplar
    assert [(each.encoder, each.space) for each in given_back.embeddings] == [
        (ENCODER, "visual"),
        (ENCODER, "name"),
    ]
    for stored, original in zip(given_back.embeddings, taught.embeddings, strict=True):
        np.testing.assert_array_equal(stored.vector, original.vector)


def test_exemplars_are_found_by_id_with_their_embeddings(memory: Writable) -> None:
    memory.remember(BIRDS, encoded("a", "robin", [NORTH]))
    memory.remember(BIRDS, encoded("b", "wren", [EAST]))
    memory.remember(BIRDS, encoded("gone", "wren", [EAST]))
    memory.remember(BIRDS, encoded("a", "tit", [EAST]))
    memory.forget(BIRDS, "gone")

    found = memory.view(BIRDS).find({"a", "gone", "never there"})

    assert {name: each.exemplar.label for name, each in found.items()} == {"a": "tit"}
    np.testing.assert_array_equal(found["a"].embeddings[0].vector, EAST.vector)
