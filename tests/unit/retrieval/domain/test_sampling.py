from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import InvalidInput
from services.retrieval.domain.sampling import few_shot

BIRDS = [(f"{label}{number}", label) for label in ("robin", "tit", "wren") for number in range(9)]


@given(st.permutations(BIRDS), st.integers(1, 9), st.integers(0, 2**63))
def test_every_class_has_its_share_whatever_the_order(
    labelled: list[tuple[str, str]], per_label: int, seed: int
) -> None:
    drawn = few_shot(labelled, per_label=per_label, seed=seed)

    assert len(set(drawn)) == len(drawn)
    assert Counter(dict(BIRDS)[each] for each in drawn) == dict.fromkeys(("robin", "tit", "wren"), per_label)
    assert drawn == few_shot(BIRDS, per_label=per_label, seed=seed)


def test_another_seed_draws_others_and_another_class_does_not() -> None:
    drawn = few_shot(BIRDS, per_label=3, seed=0)

    assert drawn != few_shot(BIRDS, per_label=3, seed=1)
    more = few_shot([*BIRDS, *((f"x{number}", "nuthatch") for number in range(5))], per_label=3, seed=0)
    assert [each for each in more if not each.startswith("x")] == list(drawn)


def test_all_are_drawn_about_as_often() -> None:
    counts = Counter(each for seed in range(900) for each in few_shot(BIRDS, per_label=1, seed=seed))

    assert set(counts) == {each for each, _ in BIRDS}
    assert 60 < min(counts.values()) <= max(counts.values()) < 150


def test_a_class_that_has_too_few_is_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        few_shot([*BIRDS, ("s", "siskin"), ("d", "dunnock")], per_label=2, seed=0)

    assert "dunnock (1), siskin (1)" in refused.value.message
    assert refused.value.reason == "LABEL_TOO_SMALL"


def test_many_classes_that_have_too_few_are_counted() -> None:
    labelled = [(f"{number}", f"label {number:02}") for number in range(20)]

    with pytest.raises(InvalidInput, match=r"label 04 \(1\) and 15 more"):
        few_shot(labelled, per_label=2, seed=0)


@pytest.mark.parametrize(("per_label", "seed"), [(0, 0), (1, -1)])
def test_a_sample_of_nothing_is_refused(per_label: int, seed: int) -> None:
    with pytest.raises(InvalidInput):
        few_shot(BIRDS, per_label=per_label, seed=seed)


def test_nothing_can_be_drawn_of_nothing() -> None:
    with pytest.raises(InvalidInput, match="none to draw from"):
        few_shot([], per_label=1, seed=0)
