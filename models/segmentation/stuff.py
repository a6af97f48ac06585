"""Stuff as things: a mask of grass or sky in the pieces that hang together.

Source: APE (Shen et al., arXiv 2312.02153), which learns stuff like things: each connected component of a
stuff mask is an instance with a box of its own, those of 64 pixels or fewer excepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Int64

from models.vision.boxes import Box

LEAST_PX: Final = 65
"""Pixels of the smallest component that is kept."""


@dataclass(frozen=True, eq=False)
class Component:
    """A piece that hangs together.

    Attributes:
        box: The smallest around it.
        mask: Which pixels of the box it has.
    """

    box: Box
    mask: Bool[np.ndarray, "rows columns"]


@dataclass(frozen=True, eq=False)
class _Runs:
    """Pixels side by side in one row, from `start` up to, not including, `end`; row by row."""

    row: Int64[np.ndarray, "n"]
    start: Int64[np.ndarray, "n"]
    end: Int64[np.ndarray, "n"]


def components(mask: Bool[np.ndarray, "h w"], *, least_px: int = LEAST_PX) -> tuple[Component, ...]:
    """Return the pieces of a mask, in the order of their first pixels.

    Pixels hang together that touch at a side or a corner (8-connected). Holes stay holes: the pieces are
    the mask, less those with fewer than `least_px` pixels.
    """
    runs = _runs(mask)
    if not len(runs.row):
        return ()
    root = _roots(len(runs.row), _touching(runs, mask.shape[1]))
    _, piece = np.unique(root, return_inverse=True)  # (runs,), numbered by the first run
    count = int(piece.max()) + 1
    area = np.bincount(piece, runs.end - runs.start, minlength=count)
    low = np.full((2, count), max(mask.shape), dtype=np.int64)
    high = np.zeros((2, count), dtype=np.int64)
    for axis, (first, after) in enumerate(((runs.start, runs.end), (runs.row, runs.row + 1))):
        np.minimum.at(low[axis], piece, first)
        np.maximum.at(high[axis], piece, after)
    number = np.full(mask.shape, -1, dtype=np.int64)
    number[mask] = np.repeat(piece, runs.end - runs.start)
    found = []
    for kept in np.flatnonzero(area >= least_px).tolist():
        left, top, right, bottom = (int(edge) for edge in (*low[:, kept], *high[:, kept]))
        box = Box(left, top, right, bottom)
        found.append(Component(box, number[box.rows, box.columns] == kept))
    return tuple(found)


def _runs(mask: Bool[np.ndarray, "h w"]) -> _Runs:
    edges = np.zeros((mask.shape[0], mask.shape[1] + 2), dtype=np.int8)
    edges[:, 1:-1] = mask
    steps = np.diff(edges, axis=1)  # (h, w + 1)
    row, start = np.nonzero(steps == 1)
    _, end = np.nonzero(steps == -1)
    return _Runs(row, start, end)


def _touching(runs: _Runs, width_px: int) -> Int64[np.ndarray, "2 k"]:
    """Return pairs of runs, one of them right above the other, that touch at a side or a corner."""
    stride = width_px + 2  # so that no run reaches into the next row
    above = (runs.row - 1) * stride
    first = np.searchsorted(runs.row * stride + runs.end, above + runs.start, side="left")
    after = np.searchsorted(runs.row * stride + runs.start, above + runs.end, side="right")
    count = np.maximum(after - first, 0)
    lower = np.repeat(np.arange(len(count)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.stack((first[lower] + within, lower))


def _roots(count: int, touching: Int64[np.ndarray, "2 k"]) -> Int64[np.ndarray, "count"]:
    """Return the first of all that hang together with each.

    In each round every root hangs itself below the least that it touches, and every path is cut short.
    """
    parent = np.arange(count)
    while True:
        ends = np.sort(parent[touching], axis=0)
        apart = ends[:, ends[0] != ends[1]]
        if not apart.size:
            return parent
        np.minimum.at(parent, apart[1], apart[0])
        while not np.array_equal(parent, shorter := parent[parent]):
            parent = shorter
