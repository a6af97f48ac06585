"""Masks in pixels of the picture, made for what is kept, where it is.

A mask is the product of a query's vector and the square's features; what is between the features' cells is
interpolated (MaskFormer, Cheng et al., arXiv 2107.06278). A window of a mask is the same as that part of
the whole, so that nothing as large as the picture is ever made but pixels that are in or out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

from models.segmentation.prepared import Square
from models.vision.boxes import Box

REACH: Final = 0.1
"""Of a box's side: how far its mask may go beyond it, and one cell more, for boxes are estimates."""
_BAND_PX: Final = 1 << 18


@dataclass(frozen=True, eq=False)
class _Steps:
    """For each pixel along an axis the cells before and after it, and how far it is from the former."""

    before: Int64[np.ndarray, "n"]
    after: Int64[np.ndarray, "n"]
    share: Float32[np.ndarray, "n"]


def mask_logits(
    queries: Float32[np.ndarray, "k c"], features: Float32[np.ndarray, "c h w"]
) -> Float32[np.ndarray, "k h w"]:
    """Return the mask of each query in cells of the square, as logits."""
    channels, height, width = features.shape
    logits: np.ndarray = queries @ features.reshape(channels, -1)
    return logits.reshape(-1, height, width)


def reach(box: Float[np.ndarray, "4"], square: Square, cells: int) -> Box:
    """Return where the mask of a box may be: the box and a margin, within what the square shows.

    Args:
        box: Left, top, right, bottom in pixels of the picture.
        square: In which it was found.
        cells: Of a mask, along its side.
    """
    corners = square.to_image(np.array([[0.0, 0.0, 1 / cells, 1 / cells]]))[0]
    margin = REACH * (box[2:] - box[:2]) + corners[2:] - corners[:2]
    low = np.floor(box[:2] - margin).astype(int).tolist()
    high = np.ceil(box[2:] + margin).astype(int).tolist()
    window = square.window
    return Box(
        min(max(low[0], window.left), window.right),
        min(max(low[1], window.top), window.bottom),
        max(min(high[0], window.right), window.left),
        max(min(high[1], window.bottom), window.top),
    )


def drawn(
    logits: Float32[np.ndarray, "h w"], square: Square, window: Box
) -> Float32[np.ndarray, "rows columns"]:
    """Return what a map in cells of a square is at a window's pixels, interpolated bilinearly.

    Args:
        logits: Or anything else that may be interpolated; cells that show padding alone are not read.
        square: The cells'.
        window: In pixels of the picture, within what the square shows.
    """
    down, across = _steps(logits.shape, square, window)
    first, after = (int(across.before[0]), int(across.after[-1]) + 1) if len(across.share) else (0, 0)
    part = logits[:, first:after]
    rows = part[down.before] + (part[down.after] - part[down.before]) * down.share[:, None]
    left, right = rows[:, across.before - first], rows[:, across.after - first]  # (rows, columns)
    values: np.ndarray = left + (right - left) * across.share
    return values


def mask(logits: Float32[np.ndarray, "h w"], square: Square, window: Box) -> Bool[np.ndarray, "rows columns"]:
    """Return which pixels of a window are inside; made in bands, for the window may be large."""
    bands = [drawn(logits, square, band) > 0 for band in bands_of(window)]
    return np.concatenate([np.zeros((0, window.right - window.left), dtype=np.bool_), *bands])


def bands_of(window: Box) -> Iterator[Box]:
    """Cut a window into bands of rows of no more pixels than are worked on at a time."""
    rows = max(1, _BAND_PX // max(1, window.right - window.left))
    for top in range(window.top, window.bottom, rows):
        yield Box(window.left, top, window.right, min(top + rows, window.bottom))


def _steps(shape: tuple[int, ...], square: Square, window: Box) -> tuple[_Steps, _Steps]:
    """Return the steps of a window's rows and columns."""
    x, y = np.arange(window.left, window.right) + 0.5, np.arange(window.top, window.bottom) + 0.5
    across = square.to_square(np.stack((x, x * 0, x, x * 0), axis=1))[:, 0] * shape[1]
    down = square.to_square(np.stack((y * 0, y, y * 0, y), axis=1))[:, 1] * shape[0]
    shown_x = -(-square.width_px * shape[1] // square.side_px)
    shown_y = -(-square.height_px * shape[0] // square.side_px)
    return _between(down, shown_y), _between(across, shown_x)


def _between(place: Float[np.ndarray, "n"], cells: int) -> _Steps:
    """Return the cells around places, of which the first cell's middle is at 0.5."""
    middle = np.clip(place - 0.5, 0, cells - 1)
    before = middle.astype(np.int64)
    return _Steps(before, np.minimum(before + 1, cells - 1), (middle - before).astype(np.float32))
