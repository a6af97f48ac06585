from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.vocabulary import AttributeValue, Condition, Exemplar, ExemplarKind
from services.retrieval.adapters.memory.columns import Attributes, Ids, Labels, Strings, hash_of
from services.retrieval.domain import Scope

TEXTS = st.text(max_size=8)
VALUES = st.one_of(
    st.sampled_from(["wood", "sea", ""]), st.booleans(), st.sampled_from([0.0, 1.0, 2.5, -1.0])
)
NAMES = st.sampled_from(["place", "size", "ringed", "é"])
ATTRIBUTES = st.lists(st.dictionaries(NAMES, VALUES, max_size=3), min_size=1, max_size=12)
BOUNDS = st.none() | st.sampled_from([-1.0, 0.0, 1.0, 2.5])
CONDITIONS = st.one_of(
    st.builds(
        lambda name, values: Condition(name, one_of=tuple(values)),
        NAMES | st.just("nowhere"),
        st.lists(VALUES | st.just("never"), min_size=1, max_size=3),
    ),
    st.builds(lambda name, least, most: Condition(name, least=least, most=most), NAMES, BOUNDS, BOUNDS),
)


@given(st.lists(TEXTS, unique=True, max_size=20), TEXTS)
def test_texts_are_found_where_they_stand(texts: list[str], wanted: str) -> None:
    texts.sort()
    strings = Strings.of(texts)

    assert strings.all() == [strings[place] for place in range(len(strings))] == texts
    assert [strings.find(text) for text in texts] == list(range(len(texts)))
    assert strings.find(wanted) == (texts.index(wanted) if wanted in texts else None)
    assert texts[strings.after(wanted) :] == [text for text in texts if text > wanted]


@given(st.lists(TEXTS, unique=True, max_size=20), TEXTS)
def test_ids_are_found_by_their_hash(names: list[str], other: str) -> None:
    names.sort()
    ids = Ids.of(names)

    for slot, name in enumerate(names):
        assert ids.find(name, hash_of(name)) == slot
    assert (ids.find(other, hash_of(other)) is None) == (other not in names)


def test_ids_whose_hashes_are_equal_are_told_apart() -> None:
    ids = Ids(Strings.of(["a", "b"]), np.array([7, 7], np.uint64), np.array([0, 1], np.int32))

    assert [ids.find(name, 7) for name in ("a", "b", "c")] == [0, 1, None]


def test_labels_are_counted_where_they_live() -> None:
    labels = Labels.of(["wren", "robin", "wren", "tit"])

    assert labels.count(np.array([True, True, True, False])) == {"robin": 1, "wren": 2}


@given(ATTRIBUTES, CONDITIONS)
def test_a_condition_holds_for_the_same_exemplars_as_in_the_domain(
    attributes: list[dict[str, AttributeValue]], condition: Condition
) -> None:
    scope = Scope((condition,))
    expected = [scope.admits(Exemplar("x", "robin", ExemplarKind.NAME, each)) for each in attributes]

    assert Attributes.of(attributes).holding(condition, len(attributes)).tolist() == expected
