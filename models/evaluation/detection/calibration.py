"""Whether a score of 0.7 is right seven times of ten.

Source: expected calibration error, Guo et al., arXiv 1706.04599; of detections as Küppers et al.,
arXiv 2004.13546: a detection is right if it matches a truth at IoU 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from models.evaluation.detection.matching import Matches
from models.evaluation.detection.rejection import Offered

LEAST: Final = 0.05
"""Scores below are not judged: most of them are right to be low, and would hide everything else."""
_BINS: Final = 10


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores, and whether each was right."""

    scene: Int[np.ndarray, "n"]
    score: Float[np.ndarray, "n"]
    right: Bool[np.ndarray, "n"]

    def __len__(self) -> int:
        return len(self.score)


@dataclass(frozen=True)
class Bin:
    """Scores of one tenth of the scale: their mean, how many of them were right, and how many there are."""

    score: float
    right: float
    count: int


def of_detections(matches: Matches) -> Scored:
    """Return the scores of detections at least LEAST high."""
    kept = (matches.score >= LEAST) & ~matches.ignored[0, 0]
    return Scored(matches.scene[kept], matches.score[kept], matches.hit[0, 0][kept])


def of_prompts(found: Sequence[Offered]) -> Scored:
    """Return the best score of each prompt, right where something answers the prompt."""
    scene, score, present = (np.array(values) for values in zip(*map(_parts, found), strict=True))
    return Scored(scene, score, present)


def error(scored: Scored, weights: Float[np.ndarray, "scene"]) -> float:
    """Return the expected calibration error: how far scores stand from shares, in the mean over scores."""
    weight = weights[scored.scene]
    total = weight.sum()
    if not total:
        return math.nan
    place = _places(scored)
    gap = np.bincount(place, weight * (scored.score - scored.right), _BINS)
    return float(np.abs(gap).sum() / total)


def bins(scored: Scored) -> list[Bin]:
    """Return the bins that hold a score."""
    place = _places(scored)
    return [
        Bin(float(scored.score[own].mean()), float(scored.right[own].mean()), int(np.count_nonzero(own)))
        for own in (place == number for number in range(_BINS))
        if own.any()
    ]


def _places(scored: Scored) -> Int[np.ndarray, "n"]:
    return np.minimum((scored.score * _BINS).astype(np.int64), _BINS - 1)


def _parts(each: Offered) -> tuple[int, float, bool]:
    return each.scene, each.score, each.present
