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
    if not wanted.any():
        return math.nan
    weight = weights[matches.scene]
    gained = [
        _gained(
            np.where(matches.ignored[size, place], 0, weight),
            np.flatnonzero(matches.hit[size, place]),
            matches.name,
            wanted,
        )
        for place in ious
    ]
    return sum(gained) / len(ious) / int(np.count_nonzero(wanted))


def curve(matches: Matches) -> tuple[Float[np.ndarray, "recall"], Float[np.ndarray, "recall"]]:
    """Return recall and interpolated precision at IoU 0.5, pooled over prompts."""
    every = matches.pooled()
    weight = ~every.ignored[0, 0]
    right = np.cumsum(every.hit[0, 0] & weight)
    precision = right / np.maximum(np.cumsum(weight), 1)
    recall = right / max(1, every.truths())
    best_behind: np.ndarray = np.maximum.accumulate(precision[::-1])[::-1]
    return recall, best_behind


def _gained(
    weight: Float[np.ndarray, "d"],
    hits: Int[np.ndarray, "h"],
    name: Int[np.ndarray, "d"],
    wanted: Float[np.ndarray, "name"],
) -> float:
    """Return the sum over names of the mean precision at 101 recalls.

    Precision is best at a hit, and recall grows there alone: nothing else has to be looked at.

    Args:
        weight: How often each detection counts, 0 where it is ignored; those of one name together, and by
            falling scores.
        hits: Places of those that match.
        name: Of each detection.
        wanted: Truths of each name.
    """
    group = name[hits]
    right = _running(weight[hits], group)
    said = np.concatenate([[0.0], np.cumsum(weight)])
    together = said[hits + 1] - said[np.searchsorted(name, group)]
    precision = _envelope(right / np.maximum(together, np.finfo(float).tiny), group)
    recall = right / np.where(wanted > 0, wanted, 1)[group]
    reached = np.searchsorted(_RECALLS, recall, side="right")
    first = np.diff(group, prepend=-1) > 0
    gained = np.where(first, reached, np.diff(reached, prepend=0))
    return float((gained * precision)[wanted[group] > 0].sum() / len(_RECALLS))


def _running(values: Float[np.ndarray, "h"], group: Int[np.ndarray, "h"]) -> Float[np.ndarray, "h"]:
    """Return the sum of the values of a group so far; groups stand one behind the other."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(total[1:] - total[np.searchsorted(group, group)])


def _envelope(values: Float[np.ndarray, "h"], group: Int[np.ndarray, "h"]) -> Float[np.ndarray, "h"]:
    """Return the best of this value and all behind it in its group; values are in [0, 1]."""
    apart = 2.0 * (group.max(initial=0) - group)  # whoever comes first from behind lies lowest
    return np.asarray(np.maximum.accumulate((values + apart)[::-1])[::-1] - apart)
