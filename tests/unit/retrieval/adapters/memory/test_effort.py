"""How hard an index tries: the cheapest effort that is good enough, found without trying all."""

from __future__ import annotations

import numpy as np
import pytest
from jaxtyping import Int64

from services.retrieval.adapters.memory.effort import MOSTS, Effort, Shape, chosen

SHAPE = Shape(rows=4_000, dim=64, lists=32)
LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
DEPTHS = (2, 3, 5, 7, 10, 14, 20)
QUERIES = 20


class Rows:
    """Rows that lie in random lists, a random order of lists for each query, and estimates that err."""

    def __init__(self, error: float) -> None:
        random = np.random.default_rng(7)
        distance = random.random((QUERIES, SHAPE.rows))
        self.truth = np.argsort(distance, axis=1)[:, : MOSTS[-1]]  # (query, most)
        estimate = distance + error * random.standard_normal(distance.shape)
        self._order = np.argsort(estimate, axis=1)
        self._list = np.minimum(random.geometric(0.25, distance.shape), SHAPE.lists)
        self.asked: list[int] = []

    def search(self, lists: int, depth: int) -> Int64[np.ndarray, "query depth"]:
        self.asked.append(lists)
        found = np.full((QUERIES, depth), -1, np.int64)
        for query, order in enumerate(self._order):
            some = order[self._list[query, order] <= lists][:depth]
            found[query, : len(some)] = some
        return found

    def every_effort(self, most: int) -> list[Effort]:
        efforts = []
        for lists in LADDER:
            for times in DEPTHS:
                found = self.search(lists, most * times)
                hits = [
                    len(set(some) & set(true[:most])) for some, true in zip(found, self.truth, strict=True)
                ]
                efforts.append(Effort(most, lists, most * times, sum(hits) / (QUERIES * most)))
        return efforts


@pytest.mark.parametrize("error", [0.0, 0.005, 0.02])
@pytest.mark.parametrize("recall", [0.5, 0.9, 0.98])
def test_the_cheapest_effort_that_is_good_enough_is_chosen(error: float, recall: float) -> None:
    rows = Rows(error)

    efforts = chosen(rows.search, SHAPE, rows.truth, recall=recall)

    for most, effort in zip(MOSTS, efforts, strict=True):
        every = rows.every_effort(most)
        good = [each for each in every if each.recall >= recall]
        assert effort in every
        if good:
            assert SHAPE.cost_ns(effort.lists, effort.depth) == min(
                SHAPE.cost_ns(each.lists, each.depth) for each in good
            )
        else:
            assert effort.recall == max(each.recall for each in every)


def test_efforts_that_cannot_be_cheaper_are_not_tried() -> None:
    rows = Rows(error=0.0)

    chosen(rows.search, SHAPE, rows.truth, recall=0.2)

    assert rows.asked == [1]
