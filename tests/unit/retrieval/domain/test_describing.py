from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.kernel.limits import LIMITS
from services.kernel.rankings import Candidate, Candidates
from services.retrieval.domain import describe, to_describe
from services.retrieval.domain.describing import shortened


def region(region_id: str, *labels: str) -> Candidates:
    some = tuple(Candidate(label, 1 / len(labels), ()) for label in labels)
    return Candidates(region_id, some, margin=0.0, entropy=0.0, unknown_score=0.0, votes=())


def test_as_many_labels_are_described_as_can_stand_behind_letters() -> None:
    labels = [f"label {number}" for number in range(30)]
    regions = [region("0", *labels), region("1", "other")]

    assert to_describe(regions) == {*labels[:26], "other"}

    found = describe(regions, dict.fromkeys(labels, ("red",)))

    assert [each.descriptions for each in found[0].candidates] == [("red",)] * 26 + [()] * 4
    assert [each.label for each in found[0].candidates] == labels
    assert found[1] == regions[1]


def test_regions_whose_descriptions_do_not_fit_have_none() -> None:
    regions = [region("0", "long"), region("1", "long", "short"), region("2", "short")]

    found = describe(regions, {"long": ("x" * 60,), "short": ("y" * 9,)}, most=100)

    assert [[each.descriptions for each in some.candidates] for some in found] == [
        [("x" * 60,)],
        [(), ()],
        [("y" * 9,)],
    ]


def test_a_long_description_is_cut_after_a_word() -> None:
    text = "word " * 100

    assert shortened(text) == "word " * 79 + "word…"
    assert shortened("x" * 500) == "x" * 399 + "…"
    assert shortened("x" * 400) == "x" * 400


@given(st.text(max_size=1_200))
def test_no_description_is_longer_than_allowed(text: str) -> None:
    assert len(shortened(text)) <= LIMITS.description_characters
    assert len(text) > LIMITS.description_characters or shortened(text) == text
