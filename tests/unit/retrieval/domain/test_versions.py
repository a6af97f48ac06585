from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import InvalidInput, NotFound
from services.kernel.vocabulary import EncodedExemplar
from services.retrieval.domain.versions import (
    Drop,
    Edit,
    Restore,
    difference,
    listed,
    require_editable,
    same,
)
from tests.fakes.exemplars import embedding, encoded

IDS = st.sampled_from(["a", "b", "ba", "c", "d"])
EXEMPLARS = st.builds(
    lambda label, number: (label, number), st.sampled_from(["robin", "wren"]), st.integers(1, 2)
)
MEMORIES = st.dictionaries(IDS, EXEMPLARS)


def memory(entries: dict[str, tuple[str, int]]) -> dict[str, EncodedExemplar]:
    return {
        name: encoded(name, label, [embedding(number, 1)])
        for name, (label, number) in sorted(entries.items())
    }


@given(MEMORIES, MEMORIES)
def test_what_differs_makes_one_memory_the_other(
    now: dict[str, tuple[str, int]], then: dict[str, tuple[str, int]]
) -> None:
    left, target = memory(now), memory(then)

    changes = list(difference(left.values(), target.values()))

    for change in changes:
        if isinstance(change, Drop):
            del left[change.exemplar_id]
        else:
            left[change.encoded.exemplar.exemplar_id] = change.encoded
    assert left.keys() == target.keys()
    assert all(same(left[name], target[name]) for name in target)
    assert len(changes) == sum(now.get(name) != then.get(name) for name in now.keys() | then.keys())


def test_a_bit_of_a_vector_or_of_any_field_is_a_difference() -> None:
    one = encoded("a", "robin", [embedding(0, 1)], {"place": "wood"})
    vector = one.embeddings[0].vector.copy()
    vector[1] = np.nextafter(vector[1], np.float32(0))
    others = [
        replace(one, exemplar=replace(one.exemplar, attributes={"place": "sea"})),
        replace(one, exemplar=replace(one.exemplar, image=None)),
        replace(one, embeddings=(replace(one.embeddings[0], vector=vector),)),
        replace(one, embeddings=(*one.embeddings, embedding(0, 1, space="name"))),
        replace(one, embeddings=(embedding(0, 1, encoder="other@1"),)),
    ]

    assert [list(difference([one], [other])) for other in others] == [[Restore(other)] for other in others]
    again = encoded("a", "robin", [embedding(0, 1)], {"place": "wood"})
    assert list(difference([one], [again])) == []


def test_the_order_of_embeddings_is_none() -> None:
    one = encoded("a", "robin", [embedding(0, 1), embedding(1, 0, space="name")])

    assert same(one, replace(one, embeddings=one.embeddings[::-1]))


def test_an_edit_is_of_an_exemplar_that_there_is_and_of_each_once() -> None:
    require_editable([Edit("a"), Edit("b", "wren")], {"a", "b", "c"})
    with pytest.raises(NotFound, match="no exemplar x, y to edit"):
        require_editable([Edit("x"), Edit("a"), Edit("y")], {"a"})
    with pytest.raises(InvalidInput, match="more than one edit of a"):
        require_editable([Edit("a"), Edit("a", "wren")], {"a"})


def test_many_are_listed_by_the_first_few() -> None:
    assert listed([f"x{number}" for number in range(12)]).endswith("x9 and 2 more")
