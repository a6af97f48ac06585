from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.kernel.vocabulary import (
    Box,
    Exemplar,
    ExemplarKind,
    ImageReference,
    Mask,
    Region,
    RegionOrigin,
)
from services.retrieval.adapters.memory import records

TEXTS = st.text(max_size=20)
VALUES = st.one_of(TEXTS, st.booleans(), st.floats(allow_nan=False, allow_infinity=False))
IMAGE = ImageReference("0" * 64, "acme/birds/images/a", "image/png", 10, 4, 4)
REGION = Region("r", Box(0.25, 0, 3, 4), RegionOrigin.CALLER, Mask(4, 4, (3, 1, 12)))
EXEMPLARS = st.builds(
    Exemplar,
    TEXTS,
    TEXTS,
    st.sampled_from(list(ExemplarKind)),
    st.dictionaries(TEXTS, VALUES, max_size=4),
    st.sampled_from([None, IMAGE]),
    st.sampled_from([None, REGION, Region("whole", Box(0, 0, 4, 4), RegionOrigin.WHOLE_IMAGE)]),
    TEXTS,
)


@given(EXEMPLARS)
def test_what_is_read_is_what_was_written(exemplar: Exemplar) -> None:
    again = records.read(records.write(exemplar))

    assert again == exemplar
    assert {name: type(value) for name, value in again.attributes.items()} == {
        name: type(value) for name, value in exemplar.attributes.items()
    }


def test_equal_exemplars_have_equal_records() -> None:
    one = Exemplar("a", "robin", ExemplarKind.NAME, {"x": 1.0, "y": True})
    same = Exemplar("a", "robin", ExemplarKind.NAME, {"y": True, "x": 1.0})

    assert records.write(one) == records.write(same)
