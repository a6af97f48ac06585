import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.metrics import (
    Share,
    best_of_groups,
    clustering_accuracy,
    mean,
    ranks,
    semantic_accuracy,
    top,
)

LABELS = st.lists(st.sampled_from(["wren", "tit", "robin", "finch"]), min_size=1, max_size=40)


def test_the_interval_is_wilsons() -> None:
    assert Share(8, 10).interval == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert Share(0, 10).interval[0] == pytest.approx(0)
    assert Share(10, 10).interval[1] == pytest.approx(1)


def test_of_nothing_everything_is_possible() -> None:
    assert Share(0, 0).interval == (0.0, 1.0)
    assert math.isnan(Share(0, 0).value)


def test_a_mean_over_seeds_has_the_interval_of_student() -> None:
    found = mean([0.5, 0.6, 0.7])

    assert found.value == pytest.approx(0.6)
    assert found.half == pytest.approx(4.3027 * 0.1 / math.sqrt(3), rel=1e-4)
    assert math.isinf(mean([0.5]).half)


def test_a_rank_counts_the_labels_before_the_right_one_and_ties_count_against() -> None:
    score = np.array([[3.0, 2.0, 1.0], [1.0, 1.0, 0.0]])

    assert ranks(score, np.array([1, 0])).tolist() == [1, 1]
    assert top(np.array([0, 1, 4]), 2) == Share(2, 3)


def test_a_group_is_as_near_as_its_nearest_picture() -> None:
    similarity = np.array([[0.1, 0.9, 0.3, 0.2]])

    assert best_of_groups(similarity, np.array([1, 0, 1, 2])).tolist() == [[0.9, 0.3, 0.2]]


@given(LABELS)
def test_permuted_names_cluster_without_a_fault(truth: list[str]) -> None:
    names = {"wren": "tit", "tit": "robin", "robin": "finch", "finch": "wren"}

    assert clustering_accuracy([names[label] for label in truth], truth) == 1.0


@given(LABELS)
def test_one_answer_for_everything_is_right_for_the_largest_class(truth: list[str]) -> None:
    largest = max(truth.count(label) for label in truth)

    assert clustering_accuracy(["anything"] * len(truth), truth) == pytest.approx(largest / len(truth))


def test_each_name_stands_for_one_class_alone() -> None:
    said = ["a", "a", "a", "b", "b"]
    truth = ["x", "x", "y", "y", "y"]

    assert clustering_accuracy(said, truth) == pytest.approx(4 / 5)
    assert clustering_accuracy(["a", "a", "a", "a"], ["x", "x", "y", "y"]) == pytest.approx(1 / 2)


def test_names_are_as_right_as_their_texts_are_near() -> None:
    north, east = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])

    assert semantic_accuracy(north, north) == pytest.approx(1)
    assert semantic_accuracy(np.concatenate([north, east]), np.concatenate([north, north])) == pytest.approx(
        0.5
    )
