"""Masks: COCO's uncompressed run lengths, polygons, and what box and area they have.

Run lengths count pixels down the columns, first column first, and start with the pixels
that are *not* in the mask (a leading 0 if the first pixel is). Source: COCO's mask API.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from models.vision.boxes import Box


class EmptyMaskError(ValueError):
    """No pixel is inside."""


def encode(mask: Bool[np.ndarray, "h w"]) -> tuple[int, ...]:
    """Return the run lengths; they alternate, sum to h * w, and only the first may be 0."""
    pixels = mask.ravel(order="F")
    if pixels.size == 0:
        return ()
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    edges = np.concatenate(([0], changes, [pixels.size]))
    counts = np.diff(edges).tolist()
    return (0, *counts) if pixels[0] else tuple(counts)


def decode(counts: Sequence[int], *, width_px: int, height_px: int) -> Bool[np.ndarray, "h w"]:
    """Return the mask of run lengths.

    Raises:
        ValueError: If a count is negative or the counts do not sum to all pixels.
    """
    if width_px < 1 or height_px < 1:
        raise ValueError(f"a mask of {width_px} x {height_px} pixels cannot be")
    if any(count < 0 for count in counts):
        raise ValueError("a run length is negative")
    if sum(counts) != width_px * height_px:
        raise ValueError(f"the run lengths sum to {sum(counts)}, not to {width_px} x {height_px} pixels")
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, np.asarray(counts, dtype=np.int64)).reshape((height_px, width_px), order="F")


def rasterise(
    polygons: Sequence[Float[np.ndarray, "_ 2"]],
    *,
    width_px: int,
    height_px: int,
) -> Bool[np.ndarray, "h w"]:
    """Return the pixels whose centre is inside an odd number of the polygons (even-odd rule).

    So a polygon within another cuts a hole. A centre on a left or upper edge is inside, on
    a right or lower edge outside: polygons that share an edge share no pixel.

    Args:
        polygons: Corners (x, y) in pixels, x to the right, y down; each is closed by itself.
            The centre of the first pixel is (0.5, 0.5). Parts outside the image are cut.
        width_px: Of the image.
        height_px: Of the image.

    Raises:
        ValueError: If a polygon has fewer than 3 corners, or one that is not finite.
    """
    flips = np.zeros((height_px, width_px + 1), dtype=np.bool_)
    for corners in polygons:
        if len(corners) < 3:  # noqa: PLR2004  (a triangle)
            raise ValueError(f"a polygon needs 3 corners, not {len(corners)}")
        if not np.isfinite(corners).all():
            raise ValueError("a polygon's corners must be finite numbers")
        ends = np.roll(corners, -1, axis=0)
        for start, end in zip(corners.astype(np.float64), ends.astype(np.float64), strict=True):
            _cross(flips, start, end)
    inside: np.ndarray = np.logical_xor.accumulate(flips, axis=1)[:, :-1]
    return inside


def bounding_box(mask: Bool[np.ndarray, "h w"]) -> Box:
    """Return the smallest box around a mask. Raises EmptyMaskError."""
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        raise EmptyMaskError("no pixel is inside the mask")
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def area(mask: Bool[np.ndarray, "h w"]) -> int:
    """Return how many pixels are inside."""
    return int(np.count_nonzero(mask))


def _cross(
    flips: Bool[np.ndarray, "h columns"],
    start: Float[np.ndarray, "2"],
    end: Float[np.ndarray, "2"],
) -> None:
    """Flip, in each row that an edge crosses, the first pixel whose centre is not left of it."""
    (x0, y0), (x1, y1) = sorted((tuple(start), tuple(end)), key=lambda point: point[1])
    height, columns = flips.shape
    first, after = (int(np.ceil(np.clip(y - 0.5, 0, height))) for y in (y0, y1))
    if first >= after:
        return
    rows = np.arange(first, after)
    x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    at = np.ceil(np.clip(x - 0.5, 0, columns - 1)).astype(np.int64)
    flips[rows, at] ^= True
