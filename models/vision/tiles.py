"""A picture of any size as tiles of an encoder's input size, and the way back.

Source: Ferret-v2 (Zhang et al., arXiv 2404.07973), any-resolution encoding, and the narrower set of
grids that Ferret-UI (You et al., arXiv 2404.05719) published code for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64, Num, Shaped, UInt8
from PIL import Image

from models.vision.boxes import Box

WHITE = 255
_REDUCING_GAP = 2.0


class TokenLimitError(ValueError):
    """A picture would become more tokens than are allowed."""

    def __init__(self, count: int, limit: int) -> None:
        super().__init__(f"the picture would become {count:,} tokens; at most {limit:,} are allowed")
        self.count = count
        self.limit = limit


class Grid(NamedTuple):
    """How many tiles lie side by side, and how many one below the other."""

    columns: int
    rows: int

    @property
    def tiles(self) -> int:
        """Tiles in all."""
        return self.columns * self.rows


WHOLE = Grid(1, 1)
PAPER_GRIDS = (
    WHOLE,
    *(Grid(1, rows) for rows in range(2, 7)),
    *(Grid(columns, 1) for columns in range(2, 7)),
    Grid(2, 2),
    Grid(2, 3),
    Grid(3, 2),
)
"""At most six tiles, as Ferret-v2 has them."""
UI_GRIDS = (Grid(1, 2), Grid(2, 1), Grid(2, 2), Grid(3, 1), Grid(1, 3))
"""At most four tiles and never one, as Ferret-UI has them; their order decides ties (see `select_grid`)."""


def select_grid(
    width_px: int,
    height_px: int,
    *,
    side_px: int,
    grids: Sequence[Grid] = PAPER_GRIDS,
) -> Grid:
    """Return the grid in which most pixels of a picture survive.

    The picture is scaled, with its aspect kept, until it fits a grid's canvas. What survives is the area
    that it then has, but never more than it had. Ties go to the least canvas left over, and so to the
    fewest tiles, then to the grid that is named first: with `UI_GRIDS`, which lack the single tile, a
    small square goes to 1 x 2 tiles for no better reason. Areas are compared exactly, not in whole
    pixels, so that a picture of 1 x 20,000 is judged like any other.

    Args:
        width_px: Of the picture.
        height_px: Of the picture.
        side_px: Of a tile.
        grids: To choose from.

    Raises:
        ValueError: If there is no picture, no tile or no grid.
    """
    if min(width_px, height_px, side_px, len(grids)) < 1:
        raise ValueError(f"{width_px} x {height_px} pixels cannot go into {len(grids)} grids of {side_px}")
    own = width_px * height_px
    canvases = [(columns * side_px, rows * side_px) for columns, rows in grids]
    # both times the picture's own number of pixels, which makes them whole numbers
    kept = [min(across * height_px, down * width_px, own) ** 2 for across, down in canvases]
    spare = [across * down * own - k for (across, down), k in zip(canvases, kept, strict=True)]
    return grids[max(range(len(grids)), key=lambda place: (kept[place], -spare[place]))]


@dataclass(frozen=True)
class Layout:
    """Where a picture lies on the canvas of its tiles; maps positions both ways.

    Positions are (x, y), x to the right, y down; the first pixel's centre is (0.5, 0.5). Made by `stretched`
    or `padded`.

    Attributes:
        width_px: Of the picture.
        height_px: Of the picture.
        grid: Of tiles.
        side_px: Of a tile.
        inner: The part of the canvas that the picture fills.
    """

    width_px: int
    height_px: int
    grid: Grid
    side_px: int
    inner: Box

    @property
    def canvas_px(self) -> tuple[int, int]:
        """Width and height of all tiles together."""
        return self.grid.columns * self.side_px, self.grid.rows * self.side_px

    def to_canvas(self, points: Num[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Return where pixels of the picture come to lie."""
        placed: np.ndarray = points * self._inner_px / self._picture_px + self._origin
        return placed

    def to_image(self, points: Num[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Return which pixels of the picture lie there: the inverse of `to_canvas`."""
        placed: np.ndarray = (points - self._origin) * self._picture_px / self._inner_px
        return placed

    def shares(self, points: Num[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Return pixels of the picture as shares of the canvas, 0 to 1."""
        shares: np.ndarray = self.to_canvas(points) / self.canvas_px
        return shares

    def to_tiles(
        self, points: Num[np.ndarray, "n 2"]
    ) -> tuple[Int64[np.ndarray, "n"], Float[np.ndarray, "n 2"]]:
        """Return for pixels of the picture the number of the tile, row by row, and the place in it."""
        canvas = self.to_canvas(points)
        last = (self.grid.columns - 1, self.grid.rows - 1)
        cell = np.clip(canvas // self.side_px, 0, last).astype(np.int64)  # (n, 2)
        return cell[:, 1] * self.grid.columns + cell[:, 0], canvas - cell * self.side_px

    def from_tiles(
        self, tiles: Int64[np.ndarray, "n"], points: Num[np.ndarray, "n 2"]
    ) -> Float[np.ndarray, "n 2"]:
        """Return places in tiles as pixels of the picture: the inverse of `to_tiles`."""
        cell = np.stack((tiles % self.grid.columns, tiles // self.grid.columns), axis=-1)  # (n, 2)
        return self.to_image(points + cell * self.side_px)

    @property
    def _picture_px(self) -> Int64[np.ndarray, "2"]:
        return np.array((self.width_px, self.height_px))

    @property
    def _origin(self) -> Int64[np.ndarray, "2"]:
        return np.array((self.inner.left, self.inner.top))

    @property
    def _inner_px(self) -> Int64[np.ndarray, "2"]:
        return np.array((self.inner.right - self.inner.left, self.inner.bottom - self.inner.top))


def stretched(width_px: int, height_px: int, *, grid: Grid, side_px: int) -> Layout:
    """Return the layout in which the picture fills the canvas; its aspect may change."""
    canvas = Box(0, 0, grid.columns * side_px, grid.rows * side_px)
    return Layout(width_px, height_px, grid, side_px, canvas)


def padded(width_px: int, height_px: int, *, grid: Grid, side_px: int) -> Layout:
    """Return the layout in which the picture keeps its aspect, to whole pixels, in the canvas's middle."""
    canvas = (grid.columns * side_px, grid.rows * side_px)
    scale = min(Fraction(canvas[0], width_px), Fraction(canvas[1], height_px))
    width, height = (max(1, int(side * scale + Fraction(1, 2))) for side in (width_px, height_px))
    left, top = (canvas[0] - width) // 2, (canvas[1] - height) // 2
    return Layout(width_px, height_px, grid, side_px, Box(left, top, left + width, top + height))


def cut(
    image: UInt8[np.ndarray, "h w 3"],
    layout: Layout,
    *,
    padding: int = WHITE,
) -> UInt8[np.ndarray, "tiles side side 3"]:
    """Return a picture's tiles, row by row; with the grid `WHOLE`, the picture at low resolution.

    Args:
        image: RGB.
        layout: Made for a picture of this size.
        padding: Grey of the canvas where the picture is not.

    Raises:
        ValueError: If the layout is of another size.
    """
    height_px, width_px = image.shape[:2]
    if (width_px, height_px) != (layout.width_px, layout.height_px):
        raise ValueError(
            f"the layout is of {layout.width_px} x {layout.height_px}, the picture {width_px} x {height_px}"
        )
    inner = layout.inner
    size = (inner.right - inner.left, inner.bottom - inner.top)
    width, height = layout.canvas_px
    canvas = np.full((height, width, 3), padding, dtype=np.uint8)
    scaled = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC, reducing_gap=_REDUCING_GAP)
    canvas[inner.rows, inner.columns] = np.asarray(scaled)
    return split(canvas, layout.grid)


def split(
    canvas: Shaped[np.ndarray, "height width channels"], grid: Grid
) -> Shaped[np.ndarray, "tiles h w channels"]:
    """Return the tiles of what was merged, row by row. Raises ValueError if they are of unequal size."""
    height, width, channels = canvas.shape
    h, w = height // grid.rows, width // grid.columns
    if (h * grid.rows, w * grid.columns) != (height, width):
        raise ValueError(f"{width} x {height} cannot be cut into {grid.columns} x {grid.rows} equal tiles")
    apart = canvas.reshape(grid.rows, h, grid.columns, w, channels).swapaxes(1, 2)  # (rows, columns, h, w, c)
    return apart.reshape(grid.tiles, h, w, channels)


def merge(
    tiles: Shaped[np.ndarray, "tiles h w channels"], grid: Grid
) -> Shaped[np.ndarray, "height width channels"]:
    """Return the tiles' pixels, or features, in one piece: the inverse of `split`.

    Raises:
        ValueError: If the grid has another number of tiles.
    """
    count, h, w, channels = tiles.shape
    if count != grid.tiles:
        raise ValueError(f"{count} tiles are no grid of {grid.columns} x {grid.rows}")
    together = tiles.reshape(grid.rows, grid.columns, h, w, channels).swapaxes(
        1, 2
    )  # (rows, h, columns, w, c)
    return together.reshape(grid.rows * h, grid.columns * w, channels)


def patch_count(side_px: int, patch_px: int) -> int:
    """Return the tokens of one square. Raises ValueError if the patches do not fill it."""
    if patch_px < 1 or side_px < patch_px or side_px % patch_px:
        raise ValueError(f"patches of {patch_px} pixels do not fill {side_px}")
    return (side_px // patch_px) ** 2


def token_count(grid: Grid, *, overview: int, tile: int) -> int:
    """Return how many tokens a picture becomes, before anything is computed.

    Args:
        grid: Of its tiles.
        overview: Tokens of the picture at low resolution (`patch_count`).
        tile: Tokens of one tile, perhaps of another encoder.
    """
    return overview + grid.tiles * tile


def check_tokens(count: int, *, limit: int) -> None:
    """Refuse what is too long. Raises TokenLimitError."""
    if count > limit:
        raise TokenLimitError(count, limit)
