"""Panoptic quality: every pixel in one segment, things one by one, stuff by name.

Source: Kirillov et al., arXiv 1801.00868, with its rules for pixels that nobody labelled.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

UNLABELLED: Final = 0
_MATCH: Final = 0.5


@dataclass(frozen=True)
class Segment:
    """What became of one segment.

    Attributes:
        scene: Whose.
        name: Of the segment.
        iou: With its match; 0 if it has none.
        said: Whether it was found at all; with no IoU it is an alarm, otherwise a match.
    """

    scene: int
    name: str
    iou: float
    said: bool


@dataclass(frozen=True)
class Quality:
    """PQ = SQ x RQ: how well what is matched is covered, and how much is matched. Means over names."""

    pq: float
    sq: float
    rq: float


def fates(
    scene: int,
    truth: tuple[Int[np.ndarray, "h w"], Sequence[str]],
    said: tuple[Int[np.ndarray, "h w"], Sequence[str]],
) -> list[Segment]:
    """Match the segments of one scene: a pair of one name that shares more than half of its union.

    Args:
        scene: Its number.
        truth: Number of each pixel's segment, from 1 on, UNLABELLED where nobody knows; and their names.
        said: Likewise; UNLABELLED where nothing was found.
    """
    (true_map, true_names), (said_map, said_names) = truth, said
    rows, columns = len(true_names) + 1, len(said_names) + 1
    both = np.bincount((true_map * columns + said_map).ravel(), minlength=rows * columns).reshape(
        rows, columns
    )
    true_px, said_px = both.sum(1), both.sum(0)
    judged_px = said_px - both[UNLABELLED]
    iou = both / np.maximum(true_px[:, None] + judged_px[None, :] - both, 1)
    pairs = [
        (true, found)
        for true, found in np.argwhere(iou > _MATCH).tolist()
        if true and found and true_names[true - 1] == said_names[found - 1]
    ]
    matched_true, matched_said = {true for true, _ in pairs}, {found for _, found in pairs}
    hits = [Segment(scene, true_names[true - 1], float(iou[true, found]), said=True) for true, found in pairs]
    missed = [
        Segment(scene, name, 0.0, said=False)
        for number, name in enumerate(true_names, start=1)
        if number not in matched_true and true_px[number]
    ]
    alarms = [
        Segment(scene, name, 0.0, said=True)
        for number, name in enumerate(said_names, start=1)
        if number not in matched_said and judged_px[number] > _MATCH * said_px[number]
    ]
    return hits + missed + alarms


def quality(found: Sequence[Segment], weights: Float[np.ndarray, "scene"], names: Collection[str]) -> Quality:
    """Return panoptic quality over names, each of which has a segment that is true.

    Args:
        found: The segments of all scenes.
        weights: How many times each scene counts.
        names: Which names: all, things' or stuff's.
    """
    chosen = [each for each in found if each.name in names]
    known, group = np.unique([each.name for each in chosen], return_inverse=True)
    weight = np.array([weights[each.scene] for each in chosen])
    iou = np.array([each.iou for each in chosen])
    said = np.array([each.said for each in chosen], dtype=np.bool_)
    matched, alarms, missed, covered = (
        np.bincount(group, weight * part, len(known)) for part in (iou > 0, said & (iou == 0), ~said, iou)
    )
    there = matched + missed > 0
    if not there.any():
        return Quality(np.nan, np.nan, np.nan)
    matched, alarms, missed, covered = (part[there] for part in (matched, alarms, missed, covered))
    rq = matched / (matched + alarms / 2 + missed / 2)
    sq = covered / np.maximum(matched, np.finfo(float).tiny)
    seen = matched > 0
    return Quality(float((sq * rq).mean()), float(sq[seen].mean()) if seen.any() else 0.0, float(rq.mean()))
