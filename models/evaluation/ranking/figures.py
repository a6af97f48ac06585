"""What is counted of ordered candidates, with the interval that the number of pictures leaves open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from models.evaluation.metrics import Share, share
from models.ranking.conformal import calibrated, held_out
from models.ranking.trust import ALWAYS_ASK, Outcomes, chosen, curve

DRAWS: Final = 2000
BINS: Final = 15
_SEED: Final = 1993
_RANGE: Final = (2.5, 97.5)


@dataclass(frozen=True)
class Gain:
    """A difference between two ways on the same pictures.

    Attributes:
        value: Of the shares that are right.
        interval: 95 %, by the bootstrap over pictures.
        wins: Pictures that only the second way has right.
        losses: Pictures that only the first way has right.
        count: Of pictures.
    """

    value: float
    interval: tuple[float, float]
    wins: int
    losses: int
    count: int

    @property
    def is_loss(self) -> bool:
        """Whether the second way is worse by more than chance."""
        return self.interval[1] < 0


def gain(before: Bool[np.ndarray, "n"], after: Bool[np.ndarray, "n"]) -> Gain:
    """Return what the second way gains over the first; pictures are drawn again, both ways together.

    Raises:
        ValueError: There is no picture.
    """
    if not len(before):
        raise ValueError("there are no pictures to compare two ways on")
    difference = after.astype(np.int64) - before
    wins, losses, count = int((difference > 0).sum()), int((difference < 0).sum()), len(difference)
    shares = np.array([wins, losses, count - wins - losses]) / count
    drawn = np.random.default_rng(_SEED).multinomial(count, shares, DRAWS)
    low, high = np.percentile((drawn[:, 0] - drawn[:, 1]) / count, _RANGE)
    return Gain(float(difference.mean()), (float(low), float(high)), wins, losses, count)


def mean_gain(gains: Sequence[Gain]) -> Gain:
    """Return the mean over sets, each as heavy as any other; every set is drawn again by itself."""
    drawn = np.random.default_rng(_SEED)
    total = np.zeros(DRAWS)
    for each in gains:
        same = each.count - each.wins - each.losses
        counts = drawn.multinomial(each.count, np.array([each.wins, each.losses, same]) / each.count, DRAWS)
        total += (counts[:, 0] - counts[:, 1]) / each.count
    low, high = np.percentile(total / len(gains), _RANGE)
    return Gain(
        float(np.mean([each.value for each in gains])),
        (float(low), float(high)),
        sum(each.wins for each in gains),
        sum(each.losses for each in gains),
        sum(each.count for each in gains),
    )


def pooled(gains: Sequence[Gain]) -> Gain:
    """Return the gain over the pictures of several sets as one."""
    wins, losses = sum(each.wins for each in gains), sum(each.losses for each in gains)
    count = sum(each.count for each in gains)
    before = np.repeat([False, True, False], [wins, losses, count - wins - losses])
    after = np.repeat([True, False, False], [wins, losses, count - wins - losses])
    return gain(before, after)


@dataclass(frozen=True)
class Spread:
    """A figure with the 95 % interval of the bootstrap over pictures."""

    value: float
    interval: tuple[float, float]
    count: int


def calibration_error(confidence: Float[np.ndarray, "n"], right: Bool[np.ndarray, "n"]) -> Spread:
    """Return the expected calibration error of first answers, in 15 bins of equal width.

    Source: Guo et al., On Calibration of Modern Neural Networks, arXiv 1706.04599, equation 3.
    """
    drawn = np.random.default_rng(_SEED)
    count = len(right)
    again = [
        _error(confidence[some], right[some]) for some in drawn.integers(count, size=(DRAWS // 10, count))
    ]
    low, high = np.percentile(again, _RANGE)
    return Spread(_error(confidence, right), (float(low), float(high)), count)


def _error(confidence: Float[np.ndarray, "n"], right: Bool[np.ndarray, "n"]) -> float:
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    sums = np.bincount(place, weights=confidence - right, minlength=BINS)
    return float(np.abs(sums).sum() / len(right))


@dataclass(frozen=True)
class Coverage:
    """What a gate, calibrated on half of the known things, did to the other half.

    Attributes:
        title: Which things.
        stated: The rate of known things that may be called unknown.
        known: How many of them were.
        unknown: How many of things that were never taught were.
    """

    title: str
    stated: float
    known: Share
    unknown: Share | None


def coverage(
    title: str,
    known: Float[np.ndarray, "n"],
    untaught: Float[np.ndarray, "m"] | None,
    *,
    stated: float,
) -> Coverage:
    """Return what a gate does that is calibrated on a random half.

    Args:
        title: For the table.
        known: How unknown each known thing seems.
        untaught: How unknown each thing seems that is not in the memory.
        stated: As `Coverage.stated`.
    """
    order = np.random.default_rng(_SEED).permutation(len(known))
    half = len(known) // 2
    gate = calibrated(known[order[:half]], error=stated)
    held = held_out(gate, known[order[half:]])
    refused = None if untaught is None else share([gate.is_unknown(float(score)) for score in untaught])
    return Coverage(title, stated, Share(round(held.rate * held.count), held.count), refused)


def gated(outcomes: Outcomes, threshold: float) -> Bool[np.ndarray, "n"]:
    """Return which are right if those with this margin and more are not ranked."""
    return np.where(outcomes.margins >= threshold, outcomes.retrieved, outcomes.ranked)


def calibrated_gate(outcomes: Outcomes) -> tuple[Bool[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """Return which are right, and which are ranked, under a gate that each half chooses for the other."""
    order = np.random.default_rng(_SEED).permutation(len(outcomes))
    right = outcomes.retrieved.copy()
    asked = np.zeros(len(outcomes), dtype=np.bool_)
    for own, other in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        chooser = np.zeros(len(outcomes), dtype=np.bool_)
        chooser[other] = True
        threshold = chosen(outcomes.of(chooser)).threshold
        asked[own] = outcomes.margins[own] < threshold
    right[asked] = outcomes.ranked[asked]
    return right, asked


def kept_at(outcomes: Outcomes, most_asked: float) -> float:
    """Return the share of the whole gain that is left if at most so many are ranked; NaN without a gain."""
    points = curve(outcomes)
    whole = points[-1].accuracy - points[0].accuracy
    if whole <= 0:
        return float("nan")
    within = [point for point in points if point.asked <= most_asked]
    return (within[-1].accuracy - points[0].accuracy) / whole


def kept_behind_own(several: Sequence[Outcomes]) -> tuple[float, float]:
    """Return the share of the whole gain that gates of each set's own keep, and the share that they ask.

    The first is NaN without a gain; see `calibrated_gate`.
    """
    found = [calibrated_gate(each) for each in several]
    whole = sum(int(each.ranked.sum()) - int(each.retrieved.sum()) for each in several)
    gained = sum(
        int(right.sum()) - int(each.retrieved.sum()) for each, (right, _) in zip(several, found, strict=True)
    )
    asked = float(np.concatenate([asked for _, asked in found]).mean())
    return gained / whole if whole > 0 else float("nan"), asked


def together(several: Sequence[Outcomes]) -> Outcomes:
    """Return the pictures of several sets as one."""
    return Outcomes(
        np.concatenate([each.margins for each in several]),
        np.concatenate([each.retrieved for each in several]),
        np.concatenate([each.ranked for each in several]),
    )


ALL: Final = ALWAYS_ASK
"""A threshold that no margin reaches."""
