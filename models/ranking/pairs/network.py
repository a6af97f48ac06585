"""The network that says whether two crops show the same thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.network import unit
from models.ranking.pairs.looks import CELLS, CHANNELS, ODD, PIXELS

_REDUCED: Final = 32
_COLOURED: Final = 12
_CELL: Final = 48
_PLACED: Final = 24
_BLOCK: Final = PIXELS // CELLS
_OVERALL: Final = 8
_HIDDEN: Final = 48
_SURFACE: Final = 48
_LIMIT: Final = -1.05
"""Surfaces of training are more even, and 99 of 100 drawings less: the logarithm of 0.35."""
_FAR: Final = 6.0
"""Deviations that what is odd counts as at most."""
_LEAST: Final = 1e-4
_STEEP: Final = 8.0
_NEAR: Final = 0.01
"""Of one less a cosine: what is nearer is as near."""
_LOUD: Final = 5.0
"""Cosines are multiplied by it: what differs between look-alikes is small."""


@dataclass(frozen=True, eq=False)
class Picture:
    """What one side of the pairs was turned into once: a picture may be in many pairs.

    Attributes:
        looks: Reduced patches, (n, 49, 32).
        colours: Reduced pixels of each place, (n, 49, 12).
        pixels: The pixels of each place, (n, 49, 48).
        surface: What it is like as a surface, whatever stands where, (n, 48).
        uneven: How much its places differ, as a logarithm, (n,).
    """

    looks: Tensor
    colours: Tensor
    pixels: Tensor
    surface: Tensor
    uneven: Tensor

    def at(self, places: Tensor) -> Picture:
        """Return some rows, any as often as it is asked for."""
        return Picture(
            self.looks[places],
            self.colours[places],
            self.pixels[places],
            self.surface[places],
            self.uneven[places],
        )


class PairNetwork(nn.Module):
    """Compares two maps place by place, each with the likest one of the other, and both as surfaces.

    Args:
        mean: Of the patches of training pictures, (128,).
        deviation: Likewise.
        usual: Mean of what is odd in training pictures, (odd,).
        spread: Its deviation.
        dropout: While it learns.
    """

    mean: Tensor
    deviation: Tensor
    usual: Tensor
    spread: Tensor

    def __init__(
        self, mean: Tensor, deviation: Tensor, usual: Tensor, spread: Tensor, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.register_buffer("usual", usual)
        self.register_buffer("spread", spread)
        self.reduce = nn.Linear(CHANNELS, _REDUCED)
        self.colour = nn.Linear(_BLOCK**2 * 3, _COLOURED)
        self.cell = nn.Linear(4 * _REDUCED + 2 * _COLOURED + 3 + 18, _CELL)
        self.place = nn.Conv2d(_CELL, _PLACED, 3, padding=1)
        self.drop = nn.Dropout(dropout)
        self.styled = nn.Linear(2 * _PLACED + _OVERALL + 2 * _REDUCED, _HIDDEN)
        self.out = nn.Linear(2 * _PLACED + _OVERALL + _HIDDEN, 1)
        self.sharpness = nn.Parameter(torch.tensor(3.0))
        self.surface = nn.Linear(CHANNELS + ODD + 6, _SURFACE)
        self.surfaces = nn.Linear(2 * _SURFACE + 6, _SURFACE)
        self.surface_out = nn.Linear(_SURFACE, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.surface_out.weight)

    def for_surfaces(self) -> list[nn.Parameter]:
        """Return what is learned from surfaces alone; the rest is from drawings alone."""
        return [
            each for part in (self.surface, self.surfaces, self.surface_out) for each in part.parameters()
        ]

    def picture(self, patches: Tensor, odd: Tensor, pixels: Tensor) -> Picture:
        """Return one side of the pairs: patches (n, 7, 7, 128), odd (n, odd), pixels (n, 28, 28, 3)."""
        standard = (patches - self.mean) / self.deviation
        looks = self.reduce(standard).flatten(1, 2)
        blocks = pixels.reshape(-1, CELLS, _BLOCK, CELLS, _BLOCK, 3).transpose(2, 3)
        placed = blocks.reshape(-1, CELLS**2, _BLOCK**2 * 3)
        uneven = (standard.var((1, 2)).mean(1) + _LEAST).log()
        return Picture(looks, self.colour(placed), placed, self.whole(patches, odd, pixels), uneven)

    def whole(self, patches: Tensor, odd: Tensor, pixels: Tensor) -> Tensor:
        """Return what a picture is like as a surface, whatever stands where, (n, 48)."""
        usual = ((patches - self.mean) / self.deviation).mean((1, 2))
        far = ((odd - self.usual) / self.spread).clamp(-_FAR, _FAR)
        colours = pixels.flatten(1, 2)
        return self.surface(torch.cat([usual, far, colours.mean(1), colours.std(1)], 1))

    def forward(self, one: Picture, other: Picture, cosines: Tensor) -> Tensor:
        """Return logits (n,). `cosines` (n, 2): of both pictures' embeddings, of both among names."""
        likeness = unit(one.looks) @ unit(other.looks).transpose(1, 2)  # (n, 49, 49)
        found = (likeness * self.sharpness.exp()).softmax(-1)
        best = likeness.amax(-1)
        same = (unit(one.looks) * unit(other.looks)).sum(-1)  # (n, 49)
        cells = torch.relu(self.cell(self.drop(_cells(one, other, found, same, best))))
        grid = cells.transpose(1, 2).reshape(-1, _CELL, CELLS, CELLS)
        placed = torch.relu(self.place(grid)).flatten(2)
        overall = _overall(one, other, same, best, cosines)
        read = torch.cat([self.drop(torch.cat([placed.mean(2), placed.amax(2)], 1)), overall], 1)
        styles = torch.cat([one.looks.mean(1), other.looks.mean(1)], 1)  # who drew is seen here
        hidden = self.drop(torch.relu(self.styled(torch.cat([read, styles], 1))))
        placewise = self.out(torch.cat([read, hidden], 1))
        uneven = torch.maximum(one.uneven, other.uneven)
        share = torch.sigmoid(_STEEP * (uneven - _LIMIT))
        alike = self.as_surfaces(one.surface, other.surface, cosines)
        return share * placewise[:, 0] + (1 - share) * alike

    def as_surfaces(self, one: Tensor, other: Tensor, cosines: Tensor) -> Tensor:
        """Return logits (n,) of two surfaces, each as `whole` gives it."""
        apart = one - other
        parts = [
            apart.abs(),
            one * other,
            apart.pow(2).mean(1, keepdim=True),
            (unit(one) * unit(other)).sum(1, keepdim=True),
            _LOUD * cosines,
            (1 - cosines).clamp(min=_NEAR).log(),
        ]
        read = self.drop(torch.relu(self.surfaces(self.drop(torch.cat(parts, 1)))))
        return self.surface_out(read)[:, 0]


