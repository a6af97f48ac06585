"""Moves boxes by what the trunk saw in and around them, as Faster R-CNN's second stage does.

Sources: arXiv 1506.01497 for moves as shares of the box; arXiv 1712.00726 for doing so twice; arXiv
1807.11590 for foretelling how well a box fits. APE has no such part: its decoder's six layers move boxes,
trained for weeks. What is read of the frozen trunk needs minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.segmentation.proposals.network import corners, middles
from models.segmentation.reading.network import grid, read
from models.segmentation.settings import DetectorSettings

_MOVES: Final = 4
_LARGEST: Final = 1.0
"""A side grows or shrinks by e at most, in one go."""


class Refiner(nn.Module):
    """Reads a grid of points that reaches beyond each box, and moves the box; at the start by nothing.

    No gradient reaches what it reads: it is trained by itself.

    Args:
        settings: Its sizes.
        channels: Of the maps that are read.
    """

    steps: Tensor

    def __init__(self, settings: DetectorSettings, channels: Sequence[int]) -> None:
        super().__init__()
        side, kept = settings.refine_points, settings.region_kept
        self._times = settings.refinements
        self.seen = nn.Linear(sum(channels), settings.width)
        self.keep = nn.Linear(settings.width, kept)
        self.placed = nn.Linear(side * side * kept, settings.region_hidden)
        self.hidden = nn.Linear(settings.region_hidden, settings.region_hidden)
        self.output = nn.Linear(settings.region_hidden, _MOVES + 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        steps = ((torch.arange(side) + 0.5) / side - 0.5) * settings.refine_reach + 0.5
        self.register_buffer("steps", steps, persistent=False)

    def forward(
        self, boxes: Float[Tensor, "b q 4"], maps: Sequence[Float[Tensor, "b _c _h _w"]]
    ) -> tuple[Float[Tensor, "b q 4"], Float[Tensor, "b q"]]:
        """Return boxes that were moved several times, and the logit of how well they fit."""
        fits = boxes[..., 0]
        for _ in range(self._times):
            boxes, fits = self.move(boxes, maps)
        return boxes, fits

    def move(
        self, boxes: Float[Tensor, "b q 4"], maps: Sequence[Float[Tensor, "b _c _h _w"]]
    ) -> tuple[Float[Tensor, "b q 4"], Float[Tensor, "b q"]]:
        """Return boxes that were moved once, and the logit of the overlap that they should have then.

        Args:
            boxes: Left, top, right, bottom as shares of the side.
            maps: Of the trunk, standardised.
        """
        with torch.no_grad():
            seen = read(maps, grid(boxes, self.steps))  # (b, q, p * p, channels)
        points = torch.relu(self.keep(torch.relu(self.seen(seen)))).flatten(2)
        found = self.output(torch.relu(self.hidden(torch.relu(self.placed(points)))))
        return moved(boxes, found[..., :_MOVES]), found[..., _MOVES]


def moved(boxes: Float[Tensor, "b q 4"], moves: Float[Tensor, "b q 4"]) -> Float[Tensor, "b q 4"]:
    """Return boxes whose middle went by shares of the sides, and whose sides grew by logarithms."""
    middle, size = middles(boxes).chunk(2, dim=-1)
    along, growth = moves.chunk(2, dim=-1)
    return corners(
        torch.cat([middle + along * size, size * torch.exp(growth.clamp(-_LARGEST, _LARGEST))], -1)
    )


def wished(boxes: Float[Tensor, "b q 4"], truths: Float[Tensor, "b q 4"]) -> Float[Tensor, "b q 4"]:
    """Return the moves that make boxes their truths."""
    middle, size = middles(boxes).chunk(2, dim=-1)
    true_middle, true_size = middles(truths).chunk(2, dim=-1)
    return torch.cat([(true_middle - middle) / size, torch.log(true_size / size)], -1)
