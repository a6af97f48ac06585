"""A pyramid of three levels whose finest is filled from above (Lin et al., arXiv 1612.03144)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_TEMPERATURE = 10_000.0


class Laterals(nn.Module):
    """Brings maps of any channels to one width.

    Args:
        channels: Of each map.
        width: Of what is returned.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(nn.Conv2d(each, width, 1) for each in channels)
        for level in self.levels:
            nn.init.xavier_uniform_(level.weight)
            nn.init.zeros_(level.bias)

    def forward(self, maps: Sequence[Float[Tensor, "b _c _h _w"]]) -> list[Float[Tensor, "b width _h _w"]]:
        """Return a map for each."""
        return [level(each) for level, each in zip(self.levels, maps, strict=True)]


class Downward(nn.Module):
    """Adds a coarse map to a fine one, and lets neighbours of the fine one mix.

    Args:
        coarse: Channels of the coarse map.
        fine: Channels of the fine map and of what is returned.
    """

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.bring = nn.Conv2d(coarse, fine, 1)
        self.depthwise = nn.Conv2d(fine, fine, 3, padding=1, groups=fine)
        self.pointwise = nn.Conv2d(fine, fine, 1)

    def forward(
        self, coarse: Float[Tensor, "b c h w"], fine: Float[Tensor, "b f height width"]
    ) -> Float[Tensor, "b f height width"]:
        """Return the fine map with what the coarse one knows."""
        mixed = functional.relu(fine + enlarged(self.bring(coarse), fine))
        return mixed + self.pointwise(functional.relu(self.depthwise(mixed)))


def enlarged(coarse: Float[Tensor, "b c _h _w"], fine: Float[Tensor, "b _c h w"]) -> Float[Tensor, "b c h w"]:
    """Return a map in the size of another that is finer by a whole number."""
    factor = fine.shape[-1] // coarse.shape[-1]
    return functional.interpolate(coarse, scale_factor=float(factor), mode="bilinear")


def centres(side: int) -> Float[Tensor, "cells 2"]:
    """Return x and y of the middles of a square map's cells, row by row, as shares of the side."""
    middles = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2)


def waves(values: Float[Tensor, "*n k"], width: int) -> Float[Tensor, "*n width"]:
    """Return sines and cosines of values between 0 and 1, as positions are told to attention.

    Source: Vaswani et al., arXiv 1706.03762, section 3.5; for boxes arXiv 2201.12329.

    Args:
        values: k of them.
        width: Divisible by 2 k; each value takes as many channels as the others.
    """
    each = width // (2 * values.shape[-1])
    powers = torch.arange(each, dtype=values.dtype, device=values.device) / each
    angles = values[..., None] * (2 * math.pi) / _TEMPERATURE**powers  # (*n, k, each)
    return torch.cat([angles.sin(), angles.cos()], -1).flatten(-2)
