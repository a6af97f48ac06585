"""How sure a share is, from how many it was counted of; without a library, for services count as well."""

from __future__ import annotations

import math
from typing import Final

Z_95: Final = 1.959964
"""Of the two-sided 95 % interval of a normal distribution."""
_HALVINGS: Final = 60


def wilson(hits: int, count: int, *, z: float = Z_95) -> tuple[float, float]:
    """Return the interval of a share (Wilson, JASA 22, 1927); of nothing it is all from 0 to 1."""
    if count <= 0:
        return (0.0, 1.0)
    share = hits / count
    scale = 1 + z**2 / count
    middle = share + z**2 / (2 * count)
    reach = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return (max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale))


def at_least(hits: int, count: int, probability: float) -> float:
    """Return how likely so many hits or more are, if each of `count` hits with this probability."""
    if hits <= 0:
        return 1.0
    if probability <= 0 or hits > count:
        return 0.0
    if probability >= 1:
        return 1.0
    log_odds = math.log(probability) - math.log1p(-probability)
    log_none = count * math.log1p(-probability)
    choose = math.lgamma(count + 1)
    terms = [
        choose - math.lgamma(i + 1) - math.lgamma(count - i + 1) + i * log_odds + log_none
        for i in range(hits, count + 1)
    ]
    most = max(terms)
    return min(1.0, math.exp(most) * math.fsum(math.exp(term - most) for term in terms))


def lower_bound(hits: int, count: int, *, error: float) -> float:
    """Return what the true share falls below with probability `error` at most (Clopper and Pearson, 1934)."""
    if hits <= 0:
        return 0.0
    low, high = 0.0, hits / count
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if at_least(hits, count, middle) <= error else (low, middle)
    return low
