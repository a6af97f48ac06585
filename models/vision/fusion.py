"""One feature map of a picture's whole and of its tiles, as Ferret-v2 fuses them.

Source: Ferret-v2 (arXiv 2404.07973): the map of the whole picture is brought to the size of the merged
maps of its tiles and added, each after a projector of its own. A value lies in the middle of its cell;
beyond the outermost middles the border's value holds. The torch twins are in `models/vision/anyres`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from models.vision.tiles import Layout

_ERF = np.vectorize(math.erf, otypes=[np.float64])


@dataclass(frozen=True, eq=False)
class Linear:
    """y = weight x + bias."""

    weight: Float32[np.ndarray, "out in"]
    bias: Float32[np.ndarray, "out"]

    def __call__(self, values: Float[np.ndarray, "*n in"]) -> Float[np.ndarray, "*n out"]:
        """Return the values, mapped along their last axis."""
        mapped: np.ndarray = values @ self.weight.T + self.bias
        return mapped

    @property
    def size(self) -> int:
        """Parameters."""
        return self.weight.size + self.bias.size


@dataclass(frozen=True, eq=False)
class Projector:
    """Two linear maps with the exact GELU between them."""

    first: Linear
    second: Linear

    def __call__(self, values: Float[np.ndarray, "*n in"]) -> Float[np.ndarray, "*n out"]:
        """Return the values, projected along their last axis."""
        hidden = self.first(values)
        gates = (1 + _ERF(hidden / math.sqrt(2))) / 2
        return self.second(hidden * gates.astype(hidden.dtype))


@dataclass(frozen=True, eq=False)
class Upsampling:
    """Bilinear interpolation from a small map to a large one, as one matrix an axis.

    Matrices, so that a graph needs no more than two products, whatever the sizes and the padding.
    """

    rows: Float32[np.ndarray, "height h"]
    columns: Float32[np.ndarray, "width w"]

    def __call__(self, values: Float[np.ndarray, "h w dim"]) -> Float[np.ndarray, "height width dim"]:
        """Return the small map in the large one's size."""
        wide = np.einsum("xw,hwd->hxd", self.columns, values)  # (h, width, dim)
        large: np.ndarray = np.einsum("yh,hxd->yxd", self.rows, wide)
        return large


def upsampling(
    local: Layout,
    overview: Layout,
    *,
    local_cells: tuple[int, int],
    global_cells: tuple[int, int],
) -> Upsampling:
    """Return how each cell of the merged map reads the map of the whole picture at the same pixel.

    Args:
        local: Of the tiles.
        overview: Of the picture at low resolution; it may be padded otherwise than the tiles.
        local_cells: Rows and columns of the merged map.
        global_cells: Rows and columns of the other map.
    """
    longest = max(local_cells)
    middles = (np.arange(longest)[:, None] + 0.5) / local_cells[::-1] * local.canvas_px  # (longest, 2)
    shares = overview.shares(local.to_image(middles))  # (longest, 2)
    return Upsampling(
        rows=_interpolation(shares[: local_cells[0], 1], global_cells[0]),
        columns=_interpolation(shares[: local_cells[1], 0], global_cells[1]),
    )


def fuse(
    global_map: Float[np.ndarray, "h w global_dim"],
    local_map: Float[np.ndarray, "height width local_dim"],
    *,
    by: Upsampling,
    global_projector: Projector,
    local_projector: Projector,
) -> Float[np.ndarray, "height width dim"]:
    """Return the sum of the projected maps, in the size of the merged one."""
    fused: np.ndarray = by(global_projector(global_map)) + local_projector(local_map)
    return fused


def _interpolation(shares: Float[np.ndarray, "n"], cells: int) -> Float32[np.ndarray, "n cells"]:
    """Return the weights of the cells on both sides of each share of the axis."""
    place = np.clip(shares * cells - 0.5, 0, cells - 1)
    distance = np.abs(place[:, None] - np.arange(cells))  # (n, cells)
    weights: np.ndarray = np.maximum(0, 1 - distance).astype(np.float32)
    return weights
