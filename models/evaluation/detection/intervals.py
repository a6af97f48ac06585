"""The interval of any figure: scenes are drawn again, not objects, for those of a scene share a picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

DRAWS: Final = 100
_SEED: Final = 1993
_Z_95: Final = 1.959964

Statistic = Callable[[Float[np.ndarray, "scene"]], float]
"""A figure of scenes that count so many times each; not a number where nothing of it was asked."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval.

    Attributes:
        value: The figure itself; not a number if nothing was counted.
        half: Half the width of the interval.
        count: How many it was counted over; tables say of what.
    """

    value: float
    half: float
    count: int

    @property
    def interval(self) -> tuple[float, float]:
        """The interval as far as a share goes."""
        return max(0.0, self.value - self.half), min(1.0, self.value + self.half)


def estimate(statistic: Statistic, scenes: int, count: int) -> Estimate:
    """Return a figure with its interval: the standard error is that of the bootstrap over scenes.

    The figure stays in the middle: percentiles of the draws would lean to one side, because a name that few
    scenes ask for loses its false alarms in many draws. Source: Efron and Tibshirani, An Introduction to the
    Bootstrap (1993), chapters 6 and 13.

    Args:
        statistic: Says the figure for scenes that count so many times each.
        scenes: How many there are.
        count: What the table shall say it was counted over.
    """
    value = statistic(np.ones(scenes))
    if math.isnan(value):
        return Estimate(value, math.nan, count)
    rng = np.random.default_rng(_SEED)
    even = np.full(scenes, 1 / scenes)
    drawn = [statistic(rng.multinomial(scenes, even).astype(np.float64)) for _ in range(DRAWS)]
    known = [each for each in drawn if not math.isnan(each)]
    return Estimate(value, _Z_95 * float(np.std(known, ddof=1)), count)


def weighted_mean(values: Float[np.ndarray, "n"], weights: Float[np.ndarray, "n"]) -> float:
    """Return the mean of values that count so many times each; not a number if none counts."""
    total = float(weights.sum())
    return float((values * weights).sum()) / total if total else math.nan
