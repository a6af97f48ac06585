"""Where a region is read: a grid of points over its box, each inside the region or not."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32

from models.vision.boxes import Box
from models.vision.masks import EmptyMaskError

SIDE_POINTS = 8
POINTS = SIDE_POINTS**2
_MIDDLES = (np.arange(SIDE_POINTS) + 0.5) / SIDE_POINTS


def region_points(
    box: Box,
    mask: Bool[np.ndarray, "h w"] | None = None,
    *,
    width_px: int,
    height_px: int,
) -> Float32[np.ndarray, "64 3"]:
    """Return x, y (as shares of the image's sides) and 1 where the point is inside, in raster order.

    Points stand in the middles of 8 x 8 equal parts of the box. If no point meets the mask,
    the pixel of the mask nearest to a point counts for that point.

    Args:
        box: The region.
        mask: Which pixels are inside, in the image's size; None: all of the box.
        width_px: Of the image.
        height_px: Of the image.

    Raises:
        EmptyMaskError: If no pixel of the mask lies in the box.
        ValueError: If no pixel of the image lies in the box.
    """
    box = box.within(width_px, height_px)
    x = box.left + (box.right - box.left) * _MIDDLES
    y = box.top + (box.bottom - box.top) * _MIDDLES
    points = np.ones((POINTS, 3))
    points[:, 0] = np.tile(x, SIDE_POINTS) / width_px
    points[:, 1] = np.repeat(y, SIDE_POINTS) / height_px
    if mask is not None:
        points[:, 2] = _inside(mask[box.rows, box.columns])
    return points.astype(np.float32)


def _inside(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "64"]:
    if not mask.any():
        raise EmptyMaskError("no pixel of the mask lies in the box")
    rows, columns = ((_MIDDLES * side).astype(np.int64) for side in mask.shape)
    inside = mask[np.ix_(rows, columns)].ravel()
    if not inside.any():
        y, x = np.nonzero(mask)
        nearest = np.rint((np.array([y[0], x[0]]) + 0.5) / mask.shape * SIDE_POINTS - 0.5).astype(np.int64)
        nearest = np.clip(nearest, 0, SIDE_POINTS - 1)
        inside[nearest[0] * SIDE_POINTS + nearest[1]] = True
    return np.asarray(inside)
