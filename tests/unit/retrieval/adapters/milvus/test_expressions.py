from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import InvalidInput
from services.kernel.vocabulary import AttributeValue, CollectionKey, Condition
from services.retrieval.adapters.milvus.expressions import admitted, alive, among, attributes, text
from services.retrieval.domain import Scope

VALUES: st.SearchStrategy[AttributeValue] = (
    st.text() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
)
CONDITIONS = st.builds(Condition, st.text(), st.lists(VALUES, min_size=1, max_size=3).map(tuple)) | st.builds(
    Condition, st.text(), least=st.floats(allow_nan=False), most=st.none()
)
TERM = r'(exists )?attributes\["[bns][0-9a-f]*h?"\]( (==|>=|<=) ("[0-9a-f]*h?"|true|false|-?[0-9.e+-]+))?'
SAFE = re.compile(rf"( and (\({TERM}( or {TERM}| and {TERM})*\)|not \(exemplar_id in \[[^\]\\]*\]\)))*")


@given(st.lists(CONDITIONS, max_size=3), st.frozensets(st.text(), max_size=3))
def test_whatever_a_caller_writes_an_expression_has_the_same_form(
    conditions: list[Condition], excluded: frozenset[str]
) -> None:
    try:
        found = admitted(Scope(tuple(conditions), excluded))
    except InvalidInput:  # a bound that is not finite
        return

    assert SAFE.fullmatch(found), found
    for quoted in re.findall(r'"([^"]*)"', found):
        assert re.fullmatch(r"[A-Za-z0-9._:/!-]*", quoted)


@pytest.mark.parametrize("value", ['a"', "a\\", "a b", "ä", "a\n", "{a}"])
def test_what_is_no_id_is_refused_or_equals_nothing(value: str) -> None:
    with pytest.raises(InvalidInput):
        text(value)
    assert among("id", [value, "b"]) == 'id in ["b"]'


def test_a_moment_is_part_of_every_test_of_a_collection() -> None:
    assert alive(CollectionKey("acme", "birds"), 7) == 'owner == "acme/birds" and born <= 7 and died > 7'


def test_values_of_different_types_have_different_names() -> None:
    stored = [attributes({"a": value}) for value in ("1", 1.0, True)]

    assert len({*map(str, stored)}) == len({key for each in stored for key in each}) == 3


def test_long_names_and_values_are_short_in_a_row() -> None:
    ((name, value),) = attributes({"n" * 200: "v" * 10_000}).items()

    assert len(name) < 100
    assert len(str(value)) < 100
    assert attributes({"a": "v" * 100}) != attributes({"a": "v" * 101})


def test_a_bound_that_is_no_number_is_refused() -> None:
    with pytest.raises(InvalidInput):
        admitted(Scope((Condition("a", least=math.nan),)))
