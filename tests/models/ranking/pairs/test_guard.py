import numpy as np
import pytest

from models.ranking.joining import Weights
from models.ranking.pairs.data import Lessons
from models.ranking.pairs.guard import labelled, right
from models.ranking.pairs.lists import Known, Lists
from models.ranking.pairs.looks import ODD

VOTES = np.array([[0.0, 1.0], [2.0, 0.0]], np.float32)
LISTS = Lists(np.array([4, 5]), np.array([[[0], [1]], [[2], [3]]]), VOTES, np.array([0, 0]))
LOGITS = np.array([[[2.0], [-2.0]], [[-1.0], [1.0]]])


def _known(alike: float) -> Lessons:
    """Return six drawings whose embeddings have this cosine."""
    none = np.full(6, "")
    vectors = np.sqrt(1 - alike) * np.eye(7)[:6] + np.sqrt(alike) * np.eye(7)[6]
    known = Known(none, none, none, none, np.zeros(6, np.int64), np.zeros(6, np.bool_), vectors)
    patches = np.random.default_rng(0).standard_normal((1, 6, 7, 7, 128)).astype(np.float16)
    pixels = np.zeros((1, 6, 28, 28, 3), np.uint8)
    return Lessons(known, np.zeros((6, 3), np.float16), patches, np.zeros((1, 6, ODD), np.float16), pixels)


def test_what_comparisons_say_stands_beside_the_votes() -> None:
    said = labelled(_known(0.2), LISTS, LOGITS)

    assert [each.truth for each in said] == [0, 0]
    assert said[0].evidence["retrieval"].tolist() == [0.0, 1.0]
    assert said[0].evidence["pairs"][0] - said[0].evidence["pairs"][1] == pytest.approx(8)


def test_what_is_right_is_right_by_the_weights() -> None:
    said = labelled(_known(0.2), LISTS, LOGITS)

    assert right(said, Weights(({"retrieval": 1.0},))) == 0.5
    assert right(said, Weights(({"retrieval": 1.0, "pairs": 0.2},))) == 1.0
    assert right(said, Weights(({"retrieval": 1.0, "pairs": 1.0},))) == 0.5


def test_drawings_that_are_nearly_the_same_are_not_spoken_of() -> None:
    assert [sorted(each.evidence) for each in labelled(_known(0.9), LISTS, LOGITS)] == [["retrieval"]] * 2
