"""Masks as polygons, the way COCO writes them: one a part, along the edges of pixels.

Points are where pixels meet: (0, 0) is the upper left corner of the first pixel, so a pixel is a square, a
line of pixels a rectangle, and the polygons of a mask are around its pixels and no others. Pixels that
touch at a corner alone are two parts. COCO has no word for holes: the polygon of a part goes to the edge of
its hole, around it, and back the way it came. That slit has no width, so it holds no pixel, by the even-odd
rule or the non-zero one (parts run clockwise as they are seen, holes the other way round).

Tracing starts from run lengths and takes time and memory by their number, not by that of pixels. What has
too many corners is simplified by the method of Douglas and Peucker (Cartographica 10(2), 1973): points are
added where the outline is farthest from what is drawn already, until no more are allowed; the tolerance is
the distance at which that ends.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

_SLIT_POINTS: Final = 2
"""What a hole adds to its own points: both ends of the slit are passed twice."""
_LEAST_POINTS: Final = 4
"""Points that a ring is kept for: a triangle, and one to spare."""


@dataclass(frozen=True, eq=False)
class _Ring:
    """One closed outline; a hole is an outline of what is not in the mask."""

    points: Int64[np.ndarray, "n 2"]
    is_hole: bool


@dataclass(frozen=True, eq=False)
class _Rings:
    """All outlines of a mask: the points of one after those of the other, and what each ring is like."""

    points: Int64[np.ndarray, "n 2"]
    starts: Int64[np.ndarray, "r"]
    lengths: Int64[np.ndarray, "r"]
    areas: Int64[np.ndarray, "r"]
    is_hole: Bool[np.ndarray, "r"]

    def ring(self, number: int) -> _Ring:
        """Return one of them."""
        start = int(self.starts[number])
        return _Ring(self.points[start : start + int(self.lengths[number])], bool(self.is_hole[number]))


class _Chain(NamedTuple):
    """A stretch of a ring from one kept point to the next; the heap has the one that bulges most first."""

    less_distance: float
    ring: int
    start: int
    end: int
    farthest: int


def polygons(
    counts: Sequence[int], *, height_px: int, most_points: int
) -> tuple[Int64[np.ndarray, "_ 2"], ...]:
    """Return the polygons of a mask, the largest part first; none if no pixel is inside.

    They enclose exactly the pixels of the mask if that takes no more than `most_points`. If it takes more,
    the largest parts and holes stay, as many as half of the points are enough for, and are simplified.

    Args:
        counts: COCO's run lengths, as `models.vision.masks` has them.
        height_px: Of the image.
        most_points: Of all polygons together, at least 4.

    Returns:
        Corners (x, y) in pixels, each polygon closed by itself and of three different corners or more; none
        lies outside the image.
    """
    rings = _rings(*_corners(counts, height_px))
    slits = _SLIT_POINTS * rings.is_hole
    order = np.argsort(-rings.areas, kind="stable")
    if int((rings.lengths + slits).sum()) <= most_points:
        kept = [rings.ring(number) for number in order.tolist()]
        return _joined(kept, [ring.points for ring in kept])
    costs = np.cumsum(_LEAST_POINTS + slits[order])
    order = order[: max(1, int(np.searchsorted(costs, most_points // 2, side="right")))]
    kept = [rings.ring(number) for number in order.tolist()]
    return _joined(kept, _simplified(kept, most_points - int(slits[order].sum())))


def _corners(
    counts: Sequence[int], height_px: int
) -> tuple[Int64[np.ndarray, "n 2"], Int64[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """Return the corners of all outlines, the partner of each along its row, and which have a pixel below.

    Corners come column by column and downwards, so that each even one and the next are the ends of an upright
    edge. Where pixels touch at a corner alone there are two, the upper pixel's first.
    """
    columns, rows, opens = _toggles(counts, height_px)
    x = np.concatenate((columns, columns + 1))  # of each level edge the left end, then the right one
    y, below = np.tile(rows, 2), np.tile(opens, 2)
    is_right = np.repeat([0, 1], len(rows))
    place = (x * (height_px + 1) + y) * 2 + below
    order = np.argsort(place, kind="stable")
    level = np.zeros(len(order) + 1, dtype=np.bool_)  # edges that go straight on have no corner between them
    level[1:-1] = np.diff(place[order]) == 0
    order = order[~(level[1:] | level[:-1])]
    x, y, is_right = x[order], y[order], is_right[order]
    pairs = np.lexsort((1 - is_right, x, y)).reshape(-1, 2)  # of each level edge the left end, then the right
    partners = np.empty(len(order), dtype=np.int64)
    partners[pairs] = pairs[:, ::-1]
    return np.stack((x, y), axis=1), partners, below[order]


def _toggles(
    counts: Sequence[int], height_px: int
) -> tuple[Int64[np.ndarray, "n"], Int64[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """Return where a column enters or leaves the mask, going down: column, row, and whether it enters."""
    ends = np.cumsum(np.asarray(counts, dtype=np.int64))
    starts, ends = ends[:-1:2], ends[1::2]
    starts, ends = starts[ends > starts], ends[ends > starts]
    parted = np.ones(len(starts), dtype=np.bool_)
    parted[:-1] = starts[1:] != ends[:-1]  # a run of no zeros parts nothing
    starts, ends = starts[np.roll(parted, 1)], ends[parted]
    first, last = starts // height_px, (ends - 1) // height_px
    spans = last - first + 1  # columns that a run goes through
    column = np.repeat(first - (np.cumsum(spans) - spans), spans) + np.arange(spans.sum())
    top = np.maximum(np.repeat(starts, spans), column * height_px) - column * height_px
    bottom = np.minimum(np.repeat(ends, spans), (column + 1) * height_px) - column * height_px
    opens = np.repeat([True, False], len(column))
    return np.tile(column, 2), np.concatenate((top, bottom)), opens


def _rings(
    corners: Int64[np.ndarray, "n 2"], partners: Int64[np.ndarray, "n"], below: Bool[np.ndarray, "n"]
) -> _Rings:
    """Follow each outline once around, clockwise from the left end of its upper edge."""
    across = partners.tolist()
    seen = bytearray(len(across))
    walk: list[int] = []
    bounds: list[int] = []
    for start in np.lexsort((corners[:, 0], corners[:, 1])).tolist():
        if seen[start]:
            continue
        bounds.append(len(walk))
        at = start
        while not seen[at]:
            other = across[at]
            seen[at] = seen[other] = True
            walk += (at, other)
            at = other ^ 1  # the other end of the upright edge
    starts = np.array(bounds, dtype=np.int64)
    order = np.array(walk, dtype=np.int64)
    points = corners[order]
    lengths = np.diff(starts, append=len(walk))
    is_hole = ~below[order[starts]]
    return _Rings(points, starts, lengths, _areas(points, starts, lengths), is_hole)


def _areas(
    points: Int64[np.ndarray, "n 2"], starts: Int64[np.ndarray, "r"], lengths: Int64[np.ndarray, "r"]
) -> Int64[np.ndarray, "r"]:
    """Return how many pixels each ring is around: every level edge, less what is above it."""
    if not len(starts):
        return starts
    following = np.arange(1, len(points) + 1)
    following[starts + lengths - 1] = starts
    x, y = points.T
    return np.abs(np.add.reduceat((x[following] - x) * y, starts))


def _simplified(rings: Sequence[_Ring], most_points: int) -> list[Int64[np.ndarray, "_ 2"]]:
    """Return some points of each ring, at least three, in order: those that it differs least without."""
    closed = [np.concatenate((ring.points, ring.points[:1])) for ring in rings]
    kept: list[list[int]] = []
    heap: list[_Chain] = []
    for number, points in enumerate(closed):
        away = int(np.argmax(((points - points[0]) ** 2).sum(axis=1)))
        halves = [_chain(points, number, 0, away), _chain(points, number, away, len(points) - 1)]
        bulge = min(halves)  # never flat: `away` is the farthest and the start an end of the uppermost edge
        kept.append([0, away, bulge.farthest])
        heap += (max(halves), *_split(points, bulge))
    heapq.heapify(heap)
    for _ in range(most_points - 3 * len(rings)):
        bulge = heapq.heappop(heap)
        if not bulge.less_distance:
            break
        kept[bulge.ring].append(bulge.farthest)
        for part in _split(closed[bulge.ring], bulge):
            heapq.heappush(heap, part)
    return [points[sorted(chosen)] for points, chosen in zip(closed, kept, strict=True)]


def _split(points: Int64[np.ndarray, "n 2"], chain: _Chain) -> tuple[_Chain, _Chain]:
    ring, middle = chain.ring, chain.farthest
    return _chain(points, ring, chain.start, middle), _chain(points, ring, middle, chain.end)


def _chain(points: Int64[np.ndarray, "n 2"], ring: int, start: int, end: int) -> _Chain:
    """Return the stretch, with the point between its ends that is farthest from the line that joins them."""
    if end - start <= 1:
        return _Chain(0.0, ring, start, end, start)
    along = points[end] - points[start]
    between = points[start + 1 : end] - points[start]
    share = np.clip(between @ along / max(int(along @ along), 1), 0.0, 1.0)
    distances = ((between - share[:, np.newaxis] * along) ** 2).sum(axis=1)
    farthest = int(np.argmax(distances))
    return _Chain(-float(distances[farthest]), ring, start, end, start + 1 + farthest)


def _joined(
    rings: Sequence[_Ring], drawn: Sequence[Int64[np.ndarray, "_ 2"]]
) -> tuple[Int64[np.ndarray, "_ 2"], ...]:
    """Return one polygon a part, its holes cut in; rings come by falling area, so a hole after its part."""
    parts: dict[int, Int64[np.ndarray, "_ 2"]] = {}
    for number, (ring, points) in enumerate(zip(rings, drawn, strict=True)):
        if ring.is_hole:
            around = max(part for part in parts if _encloses(rings[part].points, ring.points[0]))
            parts[around] = _cut(parts[around], points[::-1])
        else:
            parts[number] = points
    return tuple(parts.values())


def _encloses(ring: Int64[np.ndarray, "n 2"], corner: Int64[np.ndarray, "2"]) -> bool:
    """Return whether the pixel above the corner, to its right, lies within the ring."""
    ends = np.roll(ring, -1, axis=0)
    upper, lower = np.minimum(ring[:, 1], ends[:, 1]), np.maximum(ring[:, 1], ends[:, 1])
    crossed = (upper < corner[1]) & (lower >= corner[1]) & (ring[:, 0] <= corner[0])
    return bool(np.count_nonzero(crossed) % 2)


def _cut(polygon: Int64[np.ndarray, "_ 2"], hole: Int64[np.ndarray, "_ 2"]) -> Int64[np.ndarray, "_ 2"]:
    """Return the polygon with a hole, joined where the two come closest."""
    distances = ((polygon[:, np.newaxis] - hole) ** 2).sum(axis=2)  # (polygon, hole)
    here, there = np.unravel_index(int(np.argmin(distances)), distances.shape)
    around = np.roll(hole, -int(there), axis=0)
    return np.concatenate((polygon[: here + 1], around, around[:1], polygon[here:]))
