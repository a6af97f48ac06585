"""Which boxes learn from which truths: several boxes for each truth, so that many learn from few.

Sources: DETA (Ouyang-Zhang et al., arXiv 2212.06137), whose one-to-many assignment by overlap APE (Shen et
al., arXiv 2312.02153) uses: up to 4 boxes a truth, from an intersection over union of 0.6 on in the decoder
and of 0.7 on in the encoder. Two things differ here. Boxes that overlap a truth by so much, but are not
among its best, are told neither that they show it nor that they do not: suppression removes them later, and
no network could tell the fourth best from the fifth. And two truths never share the one box that each of
them gets in any case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float, Int64
from scipy.optimize import linear_sum_assignment
from torch import Tensor

NONE: Final = -1


@dataclass(frozen=True, eq=False)
class Assignment:
    """What each box learns from.

    Attributes:
        truth: Number of the truth whose box, mask and answers it learns; NONE.
        near: Number of a truth that it overlaps as much as those that learn, without being one of them;
            NONE.
    """

    truth: Int64[Tensor, "b n"]
    near: Int64[Tensor, "b n"]


def iou(boxes: Float[Tensor, "b m 4"], others: Float[Tensor, "b n 4"]) -> Float[Tensor, "b m n"]:
    """Return intersection over union of left, top, right, bottom; 0 where a box has no area."""
    low = torch.maximum(boxes[:, :, None, :2], others[:, None, :, :2])
    high = torch.minimum(boxes[:, :, None, 2:], others[:, None, :, 2:])
    common = (high - low).clamp(min=0).prod(-1)
    union = _area(boxes)[:, :, None] + _area(others)[:, None, :] - common
    return common / union.clamp(min=1e-9)


@torch.no_grad()
def assign(overlap: Float[Tensor, "b m n"], *, least: float, most: int) -> Assignment:
    """Return what each of n boxes learns from m truths.

    A box that overlaps a truth by `least` or more learns from the one that it overlaps most, if it is
    among the best `most` of that truth. And each truth has one box that learns from it, however little it
    may overlap, unless others need all boxes that it touches more. So a decoder that finds nothing yet,
    early in training, is taught all the same.

    Args:
        overlap: Intersection over union; 0 for truths that only fill up the batch, and there is at least
            one of either sort.
        least: From which on boxes learn.
        most: Boxes that learn from one truth.
    """
    needed = _needed(overlap)
    value, truth = overlap.max(1)  # (b, n)
    near = torch.where(value >= least, truth, NONE)
    wanted = torch.where(needed != NONE, needed, near)
    ranks = torch.zeros_like(overlap).scatter(1, wanted.clamp(min=0)[:, None], value[:, None])
    ranks = torch.where(wanted[:, None] == NONE, 0, ranks)
    best, places = ranks.topk(min(most, ranks.shape[2]), dim=2)  # (b, m, most)
    numbers = torch.arange(overlap.shape[1], device=overlap.device)[None, :, None].expand_as(places)
    chosen = torch.full_like(near, NONE)
    # no box is among the best of two truths, so the larger number is that of the only truth, or NONE
    chosen.scatter_reduce_(
        1, places.flatten(1), torch.where(best > 0, numbers, NONE).flatten(1), reduce="amax"
    )
    return Assignment(chosen, torch.where(chosen == NONE, near, NONE))


@torch.no_grad()
def sampled(
    assignment: Assignment, best: Float[Tensor, "b n"], *, below: float, count: int
) -> Bool[Tensor, "b n"]:
    """Return a random sample of boxes that learn whether they show anything.

    At most half of them do show something; the others overlap every truth by less than `below`. What lies
    between is left out. The numbers are torch's own, so its seed decides.

    Args:
        assignment: Of the boxes.
        best: Intersection over union of each with the truth that it overlaps most.
        below: Boxes that overlap by less show nothing.
        count: Size of the sample.
    """
    shown = assignment.truth != NONE
    order = torch.rand_like(best)
    positive = _largest(torch.where(shown, order, NONE), torch.full_like(shown.sum(1), count // 2))
    left = count - positive.sum(1)
    return positive | _largest(torch.where(~shown & (best < below), order, NONE), left)


def _needed(overlap: Float[Tensor, "b m n"]) -> Int64[Tensor, "b n"]:
    """Return for each box the truth that needs it, so that as many truths as can have one.

    Of the ways to do so it is the one with the most overlap in all.
    """
    touching = overlap > 0
    worth = (touching * (overlap.shape[1] + 1.0) + overlap).cpu().numpy()
    needed = torch.full_like(overlap[:, 0], NONE, dtype=torch.int64)
    for image, each in enumerate(worth):
        truths, boxes = (torch.from_numpy(of) for of in linear_sum_assignment(each, maximize=True))
        needed[image, boxes] = torch.where(touching[image, truths, boxes].cpu(), truths, NONE).to(
            needed.device
        )
    return needed


def _largest(values: Float[Tensor, "b n"], counts: Int64[Tensor, "b"]) -> Bool[Tensor, "b n"]:
    """Mark so many of the largest values of each row, those below 0 excepted."""
    places = values.argsort(dim=1, descending=True).argsort(dim=1)
    return (places < counts[:, None]) & (values >= 0)


def _area(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n"]:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)
