"""How hard an index has to try: found out with vectors that it has not seen, when it is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

MOSTS: Final = (10, 100)
"""For how many neighbours the effort is found out; in between the next larger one serves."""
_DEPTHS: Final = (2, 5, 10, 20)  # times the number of neighbours
_LIST_NS: Final = 6.0  # a coordinate: the tables for a list's codes
_CODE_NS: Final = 0.16  # an eighth of a coordinate, and
_ROW_NS: Final = 2.0  # a coordinate: measured on one machine, and only their ratios matter
_ROWS_AT_A_TIME: Final = 16_384


class Effort(NamedTuple):
    """For up to `most` neighbours: how many lists are probed, and how many rows are compared exactly."""

    most: int
    lists: int
    depth: int
    recall: float


@dataclass(frozen=True)
class Shape:
    """Of an index: how many vectors of how many dimensions in how many lists."""

    rows: int
    dim: int
    lists: int

    def cost_ns(self, lists: int, depth: int) -> float:
        """Return about how long a search of this effort takes."""
        codes = lists * self.rows / self.lists
        return self.dim * (lists * _LIST_NS + codes / 8 * _CODE_NS + depth * _ROW_NS)


Search = Callable[[int, int], Int64[np.ndarray, "query depth"]]
"""Probes so many lists and returns so many rows for each query, the likely nearest first."""


def chosen(
    search: Search, shape: Shape, truth: Int64[np.ndarray, "query most"], *, recall: float
) -> tuple[Effort, ...]:
    """Return the cheapest effort, for each of `MOSTS`, that reaches the recall; the best if none does."""
    return tuple(_cheapest(search, shape, truth[:, :most], recall) for most in MOSTS)


def _cheapest(search: Search, shape: Shape, truth: Int64[np.ndarray, "query most"], recall: float) -> Effort:
    most = truth.shape[1]
    found: list[Effort] = []
    for lists in _ladder(shape.lists):
        rows = search(lists, most * _DEPTHS[-1])
        new = [
            Effort(most, lists, most * depth, _recall(rows[:, : most * depth], truth)) for depth in _DEPTHS
        ]
        found += new
        if new[0].recall >= recall:
            break  # more lists are dearer, and fewer rows are not tried
    good = [effort for effort in found if effort.recall >= recall]
    if not good:
        return max(found, key=lambda effort: effort.recall)
    return min(good, key=lambda effort: shape.cost_ns(effort.lists, effort.depth))


def _ladder(lists: int) -> list[int]:
    """Return 1, 2, 3, 4, 6, 8, 12, ... up to the number of lists."""
    steps = sorted({base << power for base in (2, 3) for power in range(20)} | {1})
    return [*takewhile(lambda step: step < lists, steps), lists]


def _recall(found: Int64[np.ndarray, "query depth"], truth: Int64[np.ndarray, "query most"]) -> float:
    """Return which share of the true neighbours was found."""
    hits = [np.isin(true, some).sum() for true, some in zip(truth, found, strict=True)]
    return float(sum(hits)) / truth.size


def neighbours(
    queries: Float32[np.ndarray, "query dim"],
    rows: Float32[np.ndarray, "row dim"],
    numbers: Sequence[int] | Int64[np.ndarray, "n"],
    most: int,
) -> Int64[np.ndarray, "query most"]:
    """Return the places, among these rows' numbers, of the true nearest to each query, nearest first."""
    numbers = np.asarray(numbers, np.int64)
    best = np.empty((len(queries), 0), np.int64)
    similarity = np.empty((len(queries), 0), np.float32)
    for begin in range(0, len(numbers), _ROWS_AT_A_TIME):
        some = numbers[begin : begin + _ROWS_AT_A_TIME]
        similarity = np.concatenate([similarity, queries @ rows[some].T], axis=1)
        places = np.broadcast_to(np.arange(begin, begin + len(some)), (len(queries), len(some)))
        best = np.concatenate([best, places], axis=1)
        order = np.argsort(-similarity, axis=1)[:, :most]
        similarity = np.take_along_axis(similarity, order, axis=1)
        best = np.take_along_axis(best, order, axis=1)
    return best
