"""From which score on an answer is *unknown*, so that what is known is refused at a stated rate at most.

Split conformal prediction (Vovk, Gammerman and Shafer, 2005): if a new picture comes from where the
calibration pictures came from, each place of its score among theirs is equally likely. That is all it takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float

from models.ranking.intervals import wilson


@dataclass(frozen=True)
class UnknownGate:
    """A threshold, and what can be said of it.

    Attributes:
        threshold: Above it an answer is unknown; infinite if nothing could be calibrated.
        error: The stated rate of known things that are called unknown.
        count: Scores of known things that it was calibrated on.
        realised: Share of these above the threshold; ties make it less than stated.
        is_calibrated: False if there are too few scores for the stated rate: then nothing is called unknown.
    """

    threshold: float
    error: float
    count: int
    realised: float
    is_calibrated: bool

    def is_unknown(self, score: float) -> bool:
        """Whether an answer with this score is unknown; what is not a number is."""
        return not score <= self.threshold


@dataclass(frozen=True)
class Held:
    """What a gate did to scores that it was not calibrated on.

    Attributes:
        rate: Share above the threshold.
        interval: Its 95 % interval.
        count: Of scores.
        holds: Whether the stated rate lies in the interval, or above it.
    """

    rate: float
    interval: tuple[float, float]
    count: int
    holds: bool


def calibrated(scores: Sequence[float] | Float[np.ndarray, "n"], *, error: float) -> UnknownGate:
    """Return the gate that calls known things unknown at this rate at most.

    The threshold is the ceil((n + 1)(1 - error))-th smallest score. Over all sets of calibration pictures the
    rate is at most `error`, and without ties more than `error` - 1 / (n + 1).

    Args:
        scores: How unknown known things seem, higher for stranger ones; nothing was fitted on their pictures.
        error: The stated rate, above 0 and below 1.

    Raises:
        ValueError: A score is not a number, or the rate is not between 0 and 1.
    """
    if not 0 < error < 1:
        raise ValueError(f"a stated error rate of {error} must lie between 0 and 1")
    ordered = np.sort(np.asarray(scores, np.float64))
    if np.isnan(ordered).any():
        raise ValueError("a score to calibrate on is not a number")
    count = len(ordered)
    place = rank(count, error)
    if place > count:
        return UnknownGate(math.inf, error, count, 0.0, is_calibrated=False)
    threshold = float(ordered[place - 1])
    return UnknownGate(threshold, error, count, float((ordered > threshold).mean()), is_calibrated=True)


def rank(count: int, error: float) -> int:
    """Return which of so many scores, from the smallest, is the threshold; beyond all if they are too few."""
    return math.ceil((count + 1) * (1 - Fraction(str(error))))


def least_count(error: float) -> int:
    """Return how many scores a stated rate needs."""
    return math.ceil(1 / Fraction(str(error))) - 1


def p_value(score: float, scores: Sequence[float] | Float[np.ndarray, "n"]) -> float:
    """Return how likely a known thing is to seem as unknown as this: uniform or larger for known things."""
    known = np.asarray(scores, np.float64)
    return float((1 + (known >= score).sum()) / (1 + len(known)))


def held_out(gate: UnknownGate, scores: Sequence[float] | Float[np.ndarray, "n"]) -> Held:
    """Return what the gate does to known things that it was not calibrated on."""
    known = np.asarray(scores, np.float64)
    above = int((~(known <= gate.threshold)).sum())
    interval = wilson(above, len(known))
    rate = above / len(known) if len(known) else math.nan
    return Held(rate, interval, len(known), holds=interval[0] <= gate.error)
