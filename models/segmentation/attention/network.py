"""Multi-scale deformable attention in plain torch (Deformable DETR, arXiv 2010.04159, equation 3).

There is no operator of its own to build: each level is one bilinear read, which torch and every
runtime of ONNX graphs have. The tests compare it with a loop over single points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_AXES = 2


def attend(
    values: Sequence[Float[Tensor, "b heads c _h _w"]],
    points: Float[Tensor, "b q heads levels p 2"],
    weights: Float[Tensor, "b q heads levels p"],
) -> Float[Tensor, "b q heads*c"]:
    """Return the weighted sum of what each query reads, head beside head.

    Args:
        values: A map for each level.
        points: x and y where each head reads each level, 0 to 1 from edge to edge; zeros beyond.
        weights: Of the points; each head's should sum to 1 over levels and points.
    """
    batch, heads, channels = values[0].shape[:3]
    queries = points.shape[1]
    grid = (2 * points - 1).permute(3, 0, 2, 1, 4, 5).flatten(1, 2)  # (levels, b * heads, q, p, 2)
    shares = weights.permute(3, 0, 2, 1, 4).flatten(1, 2)  # (levels, b * heads, q, p)
    total = torch.zeros((), device=points.device)
    for level, value in enumerate(values):
        read = functional.grid_sample(value.flatten(0, 1), grid[level], align_corners=False)
        total = total + (read * shares[level][:, None]).sum(-1)  # (b * heads, c, q)
    return total.reshape(batch, heads * channels, queries).transpose(1, 2)


class DeformableAttention(nn.Module):
    """Each query reads a few points of each level near where it stands.

    At the start each head looks in a direction of its own, ever further from point to point, as published:
    a query sees its surroundings before it has learnt where to look.

    Args:
        width: Channels of queries and maps.
        heads: Divides the width.
        levels: How many maps there are.
        points: That each head reads of each map.
    """

    def __init__(self, width: int, *, heads: int, levels: int, points: int) -> None:
        super().__init__()
        self._shape = (heads, levels, points)
        self.offsets = nn.Linear(width, heads * levels * points * _AXES)
        self.weights = nn.Linear(width, heads * levels * points)
        self.output = nn.Linear(width, width)
        for layer in (self.offsets, self.weights):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.offsets.bias.data = _star(*self._shape)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(
        self,
        queries: Float[Tensor, "b q width"],
        centres: Float[Tensor, "_b q 2"],
        reach: Float[Tensor, "_b _q levels 2"],
        values: Sequence[Float[Tensor, "b heads c _h _w"]],
    ) -> Float[Tensor, "b q width"]:
        """Return what each query saw.

        Args:
            queries: What decides where to look.
            centres: x and y of where each stands, 0 to 1.
            reach: How far an offset of one goes in each level, as shares of the side.
            values: The levels, as `Values` makes them.
        """
        heads, levels, points = self._shape
        batch, count = queries.shape[:2]
        offsets = self.offsets(queries).reshape(batch, count, heads, levels, points, _AXES)
        at = centres[:, :, None, None, None] + offsets * reach[:, :, None, :, None]
        weights = self.weights(queries).reshape(batch, count, heads, levels * points).softmax(-1)
        seen = attend(values, at, weights.reshape(batch, count, heads, levels, points))
        return self.output(seen)


class Values(nn.Module):
    """What there is to read of maps: a projection of each place, split into heads.

    Args:
        width: Channels of the maps.
        heads: Divides the width.
    """

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.project = nn.Conv2d(width, width, 1)
        nn.init.xavier_uniform_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(
        self, maps: Sequence[Float[Tensor, "b width _h _w"]]
    ) -> list[Float[Tensor, "b heads c _h _w"]]:
        """Return the values of each level."""
        return [self.project(each).unflatten(1, (self._heads, -1)) for each in maps]


def _star(heads: int, levels: int, points: int) -> Tensor:
    """Return offsets that go out in a ray for each head, (heads * levels * points * 2,)."""
    angle = torch.arange(heads) * (2 * math.pi / heads)
    ray = torch.stack([angle.cos(), angle.sin()], -1)  # (heads, 2)
    ray = ray / ray.abs().amax(-1, keepdim=True)
    steps = torch.arange(1, points + 1, dtype=torch.float32)
    star = ray[:, None, None] * steps[:, None]  # (heads, 1, points, 2)
    return star.expand(heads, levels, points, _AXES).flatten().clone()
