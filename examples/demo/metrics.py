"""What is counted: shares with their intervals, how well one number tells two groups apart, percentiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.metrics import Share, share

__all__ = ["Bin", "Share", "auroc", "calibration_error", "percentile", "reliability", "share", "top"]


def top(rankings: Sequence[Sequence[str]], truths: Sequence[str], size: int) -> Share:
    """Return how often the truth is among the first `size` labels of its ranking."""
    return share([truth in labels[:size] for labels, truth in zip(rankings, truths, strict=True)])


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Return how often a random positive has a higher score than a random negative; ties count half.

    Returns:
        1 for perfect order, 0.5 for chance; not a number if one side is empty.
    """
    if not positive or not negative:
        return math.nan
    above, other = np.asarray(positive)[:, None], np.asarray(negative)[None, :]
    wins = (above > other).sum() + (above == other).sum() / 2
    return float(wins / (above.size * other.size))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile, interpolated; not a number if there are no values."""
    return float(np.percentile(values, percent)) if len(values) else math.nan


@dataclass(frozen=True)
class Bin:
    """The answers whose stated probability lies in one range."""

    least: float
    most: float
    stated: float
    right: Share


def reliability(stated: Sequence[float], right: Sequence[bool], *, bins: int = 5) -> tuple[Bin, ...]:
    """Return what was stated beside what came true, in equal ranges of the stated probability."""
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.digitize(stated, edges) - 1, 0, bins - 1)
    return tuple(
        Bin(
            least=float(edges[i]),
            most=float(edges[i + 1]),
            stated=float(np.mean([p for p, where in zip(stated, place, strict=True) if where == i])),
            right=share([hit for hit, where in zip(right, place, strict=True) if where == i]),
        )
        for i in sorted(set(place.tolist()))
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the mean distance between stated and true, weighted by how many answers a range has."""
    total = sum(one.right.count for one in bins)
    if not total:
        return math.nan
    return sum(one.right.count * abs(one.stated - one.right.value) for one in bins) / total