def _cells(one: Picture, other: Picture, found: Tensor, same: Tensor, best: Tensor) -> Tensor:
    moved = found @ other.looks
    block = _BLOCK**2
    here, there = (each.pixels.reshape(-1, CELLS**2, block, 3).mean(2) for each in (one, other))
    matched = found @ there
    parts = [
        (one.looks - other.looks).abs(),
        one.looks * other.looks,
        (one.looks - moved).abs(),
        one.looks * moved,
        (one.colours - other.colours).abs(),
        one.colours * other.colours,
        here,
        matched,
        here - there,
        (here - there).abs(),
        here - matched,
        (here - matched).abs(),
        torch.stack([same, best, (one.pixels - other.pixels).abs().mean(-1)], -1),
    ]
    return torch.cat(parts, -1)


def _overall(one: Picture, other: Picture, same: Tensor, best: Tensor, cosines: Tensor) -> Tensor:
    weight = one.looks.pow(2).sum(-1).sqrt() + other.looks.pow(2).sum(-1).sqrt()
    weight = weight / weight.sum(1, keepdim=True)
    flat = [each.pixels.flatten(1) for each in (one, other)]
    centred = [unit(each - each.mean(1, keepdim=True)) for each in flat]
    apart = (flat[0] - flat[1]).abs().mean(1)
    parts = [
        (same * weight).sum(1),
        (best * weight).sum(1),
        (centred[0] * centred[1]).sum(1),
        apart,
        same.amin(1),
        best.amin(1),
    ]
    return _LOUD * torch.cat([cosines, torch.stack(parts, 1)], 1)


class Pairs(nn.Module):
    """What is exported: rows of pairs to logits."""

    def __init__(self, network: PairNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(  # noqa: PLR0913, PLR0917  (each is one tensor of the graph)
        self,
        query_embeddings: Tensor,
        query_names: Tensor,
        query_patches: Tensor,
        query_odd: Tensor,
        query_pixels: Tensor,
        exemplar_embeddings: Tensor,
        exemplar_names: Tensor,
        exemplar_patches: Tensor,
        exemplar_odd: Tensor,
        exemplar_pixels: Tensor,
    ) -> Tensor:
        """Return logits (n, 1), one a pair."""
        cosines = [
            (query_embeddings * exemplar_embeddings).sum(1),
            (query_names * exemplar_names).sum(1),
        ]
        one = self.network.picture(query_patches, query_odd, query_pixels)
        other = self.network.picture(exemplar_patches, exemplar_odd, exemplar_pixels)
        return self.network(one, other, torch.stack(cosines, 1))[:, None]


def listwise(logits: Tensor, votes: Tensor, weight: Tensor) -> Tensor:
    """Return scores (query, candidate) of logits (query, candidate, picture) beside retrieval's votes.

    As `looks.evidence` does: each picture speaks for itself, and the likest once more.
    """
    return logits.sum(2) + logits.amax(2) + weight * votes


def loss_of(scores: Tensor, truth: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of the right candidates."""
    return functional.cross_entropy(scores, truth)
