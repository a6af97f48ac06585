import pytest

from services.retrieval.domain import Hit
from services.retrieval.domain.quality import recall_at
from tests.fakes.exemplars import exemplar


def hits(**similarities: float) -> list[Hit]:
    return [Hit(exemplar(name), similarity) for name, similarity in similarities.items()]


TRUTH = hits(a=0.9, b=0.8, c=0.7, d=0.6)


def test_the_share_of_the_true_nearest_is_counted() -> None:
    assert recall_at(4, TRUTH, TRUTH) == 1
    assert recall_at(4, hits(a=0.9, c=0.7, d=0.6, e=0.1), TRUTH) == 0.75
    assert recall_at(2, hits(a=0.9, c=0.7, d=0.6), TRUTH) == 0.5
    assert recall_at(4, [], TRUTH) == 0


def test_fewer_than_k_true_ones_are_all_there_is_to_find() -> None:
    assert recall_at(10, hits(a=0.9, b=0.8), TRUTH) == 0.5
    assert recall_at(10, [], []) is None


@pytest.mark.parametrize("other", ["b", "z"])
def test_of_equally_near_ones_any_will_do(other: str) -> None:
    assert recall_at(1, hits(**{other: 0.9}), hits(a=0.9, b=0.9)) == 1
