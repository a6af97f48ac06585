"""What a caller may point at in a picture.

Coordinates are pixels of the picture as people see it (after EXIF orientation); the origin is the top
left corner, x goes right, y goes down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self


class Box(NamedTuple):
    """An upright rectangle; `right` and `bottom` are the first pixels outside. A plain tuple will do."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Mask:
    """A binary mask over the whole picture, run-length encoded as COCO does without compression.

    `counts` alternates numbers of zeros and ones, column by column, beginning with zeros.
    """

    height_px: int
    width_px: int
    counts: tuple[int, ...]

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[object]]) -> Self:
        """Encode a mask that is given row by row: whatever is true belongs to the thing.

        >>> Mask.from_rows([[0, 1], [0, 1]]).counts
        (2, 2)
        """
        height, width = len(rows), len(rows[0]) if rows else 0
        bits = (bool(rows[y][x]) for x in range(width) for y in range(height))
        return cls(height, width, tuple(_run_lengths(bits)))


Corners = tuple[tuple[float, float], ...]
"""The (x, y) of a polygon, which is closed by itself."""

Shape = tuple[float, float, float, float] | Sequence[tuple[float, float]] | Mask
"""A box (left, top, right, bottom), a polygon of at least three (x, y) points, or a mask."""


def _run_lengths(bits: Iterable[bool]) -> Iterable[int]:
    """Count alternating runs, the first of them zeros, which may be empty."""
    current, length = False, 0
    for bit in bits:
        if bit != current:
            yield length
            current, length = bit, 0
        length += 1
    yield length
