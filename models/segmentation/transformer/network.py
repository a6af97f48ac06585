"""Layers of the deformable encoder and decoder (arXiv 2010.04159), with their norms in front.

Norms in front (arXiv 2002.04745) bear a high learning rate from the first step on, which a short training
needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from models.segmentation.attention.network import DeformableAttention, Values
from models.segmentation.fusion.network import Fusion
from models.segmentation.proposals.network import BoxHead
from models.segmentation.pyramid.network import centres, waves
from models.segmentation.settings import DetectorSettings

LEVELS = 3


class Encoder(nn.Module):
    """Lets the coarse levels see each other and the sentences.

    Args:
        settings: Its sizes.
        sides: Cells along the side of each level that takes part.
    """

    positions: Tensor
    middles: Tensor
    reach: Tensor

    def __init__(self, settings: DetectorSettings, sides: Sequence[int]) -> None:
        super().__init__()
        self._sides = tuple(sides)
        self.layers = nn.ModuleList(
            EncoderLayer(settings, len(sides)) for _ in range(settings.encoder_layers)
        )
        self.norm = nn.LayerNorm(settings.width)
        self.level = nn.Parameter(torch.randn(len(sides), settings.width) / 2)
        middles = torch.cat([centres(side) for side in sides])
        self.register_buffer("positions", waves(middles, settings.width), persistent=False)
        self.register_buffer("middles", middles[None], persistent=False)
        reach = torch.tensor([[1 / side, 1 / side] for side in sides])
        self.register_buffer("reach", reach[None, None], persistent=False)

    def forward(
        self, maps: Sequence[Float[Tensor, "b width _h _w"]], sentences: Float[Tensor, "b s texts"]
    ) -> tuple[list[Float[Tensor, "b width _h _w"]], Float[Tensor, "b s texts"]]:
        """Return the maps and the sentences as they changed each other."""
        cells = torch.cat([each.flatten(2) for each in maps], 2).transpose(1, 2)  # (b, cells, width)
        levels = [self.level[None, at].expand(side * side, -1) for at, side in enumerate(self._sides)]
        positions = self.positions + torch.cat(levels)
        for layer in self.layers:
            cells, sentences = layer.fusion(cells, sentences)
            normed = layer.norm(cells)
            values = layer.values(as_maps(normed, self._sides))
            seen = layer.attention(normed + positions, self.middles, self.reach, values)
            cells = layer.think(cells + seen)
        return as_maps(self.norm(cells), self._sides), sentences


class EncoderLayer(nn.Module):
    """Fusion, deformable attention among the cells, and what each cell makes of it.

    Args:
        settings: Its sizes.
        levels: How many maps take part.
    """

    def __init__(self, settings: DetectorSettings, levels: int) -> None:
        super().__init__()
        self.fusion = Fusion(settings.width, settings.texts, joint=settings.fused, heads=settings.heads)
        self.norm = nn.LayerNorm(settings.width)
        self.values = Values(settings.width, heads=settings.heads)
        self.attention = DeformableAttention(
            settings.width, heads=settings.heads, levels=levels, points=settings.points
        )
        self.think = FeedForward(settings.width, settings.hidden)


class FeedForward(nn.Module):
    """Adds to each row what two linear maps make of it.

    Args:
        width: Channels of the rows.
        hidden: Channels between the maps.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, hidden)
        self.outer = nn.Linear(hidden, width)

    def forward(self, rows: Float[Tensor, "b n width"]) -> Float[Tensor, "b n width"]:
        """Return the changed rows."""
        return rows + self.outer(torch.relu(self.inner(self.norm(rows))))


class SelfAttention(nn.Module):
    """Lets queries see each other.

    Args:
        width: Channels of a query.
        heads: Divides the width.
    """

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.asked = nn.Linear(width, 2 * width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        for layer in (self.asked, self.value, self.output):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, queries: Float[Tensor, "b q width"], positions: Float[Tensor, "b q width"]
    ) -> Float[Tensor, "b q width"]:
        """Return what each query saw of the others; positions take part in where it looks alone."""
        query, key = self._split(self.asked(queries + positions)).chunk(2, dim=-1)
        seen = functional.scaled_dot_product_attention(query, key, self._split(self.value(queries)))
        return self.output(seen.transpose(1, 2).flatten(2))

    def _split(self, rows: Tensor) -> Tensor:
        return rows.unflatten(-1, (self._heads, -1)).transpose(1, 2)


class DecoderLayer(nn.Module):
    """Queries look at each other, then at the maps near their boxes; then the boxes move.

    Args:
        settings: Its sizes.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        super().__init__()
        self._reach = 0.5 / settings.points  # the outermost point starts on the box's edge
        self.position = nn.Linear(2 * settings.width, settings.width)
        self.self_norm = nn.LayerNorm(settings.width)
        self.self_attention = SelfAttention(settings.width, heads=settings.heads)
        self.norm = nn.LayerNorm(settings.width)
        self.attention = DeformableAttention(
            settings.width, heads=settings.heads, levels=LEVELS, points=settings.points
        )
        self.think = FeedForward(settings.width, settings.hidden)
        self.output_norm = nn.LayerNorm(settings.width)
        self.refine = BoxHead(settings.width)

    def forward(
        self,
        queries: Float[Tensor, "b q width"],
        boxes: Float[Tensor, "b q 4"],
        values: Sequence[Float[Tensor, "b heads c _h _w"]],
    ) -> tuple[Float[Tensor, "b q width"], Float[Tensor, "b q 4"], Float[Tensor, "b q width"]]:
        """Return the queries, the moved boxes (middle, size), and the queries as heads read them."""
        positions = self.position(waves(boxes, 2 * queries.shape[-1]))
        queries = queries + self.self_attention(self.self_norm(queries), positions)
        reach = boxes[:, :, None, 2:] * self._reach
        seen = self.attention(self.norm(queries) + positions, boxes[..., :2], reach, values)
        queries = self.think(queries + seen)
        read = self.output_norm(queries)
        return queries, self.refine(read, boxes), read


def as_maps(
    cells: Float[Tensor, "b cells width"], sides: Sequence[int]
) -> list[Float[Tensor, "b width _h _w"]]:
    """Return the levels as square maps, of which the cells are the rows one after the other."""
    rows = cells.transpose(1, 2)
    ends = tuple(accumulate(side * side for side in sides))
    return [
        rows[..., end - side * side : end].unflatten(2, (side, side))
        for end, side in zip(ends, sides, strict=True)
    ]
