"""Average precision as COCO averages it, over names and pooled over prompts.

*Over names* is COCO's mean over categories. *Pooled* ranks the detections of all prompts in one list, so
scores must mean the same for each name; it is the stricter one (AP-Pool; Dave et al., arXiv 2102.01066).
What pycocotools matched is averaged here, because an interval needs the same average of scenes that are drawn
again. A test holds this average to that of pycocotools.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from models.evaluation.detection.matching import AREAS, IOUS, Matches

_RECALLS: Final = np.linspace(0, 1, 101)


def average_precision(
    matches: Matches,
    weights: Float[np.ndarray, "scene"],
    *,
    ious: Sequence[int] = range(len(IOUS)),
    area: str = "all",
) -> float:
    """Return the mean over names and IoUs of the precision at 101 recalls, as COCO interpolates it.

    Args:
        matches: Of the scenes.
        weights: How many times each scene counts.
        ious: Places in IOUS: 0 is AP50.
        area: One of AREAS.

    Returns:
        Not a number if no truth of this size counts.
    """
    size = AREAS.index(area)
    counted = matches.counted[size] * weights[matches.truth_scene]
    wanted = np.bincount(matches.truth_name, counted, len(matches.names))  # (name)
    asked = wanted > 0
    if not asked.any():
        return math.nan
    weight = weights[matches.scene] * ~matches.ignored[size, list(ious)]
    hit = matches.hit[size, list(ious)]
    right = _running(weight * hit, matches.name)
    wrong = _running(weight * ~hit, matches.name)
    precision = _envelope(right / (right + wrong + np.spacing(1)), matches.name)
    recall = right / np.maximum(wanted, np.finfo(float).tiny)[matches.name]
    reached = np.searchsorted(_RECALLS, recall.ravel(), side="right").reshape(recall.shape)
    first = np.diff(matches.name, prepend=-1) > 0
    gained = np.diff(reached, axis=-1, prepend=0)
    gained[:, first] = reached[:, first]
    gained[:, ~asked[matches.name]] = 0
    return float((gained * precision).sum() / len(_RECALLS) / len(ious) / np.count_nonzero(asked))


def curve(matches: Matches) -> tuple[Float[np.ndarray, "recall"], Float[np.ndarray, "recall"]]:
    """Return recall and interpolated precision at IoU 0.5, pooled over prompts."""
    every = matches.pooled()
    weight = ~every.ignored[0, 0]
    right = np.cumsum(every.hit[0, 0] & weight)
    precision = right / np.maximum(np.cumsum(weight), 1)
    recall = right / max(1, every.truths())
    best_behind: np.ndarray = np.maximum.accumulate(precision[::-1])[::-1]
    return recall, best_behind


def _running(values: Float[np.ndarray, "iou d"], group: Int[np.ndarray, "d"]) -> Float[np.ndarray, "iou d"]:
    """Return the sum of the values of a group so far; groups stand one behind the other."""
    total = np.cumsum(values, axis=-1)
    start = np.searchsorted(group, group)
    return total - np.where(start > 0, total[:, np.maximum(start - 1, 0)], 0)


def _envelope(values: Float[np.ndarray, "iou d"], group: Int[np.ndarray, "d"]) -> Float[np.ndarray, "iou d"]:
    """Return the best of this value and all behind it in its group; values are in [0, 1]."""
    apart = 2.0 * (group.max(initial=0) - group)  # whoever comes first from behind lies lowest
    best_behind: np.ndarray = np.maximum.accumulate((values + apart)[:, ::-1], axis=-1)[:, ::-1]
    found: np.ndarray = best_behind - apart
    return found
