"""What labels are kinds of: forests are kept, anything else is refused by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.codec.collections import read_collection, write_collection
from services.gateway.domain.collections import Collection
from services.gateway.domain.hierarchy import LabelParent, check_hierarchy
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import CollectionKey
from tests.fakes.gateway_case import GatewayCase

BIRDS = CollectionKey("acme", "birds")
FOREST = (
    LabelParent("goldfinch", "finch"),
    LabelParent("finch", "bird"),
    LabelParent("bird", ""),
    LabelParent("oak", ""),
)


def refused(*pairs: tuple[str, str]) -> InvalidInput:
    with pytest.raises(InvalidInput) as error:
        check_hierarchy([LabelParent(*pair) for pair in pairs])
    return error.value


def test_a_forest_is_kept_with_the_collection_and_left_out_of_lists() -> None:
    cases = GatewayCase().collection_cases()
    cases.create(Collection(BIRDS, hierarchy=FOREST, level_threshold=0.6))

    assert cases.get(BIRDS).hierarchy == FOREST
    assert [each.hierarchy for each in cases.list("acme")] == [()]


def test_a_hierarchy_comes_back_through_the_contract() -> None:
    collection = Collection(BIRDS, hierarchy=FOREST, level_threshold=0.6, neighbours_per_label=2)

    assert read_collection(write_collection(collection)) == collection


def test_a_hierarchy_that_is_refused_changes_nothing() -> None:
    cases = GatewayCase().collection_cases()
    cases.create(Collection(BIRDS, hierarchy=FOREST))

    with pytest.raises(InvalidInput):
        cases.update(Collection(BIRDS, hierarchy=(LabelParent("wren", "brid"),)))

    assert cases.get(BIRDS).hierarchy == FOREST


def test_a_misspelt_parent_is_named() -> None:
    error = refused(("finch", ""), ("goldfinch", "fnich"))

    assert "'goldfinch' is a kind of 'fnich', which has no entry" in error.message
    assert (error.field, error.reason) == ("collection.hierarchy[1].parent", "HIERARCHY_PARENT_UNKNOWN")


@pytest.mark.parametrize(
    ("pairs", "circle"),
    [
        ([("a", "a")], "'a' is a kind of 'a'"),
        ([("a", "b"), ("b", "c"), ("c", "a")], "'a' is a kind of 'b' is a kind of 'c' is a kind of 'a'"),
        ([("x", "a"), ("a", "b"), ("b", "a")], "'a' is a kind of 'b' is a kind of 'a'"),
    ],
)
def test_a_circle_is_named_label_by_label(pairs: list[tuple[str, str]], circle: str) -> None:
    error = refused(*pairs)

    assert error.message.endswith(f"goes round: {circle}")
    assert error.reason == "HIERARCHY_CYCLE"


def test_a_label_with_two_parents_is_named() -> None:
    error = refused(("bird", ""), ("pet", ""), ("canary", "bird"), ("canary", "pet"))

    assert "'canary'" in error.message
    assert (error.field, error.reason) == ("collection.hierarchy[3]", "HIERARCHY_LABEL_TWICE")


def chain(labels: int) -> list[tuple[str, str]]:
    return [(f"x{i}", f"x{i + 1}" if i + 1 < labels else "") for i in range(labels)]


def test_a_path_upwards_has_an_end() -> None:
    check_hierarchy([LabelParent(*pair) for pair in chain(LIMITS.hierarchy_levels + 1)])
    error = refused(*chain(LIMITS.hierarchy_levels + 2))

    assert error.reason == "HIERARCHY_TOO_DEEP"
    assert "'x0'" in error.message


def test_so_many_labels_and_no_more() -> None:
    flat = [LabelParent(f"x{number}", "") for number in range(LIMITS.hierarchy_labels + 1)]
    check_hierarchy(flat[:-1])

    with pytest.raises(InvalidInput, match="20001 labels") as error:
        check_hierarchy(flat)

    assert error.value.reason == "HIERARCHY_TOO_LARGE"


@pytest.mark.parametrize("label", ["", "two\nlines", "x" * 201])
def test_a_label_that_none_could_be_taught_is_refused(label: str) -> None:
    assert refused((label, "")).field == "collection.hierarchy[0].label"


@given(st.dictionaries(st.integers(0, 12), st.none() | st.integers(0, 12)))
def test_a_forest_passes_and_nothing_else(parents: dict[int, int | None]) -> None:
    entries = [
        LabelParent(str(label), "" if parent is None else str(parent)) for label, parent in parents.items()
    ]
    known = all(parent is None or parent in parents for parent in parents.values())

    assert _passes(entries) == (known and all(_path_ends(label, parents) for label in parents))


def _passes(entries: list[LabelParent]) -> bool:
    try:
        check_hierarchy(entries)
    except InvalidInput:
        return False
    return True


def _path_ends(label: int | None, parents: dict[int, int | None]) -> bool:
    seen: set[int] = set()
    while label is not None and label not in seen:
        seen.add(label)
        label = parents[label]
    return label is None
