"""The interval of any figure: scenes are drawn again, not objects, for those of a scene share a picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from models.evaluation.metrics import wilson

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
        interval: From where to where.
        count: How many it was counted over; tables say of what.
    """

    value: float
    interval: tuple[float, float]
    count: int


def estimate(statistic: Statistic, scenes: int, count: int) -> Estimate:
    """Return an average with its interval: the figure and 1.96 standard errors of the bootstrap over scenes.

    The figure stays in the middle: percentiles of the draws would lean to one side, because a name that few
    scenes ask for loses its false alarms in many draws. Source: Efron and Tibshirani, An Introduction to the
    Bootstrap (1993), chapters 6 and 13.

    Args:
        statistic: Says the figure for scenes that count so many times each.
        scenes: How many there are.
        count: What the table shall say it was counted over.
    """
    value, error = _with_error(statistic, scenes)
    low, high = value - _Z_95 * error, value + _Z_95 * error
    return Estimate(value, (max(0.0, low), min(1.0, high)), count)


def estimate_share(statistic: Statistic, scenes: int, count: int) -> Estimate:
    """Return a share of `count` with Wilson's interval of as many as would vary as much as these scenes do.

    Where none or all are hits, no draw varies, and it is that of all of them. Source of the effective size:
    Kish, Survey Sampling (1965), section 8.2.

    Args:
        statistic: As `estimate`.
        scenes: Likewise.
        count: Of what it is a share.
    """
    value, error = _with_error(statistic, scenes)
    if math.isnan(value):
        return Estimate(value, (0.0, 1.0), count)
    effective = min(float(count), value * (1 - value) / error**2) if error else float(count)
    return Estimate(value, wilson(value, effective), count)


def _with_error(statistic: Statistic, scenes: int) -> tuple[float, float]:
    """Return the figure and its standard error."""
    value = statistic(np.ones(scenes))
    if math.isnan(value):
        return value, math.nan
    rng = np.random.default_rng(_SEED)
    even = np.full(scenes, 1 / scenes)
    drawn = [statistic(rng.multinomial(scenes, even).astype(np.float64)) for _ in range(DRAWS)]
    return value, float(np.nanstd(drawn, ddof=1))


def weighted_mean(values: Float[np.ndarray, "n"], weights: Float[np.ndarray, "n"]) -> float:
    """Return the mean of values that count so many times each; not a number if none counts."""
    total = float(weights.sum())
    return float((values * weights).sum()) / total if total else math.nan
