from __future__ import annotations

import pytest

from services.kernel.errors import InvalidInput
from services.retrieval.domain import Hit
from services.retrieval.domain.mining import MiningPolicy, draw, rivals
from tests.fakes.exemplars import exemplar

ROBIN = exemplar("q", "robin")


def hit(exemplar_id: str, label: str, similarity: float) -> Hit:
    return Hit(exemplar(exemplar_id, label), similarity)


HITS = [
    hit("r1", "robin", 0.99),
    hit("w1", "wren", 0.9),
    hit("w2", "wren", 0.8),
    hit("t1", "tit", 0.7),
    hit("f1", "finch", 0.6),
]


def ids(hits: tuple[Hit, ...]) -> list[str]:
    return [each.exemplar.exemplar_id for each in hits]


def test_each_wrong_class_is_shown_by_its_nearest_exemplar_and_the_truth_never() -> None:
    assert ids(rivals(ROBIN, HITS)) == ["w1", "t1", "f1"]


def test_a_class_that_looks_the_same_is_taken_for_a_wrong_label_and_left_out() -> None:
    assert ids(rivals(ROBIN, HITS, below=0.85)) == ["t1", "f1"]


def test_the_nearest_wrong_classes_are_taken() -> None:
    mined = draw(ROBIN, rivals(ROBIN, HITS), MiningPolicy("visual", count=2, among=2))
    assert ids(mined.negatives) == ["w1", "t1"]


def test_fewer_wrong_classes_than_asked_for_are_all_taken() -> None:
    mined = draw(ROBIN, rivals(ROBIN, HITS[:2]), MiningPolicy("visual", count=3, among=5))
    assert ids(mined.negatives) == ["w1"]


def test_a_drawing_repeats_with_its_seed_and_differs_with_another() -> None:
    wrong = tuple(hit(f"x{n:02}", f"label {n}", 1 - n / 100) for n in range(40))

    def drawn(seed: int, name: str = "q") -> list[str]:
        policy = MiningPolicy("visual", count=3, among=40, seed=seed)
        return ids(draw(exemplar(name, "robin"), wrong, policy).negatives)

    assert drawn(1) == drawn(1)
    assert len({tuple(drawn(seed)) for seed in range(20)}) > 10
    assert drawn(1) != drawn(1, "another exemplar")
    assert drawn(1) == sorted(drawn(1)), "nearest first"


def test_a_drawing_reaches_every_class_of_its_pool() -> None:
    wrong = tuple(hit(f"x{n}", f"label {n}", 1 - n / 10) for n in range(8))
    drawn = {
        name
        for seed in range(100)
        for name in ids(draw(ROBIN, wrong, MiningPolicy("visual", 2, 5, seed)).negatives)
    }
    assert drawn == {"x0", "x1", "x2", "x3", "x4"}


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"count": 3, "among": 2}, {"count": 101, "among": 101}, {"seed": -1}]
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        MiningPolicy("visual", **{"count": 1, "among": 1, **wrong})
