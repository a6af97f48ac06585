"""How far what was found is from the truth, one term after the other.

Sources: focal loss (Lin et al., arXiv 1708.02002), generalised intersection over union (Rezatofighi et al.,
arXiv 1902.09630), dice (Milletari et al., arXiv 1606.04797); weighed as by APE (arXiv 2312.02153).
"""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

ALPHA: Final = 0.25
GAMMA: Final = 2.0
_TINY: Final = 1e-9


def focal(logits: Float[Tensor, "*n"], truth: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Return the focal loss of each element: what is certain already hardly counts.

    Args:
        logits: Of the probability that the truth is 1.
        truth: 0 or 1.
    """
    wrong = (torch.sigmoid(logits) - truth).abs()
    weight = ALPHA * truth + (1 - ALPHA) * (1 - truth)
    return (
        weight * wrong**GAMMA * functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    )


def distance(boxes: Float[Tensor, "n 4"], truths: Float[Tensor, "n 4"]) -> Float[Tensor, "n"]:
    """Return how far boxes are in middle, width and height, summed (L1)."""
    return (_middles(boxes) - _middles(truths)).abs().sum(-1)


def giou(boxes: Float[Tensor, "n 4"], truths: Float[Tensor, "n 4"]) -> Float[Tensor, "n"]:
    """Return the generalised intersection over union: 1 for the same box, towards -1 for far apart ones.

    Args:
        boxes: Left, top, right, bottom.
        truths: One for each.
    """
    low, high = torch.maximum(boxes[:, :2], truths[:, :2]), torch.minimum(boxes[:, 2:], truths[:, 2:])
    common = _area(low, high)
    union = _area(boxes[:, :2], boxes[:, 2:]) + _area(truths[:, :2], truths[:, 2:]) - common
    low, high = torch.minimum(boxes[:, :2], truths[:, :2]), torch.maximum(boxes[:, 2:], truths[:, 2:])
    around = _area(low, high)
    return common / union.clamp(min=_TINY) - (around - union) / around.clamp(min=_TINY)


def pixelwise(
    logits: Float[Tensor, "n h w"], truths: Float[Tensor, "n h w"], within: Bool[Tensor, "n h w"]
) -> Float[Tensor, "n"]:
    """Return the mean binary cross-entropy of pixels of each mask; a truth may be a share of its pixel.

    Args:
        logits: Of the pixels.
        truths: Likewise.
        within: Which of them count.
    """
    missed = functional.binary_cross_entropy_with_logits(logits, truths, reduction="none")
    return (missed * within).sum((1, 2)) / within.sum((1, 2)).clamp(min=1)


def dice(
    logits: Float[Tensor, "n h w"], truths: Float[Tensor, "n h w"], within: Bool[Tensor, "n h w"]
) -> Float[Tensor, "n"]:
    """Return one less twice the common part over both masks' parts; one pixel more than there is of each.

    So large and small masks count alike, and two empty ones are equal.

    Args:
        logits: Of the pixels.
        truths: Likewise.
        within: Which of them count.
    """
    found, wished = torch.sigmoid(logits) * within, truths * within
    both = (found * wished).sum((1, 2))
    return 1 - (2 * both + 1) / (found.sum((1, 2)) + wished.sum((1, 2)) + 1)


def around(boxes: Float[Tensor, "n 4"], cells: int, *, reach: float) -> Bool[Tensor, "n cells cells"]:
    """Return which cells of a square are in each box, or beyond it by a share of its sides and one cell.

    Args:
        boxes: Left, top, right, bottom as shares of the square.
        cells: Along its side.
        reach: The share.
    """
    margin = reach * (boxes[:, 2:] - boxes[:, :2]) + 1 / cells
    low, high = boxes[:, :2] - margin, boxes[:, 2:] + margin
    at = (torch.arange(cells, device=boxes.device) + 0.5) / cells
    inside = (at > low[..., None]) & (at < high[..., None])  # (n, 2, cells)
    return inside[:, 1, :, None] & inside[:, 0, None, :]


def direction(vectors: Float[Tensor, "n d"], truths: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
    """Return one less the cosine of each vector and its truth."""
    return 1 - functional.cosine_similarity(vectors, truths, dim=-1)


def _middles(boxes: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    return torch.cat(((boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]), -1)


def _area(low: Float[Tensor, "n 2"], high: Float[Tensor, "n 2"]) -> Float[Tensor, "n"]:
    return (high - low).clamp(min=0).prod(-1)
