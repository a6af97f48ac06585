from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.sampling import TooFew, few_shot

LABELS = ["wren", "tit", "wren", "tit", "robin", "robin", "robin", "wren", "tit"]


@given(st.integers(1, 3), st.integers(0, 1000))
def test_every_class_gives_as_many_as_are_asked_and_none_twice(shots: int, seed: int) -> None:
    drawn = few_shot(LABELS, shots=shots, seed=seed)

    labels = [[LABELS[place] for place in row] for row in drawn.tolist()]
    assert [set(row) for row in labels] == [{"robin"}, {"tit"}, {"wren"}]
    assert max(Counter(drawn.ravel().tolist()).values()) == 1


@given(st.integers(0, 1000))
def test_the_same_seed_draws_the_same_and_more_shots_only_add(seed: int) -> None:
    np.testing.assert_array_equal(
        few_shot(LABELS, shots=3, seed=seed)[:, :2], few_shot(LABELS, shots=2, seed=seed)
    )


def test_another_seed_draws_otherwise() -> None:
    draws = {tuple(few_shot(LABELS, shots=1, seed=seed).ravel().tolist()) for seed in range(20)}

    assert len(draws) > 5


def test_a_class_with_too_few_is_named() -> None:
    with pytest.raises(TooFew, match=r"wren \(1\)"):
        few_shot(["wren", "tit", "tit"], shots=2, seed=0)


@pytest.mark.parametrize(("labels", "shots"), [([], 1), (["wren"], 0)])
def test_nothing_is_not_drawn(labels: list[str], shots: int) -> None:
    with pytest.raises(TooFew):
        few_shot(labels, shots=shots, seed=0)
