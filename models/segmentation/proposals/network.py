"""Two stages: every cell proposes a box, and the best become queries.

Sources: Deformable DETR (arXiv 2010.04159, section 4.2); the best of each level and the suppressing of
near-copies are DETA's (arXiv 2212.06137), which APE builds on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from models.segmentation.alignment.network import START_LOGIT
from models.segmentation.pyramid.network import centres
from models.segmentation.settings import DetectorSettings

_EDGE = 1e-3


@dataclass(frozen=True, eq=False)
class Proposals:
    """What every cell of every level proposes, fine levels first, row by row.

    Attributes:
        anchors: Left, top, right, bottom as shares of the side: what each cell stands for by itself.
        boxes: What each made of it.
        logits: Whether there is anything, whatever it is.
    """

    anchors: Float[Tensor, "cells 4"]
    boxes: Float[Tensor, "b cells 4"]
    logits: Float[Tensor, "b cells"]


class Proposer(nn.Module):
    """Proposes a box at every cell.

    Args:
        settings: Its sizes.
        sides: Cells along the side of each level, from fine to coarse.
    """

    anchors: Tensor
    ranks: Tensor

    def __init__(self, settings: DetectorSettings, sides: Sequence[int]) -> None:
        super().__init__()
        self._settings = settings
        self._cells = [side * side for side in sides]
        self._most = [min(each, cells) for each, cells in zip(settings.proposals, self._cells, strict=True)]
        self.norm = nn.LayerNorm(settings.width)
        self.score = nn.Linear(settings.width, 1)
        nn.init.constant_(self.score.bias, START_LOGIT)
        self.refine = BoxHead(settings.width)
        self.register_buffer("anchors", _anchors(sides, settings.anchor_cells), persistent=False)
        self.register_buffer("ranks", torch.arange(sum(self._most)), persistent=False)

    def forward(
        self, memory: Float[Tensor, "b cells width"]
    ) -> tuple[Proposals, Float[Tensor, "b cells width"]]:
        """Return all proposals and what each is made of."""
        seen = self.norm(memory)
        boxes = self.refine(seen, self.anchors[None])
        proposals = Proposals(corners(self.anchors), corners(boxes), self.score(seen)[..., 0])
        return proposals, seen

    def choose(self, proposals: Proposals) -> Int64[Tensor, "b queries"]:
        """Return the cells whose proposals become queries, best first.

        The best of each level, less those that nearly equal a better one. Where fewer remain than there
        are queries, the best of the dropped ones fill up.
        """
        with torch.no_grad():
            chosen, first = [], 0
            for cells, most in zip(self._cells, self._most, strict=True):
                level = proposals.logits[:, first : first + cells]
                chosen.append(level.topk(most, dim=1).indices + first)
                first += cells
            found = torch.cat(chosen, 1)  # (b, k)
            order = proposals.logits.gather(1, found).argsort(dim=1, descending=True)
            found = found.gather(1, order)
            boxes = proposals.boxes.gather(1, found[..., None].expand(-1, -1, 4))
            kept = suppress(boxes, overlap=self._settings.overlap, steps=self._settings.suppressions)
            ranks = self.ranks + len(self.ranks) * (~kept).long()
            best = ranks.topk(self._settings.queries, dim=1, largest=False, sorted=True).indices
            return found.gather(1, best)


class BoxHead(nn.Module):
    """Moves boxes; at the start by nothing.

    Args:
        width: Channels of what it reads.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.output = nn.Linear(width, 4)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(
        self, seen: Float[Tensor, "b n width"], boxes: Float[Tensor, "_b n 4"]
    ) -> Float[Tensor, "b n 4"]:
        """Return moved boxes; middle x and y, width and height as shares of the side, as they came."""
        delta = self.output(torch.relu(self.hidden(seen)))
        return torch.sigmoid(torch.logit(boxes, eps=_EDGE) + delta)


def suppress(boxes: Float[Tensor, "b k 4"], *, overlap: float, steps: int) -> Bool[Tensor, "b k"]:
    """Return which boxes remain when each drops the later ones that it overlaps by more.

    That is greedy non-maximum suppression, without its loop over boxes. Whether a box remains depends on
    the earlier ones that overlap it; each step settles the boxes that depend on settled ones alone. So
    after n steps all is right unless more than n boxes in a row each overlap the next by so much.

    Args:
        boxes: Left, top, right, bottom; best first.
        overlap: Intersection over union that is still borne.
        steps: The n above.
    """
    over = (overlaps(boxes) > overlap).to(boxes.dtype)
    over = over.triu(diagonal=1)  # (b, dropping, dropped)
    kept = torch.ones_like(boxes[:, None, :, 0])
    for _ in range(steps):
        kept = (kept @ over == 0).to(boxes.dtype)
    return kept[:, 0] > 0


def corners(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Return left, top, right, bottom of middle x and y, width and height."""
    middle, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat([middle - size / 2, middle + size / 2], -1)


def middles(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Return middle x and y, width and height of left, top, right, bottom."""
    start, end = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(start + end) / 2, end - start], -1)


def overlaps(boxes: Float[Tensor, "b k 4"]) -> Float[Tensor, "b k k"]:
    """Return the intersection over union of each pair of a picture's boxes; left, top, right, bottom."""
    lower = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    upper = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    sides = (upper - lower).clamp(min=0)
    shared = sides[..., 0] * sides[..., 1]
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return shared / (area[:, :, None] + area[:, None] - shared).clamp(min=1e-12)


def _anchors(sides: Sequence[int], cells: float) -> Tensor:
    """Return middle x and y, width and height of what each cell stands for."""
    return torch.cat(
        [torch.cat([centres(side), torch.full((side * side, 2), cells / side)], 1) for side in sides]
    )
