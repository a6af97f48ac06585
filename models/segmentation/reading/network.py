"""Reads regions from the frozen trunk, beside what the detector has made of it.

APE has no such part. A detector that learns a thousand names on top of its own maps forgets what the
trunk knew of all others; features that nothing was trained on keep it (F-VLM, arXiv 2209.15639).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from models.segmentation.settings import DetectorSettings

_GEOMETRY = 6
_LEAST = 1e-3


class RegionReader(nn.Module):
    """A grid of points in each box, kept apart and averaged, and the mean of the deepest map.

    No gradient reaches boxes or maps: where to look is learnt from boxes, not from names.

    Args:
        settings: Its sizes.
        channels: Of the maps that are read at points.
        deep: Channels of the map that is averaged.
        stride: Of that map, in pixels.
    """

    steps: Tensor
    cells: Tensor

    def __init__(
        self, settings: DetectorSettings, channels: Sequence[int], deep: int, *, stride: int
    ) -> None:
        super().__init__()
        side = settings.region_points
        self.seen = nn.Linear(sum(channels), settings.width)
        self.keep = nn.Linear(settings.width, settings.region_kept)
        self.placed = nn.Linear(side * side * settings.region_kept, settings.region_hidden)
        self.mean = nn.Linear(settings.width, settings.region_hidden, bias=False)
        self.deep = nn.Linear(deep, settings.region_hidden, bias=False)
        self.geometry = nn.Linear(_GEOMETRY, settings.region_hidden, bias=False)
        self.output = nn.Linear(settings.region_hidden, settings.aligned)
        self.register_buffer("steps", (torch.arange(side) + 0.5) / side, persistent=False)
        cells = settings.side_px // stride
        self.register_buffer("cells", torch.arange(cells, dtype=torch.float32), persistent=False)

    def forward(
        self,
        boxes: Float[Tensor, "b q 4"],
        maps: Sequence[Float[Tensor, "b _c _h _w"]],
        deep: Float[Tensor, "b deep side side"],
    ) -> Float[Tensor, "b q aligned"]:
        """Return a vector for each box; see `look` and `think`."""
        return self.think(*self.look(boxes, maps, deep))

    @torch.no_grad()
    def look(
        self,
        boxes: Float[Tensor, "b q 4"],
        maps: Sequence[Float[Tensor, "b _c _h _w"]],
        deep: Float[Tensor, "b deep side side"],
    ) -> tuple[Float[Tensor, "b q points channels"], Float[Tensor, "b q deep"], Float[Tensor, "b q 6"]]:
        """Return what is seen in each box, before anything is made of it; nothing here learns.

        Args:
            boxes: Left, top, right, bottom as shares of the side.
            maps: Read at points.
            deep: Averaged over the box.
        """
        points = grid(boxes, self.steps)
        return read(maps, points), self._mean(deep, points), _geometry(boxes)

    def middle(self, read: Float[Tensor, "b q points channels"]) -> Float[Tensor, "b q channels"]:
        """Return the mean over the points that are not at the box's edge, where the thing is all there is."""
        side = len(self.steps)
        return read.unflatten(2, (side, side))[:, :, 1:-1, 1:-1].mean((2, 3))

    def think(
        self,
        read: Float[Tensor, "b q points channels"],
        mean: Float[Tensor, "b q deep"],
        geometry: Float[Tensor, "b q 6"],
    ) -> Float[Tensor, "b q aligned"]:
        """Return a vector for what was seen in each box."""
        seen = torch.relu(self.seen(read))
        hidden = self.placed(torch.relu(self.keep(seen)).flatten(2)) + self.mean(seen.mean(2))
        return self.output(functional.gelu(hidden + self.deep(mean) + self.geometry(geometry)))

    def _mean(self, deep: Tensor, points: Tensor) -> Tensor:
        """Return the mean over each box's points, (b, q, deep).

        A bilinear read at a grid is a product of rows and columns, so its mean is one too; and a product with
        a coarse map of a thousand channels costs less than reading it point by point.
        """
        count = len(self.steps)
        columns = self._shares(points[:, :, :count, 0])
        rows = self._shares(points[:, :, ::count, 1])
        weights = rows[..., None] * columns[..., None, :]  # (b, q, side, side)
        return weights.flatten(2) @ deep.flatten(2).transpose(1, 2)

    def _shares(self, at: Tensor) -> Tensor:
        """Return how much each of a line's cells counts in the mean over positions, (b, q, side)."""
        side = len(self.cells)
        place = (at * side - 0.5).clamp(0, side - 1)
        return (1 - (place[..., None] - self.cells).abs()).clamp(min=0).mean(2)


def grid(boxes: Float[Tensor, "b q 4"], steps: Float[Tensor, "p"]) -> Float[Tensor, "b q p*p 2"]:
    """Return x and y of points in boxes, row by row.

    Args:
        boxes: Left, top, right, bottom.
        steps: Where points are along a side, 0 to 1 from edge to edge; what is beyond lies around the box.
    """
    start, size = boxes[:, :, None, :2], boxes[:, :, None, 2:] - boxes[:, :, None, :2]
    at = start + size * steps[:, None]  # (b, q, p, 2)
    side = len(steps)
    x = at[:, :, None, :, 0].expand(-1, -1, side, -1)
    y = at[:, :, :, None, 1].expand(-1, -1, -1, side)
    return torch.stack([x, y], -1).flatten(2, 3)


def read(
    maps: Sequence[Float[Tensor, "b _c _h _w"]], points: Float[Tensor, "b q p 2"]
) -> Float[Tensor, "b q p channels"]:
    """Return what stands at points in all maps, side by side; beyond the edge is what is at the edge.

    It is bilinear, as `grid_sample` is, but takes all channels of a cell at a time: onnxruntime's GridSample
    takes each for itself, five times as long.
    """
    return torch.cat([_bilinear(each, points) for each in maps], -1)


def _bilinear(cells: Float[Tensor, "b c h w"], points: Float[Tensor, "b q p 2"]) -> Float[Tensor, "b q p c"]:
    """Return the mean of the four cells around each point, the nearest counting most."""
    batch, _, height, width = cells.shape
    x = (points[..., 0] * width - 0.5).clamp(0, width - 1)
    y = (points[..., 1] * height - 0.5).clamp(0, height - 1)
    left, top = x.floor(), y.floor()
    right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
    first = torch.arange(batch, device=cells.device)[:, None, None, None] * (height * width)
    corners = [row * width + column for row in (top, bottom) for column in (left, right)]
    shares = [down * across for down in (1 - (y - top), y - top) for across in (1 - (x - left), x - left)]
    rows = cells.flatten(2).transpose(1, 2).flatten(0, 1)  # (b * h * w, c)
    found = functional.embedding(torch.stack(corners, -1).long() + first, rows)  # (b, q, p, 4, c)
    return (found * torch.stack(shares, -1)[..., None]).sum(-2)


def _geometry(boxes: Tensor) -> Tensor:
    """Return middle and size between -1 and 1, and the size's logarithms."""
    middle, size = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    return torch.cat([2 * middle - 1, 2 * size - 1, torch.log(size.clamp(min=_LEAST)) / 2 + 1], -1)
