"""How hard an index has to try: found out with vectors that it has not seen, when it is built."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

MOSTS: Final = (10, 100)
"""For how many neighbours the effort is found out; in between the next larger one serves."""
_DEPTHS: Final = (2, 3, 5, 7, 10, 14, 20)  # times the number of neighbours
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
    tried: dict[int, list[Effort]] = {most: [] for most in MOSTS}
    for lists in _ladder(shape.lists):
        # what costs more than an effort that is good enough is not tried
        wanted = [
            most
            for most in MOSTS
            if shape.cost_ns(lists, most * _DEPTHS[0]) < _cost(tried[most], shape, recall)
        ]
        if not wanted:
            break
        ranks = _ranks(search(lists, wanted[-1] * _DEPTHS[-1]), truth, shape.rows)
        for most in wanted:
            tried[most] += [
                Effort(most, lists, most * times, _recall(ranks, most, most * times)) for times in _DEPTHS
            ]
    return tuple(_cheapest(tried[most], shape, recall) for most in MOSTS)


def _cost(tried: Sequence[Effort], shape: Shape, recall: float) -> float:
    """Return what the cheapest effort costs that reaches the recall."""
    good = _good(tried, recall)
    return min((shape.cost_ns(effort.lists, effort.depth) for effort in good), default=math.inf)


def _cheapest(tried: Sequence[Effort], shape: Shape, recall: float) -> Effort:
    good = _good(tried, recall)
    if not good:
        return max(tried, key=lambda effort: effort.recall)
    return min(good, key=lambda effort: shape.cost_ns(effort.lists, effort.depth))


def _good(tried: Sequence[Effort], recall: float) -> list[Effort]:
    return [effort for effort in tried if effort.recall >= recall]


def _ladder(lists: int) -> list[int]:
    """Return 1, 2, 3, 4, 6, 8, 12, ... up to the number of lists."""
    steps = sorted({base << power for base in (2, 3) for power in range(20)} | {1})
    return [*takewhile(lambda step: step < lists, steps), lists]


def _ranks(
    found: Int64[np.ndarray, "query depth"], truth: Int64[np.ndarray, "query most"], rows: int
) -> Int64[np.ndarray, "query depth"]:
    """Return which of the true neighbours each found row is, counted from the nearest; `most` if none."""
    none = truth.shape[1]
    ranks = np.empty_like(found)
    rank_of = np.full(rows + 1, none, np.int64)  # the last is for -1: nothing was found
    for place, (some, true) in enumerate(zip(found, truth, strict=True)):
        rank_of[true] = np.arange(none)
        ranks[place] = rank_of[some]
        rank_of[true] = none
    return ranks


def _recall(ranks: Int64[np.ndarray, "query depth"], most: int, depth: int) -> float:
    """Return which share of the `most` true neighbours is among the first rows that were found."""
    return float(np.count_nonzero(ranks[:, :depth] < most)) / (len(ranks) * most)


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
