from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.attributes.mining import hard_negatives, negative_descriptions, prototypes
from models.attributes.records import DescriptionRecord, Sheet


def test_the_most_similar_wrong_classes_come_first_and_never_the_right_one() -> None:
    similarity = np.array([[0.9, 0.8, 0.1, 0.5], [0.2, 0.3, 0.9, 0.1]])

    assert hard_negatives(similarity, np.array([0, 3])) == [[1, 3, 2], [2, 1, 0]]
    assert hard_negatives(similarity, np.array([1, 2]), most=1) == [[0], [1]]


def test_fewer_classes_give_fewer_negatives_and_none_gives_none() -> None:
    assert hard_negatives(np.array([[0.9, 0.8]]), np.array([1]), most=3) == [[0]]
    assert hard_negatives(np.array([[0.9]]), np.array([0]), most=3) == [[]]
    assert hard_negatives(np.zeros((0, 3)), np.zeros(0, np.int64), most=3) == []


def test_equals_are_ordered_by_the_seed_alone() -> None:
    similarity, truth = np.zeros((1, 50)), np.array([0])

    first, second = (hard_negatives(similarity, truth, most=10, seed=7) for _ in range(2))
    other = hard_negatives(similarity, truth, most=10, seed=8)

    assert first == second != other
    assert hard_negatives(np.zeros((2, 50)), np.array([0, 0]), most=10, seed=7)[1] == first[0]


def test_what_is_not_a_number_is_least_similar() -> None:
    assert hard_negatives(np.array([[np.nan, 0.1, 0.2, -9.0]]), np.array([2])) == [[1, 3, 0]]


def test_a_truth_that_is_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match="outside 0 to 1"):
        hard_negatives(np.zeros((1, 2)), np.array([2]))
    with pytest.raises(ValueError, match="positive"):
        hard_negatives(np.zeros((1, 2)), np.array([0]), most=0)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 5), st.integers(0, 9))
def test_negatives_agree_with_sorting(images: int, labels: int, most: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    similarity = random.random((images, labels))
    truth = random.integers(0, labels, images)

    for row, right, found in zip(
        similarity, truth, hard_negatives(similarity, truth, most=most), strict=True
    ):
        wrong = sorted((-value, place) for place, value in enumerate(row.tolist()) if place != right)
        assert found == [place for _, place in wrong[:most]]


def test_a_class_is_the_mean_direction_of_its_pictures() -> None:
    found = prototypes(np.array([[1.0, 0], [0, 1], [0, 1]]), np.array([0, 0, 1]), 3)

    assert np.allclose(found, [[0.5**0.5, 0.5**0.5], [0, 1], [0, 0]])


def test_negatives_come_with_the_description_of_one_of_their_pictures() -> None:
    a, b = "a" * 64, "b" * 64
    sheet = Sheet(name="s").merged(
        [
            DescriptionRecord("wren", "first", "1" * 64),
            DescriptionRecord("wren", "second", "2" * 64),
            DescriptionRecord("wren", "class"),
            DescriptionRecord("tit", "a tit as such"),
        ]
    )
    asked = {a: ["wren", "tit"], b: ["wren", "robin"]}

    drawn = negative_descriptions(sheet, asked, seed=1)

    assert drawn == negative_descriptions(sheet, asked, seed=1)
    assert drawn[a][0][1] in {"first", "second"}
    assert drawn[a][1] == ("tit", "a tit as such")
    assert drawn[b][1] == ("robin", "")
