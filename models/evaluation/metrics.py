"""What is counted, and the interval that the number of pictures or of seeds leaves open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from scipy import optimize, stats

_Z_95: Final = 1.959964


@dataclass(frozen=True)
class Share:
    """So many of so many, with the interval that the count leaves open."""

    hits: int
    count: int

    @property
    def value(self) -> float:
        """The share itself; not a number if nothing was counted."""
        return self.hits / self.count if self.count else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of Wilson."""
        return wilson(self.value, float(self.count))


@dataclass(frozen=True)
class Mean:
    """A mean over seeds; `half` is half the width of its 95 % interval by Student's t."""

    value: float
    half: float
    count: int


def wilson(value: float, count: float) -> tuple[float, float]:
    """Return the 95 % interval of a share of so many (Wilson, JASA 22, 1927); sensible near 0 and 1."""
    if not count:
        return (0.0, 1.0)
    middle = value + _Z_95**2 / (2 * count)
    reach = _Z_95 * math.sqrt(value * (1 - value) / count + _Z_95**2 / (4 * count**2))
    scale = 1 + _Z_95**2 / count
    return (max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale))


def share(hits: Sequence[bool] | np.ndarray) -> Share:
    """Return how many of these are true."""
    return Share(int(np.sum(hits)), len(hits))


def mean(values: Sequence[float]) -> Mean:
    """Return the mean over seeds; of one seed, with an interval that is infinite."""
    if len(values) < 2:  # noqa: PLR2004  (one value has no spread)
        return Mean(float(values[0]), math.inf, len(values))
    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Mean(float(np.mean(values)), float(stats.t.ppf(0.975, len(values) - 1)) * spread, len(values))


def ranks(
    score: Float[np.ndarray, "query label"], truth: Int[np.ndarray, "query"]
) -> Int[np.ndarray, "query"]:
    """Return how many labels stand before the right one; ties count against it."""
    own = score[np.arange(len(truth)), truth][:, None]
    return np.asarray((score >= own).sum(1) - 1)


def top(rank: Int[np.ndarray, "query"], size: int) -> Share:
    """Return how often the truth is among the first `size`: the ceiling of whoever ranks candidates."""
    return share(rank < size)


def best_of_groups(
    similarity: Float[np.ndarray, "query picture"], group: Int[np.ndarray, "picture"]
) -> Float[np.ndarray, "query group"]:
    """Return each group's highest similarity; groups are numbered from 0 and none is empty."""
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(int(group.max()) + 1))
    return np.maximum.reduceat(similarity[:, order], starts, axis=1)


def clustering_accuracy(predicted: Sequence[str], truth: Sequence[str]) -> float:
    """Return cACC: the share that is right under the best one-to-one map of predicted names to true classes.

    Names are only marks here: consistent wrong names are as good as right ones. Source: Hungarian matching
    as in FineR (Liu et al., arXiv 2401.13837).
    """
    said, rows = np.unique(predicted, return_inverse=True)
    true, columns = np.unique(truth, return_inverse=True)
    together = np.zeros((len(said), len(true)), dtype=np.int64)
    np.add.at(together, (rows, columns), 1)
    matched = optimize.linear_sum_assignment(together, maximize=True)
    return float(together[matched].sum() / len(truth))


def semantic_accuracy(predicted: Float[np.ndarray, "n dim"], truth: Float[np.ndarray, "n dim"]) -> float:
    """Return sACC: the mean cosine of the predicted names' texts and the true ones', unit-norm rows."""
    return float((predicted * truth).sum(1).mean())
