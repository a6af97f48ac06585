"""Which sample of which data set comes next: sets by their ratios, each through before it comes again.

Source of the ratios: APE (Shen et al., arXiv 2312.02153) mixes ten data sets so, large ones as often as
small ones, which are seen more often then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Share:
    """A data set in a mixture.

    Attributes:
        size: Samples it has.
        ratio: How often it is drawn, compared with the others.
    """

    size: int
    ratio: float


def drawn(shares: Mapping[str, Share], count: int, *, seed: int) -> list[tuple[str, int]]:
    """Return the first so many draws: name of the data set and number of the sample in it.

    What is drawn n-th depends on the seed and n alone, so a run that was stopped goes on where it was, and
    a longer run begins as a shorter one.

    Args:
        shares: By name; a data set of ratio 0 is never drawn.
        count: How many draws.
        seed: Of all of them.

    Raises:
        ValueError: If nothing can be drawn, a ratio is negative, or a set that is to be drawn is empty.
    """
    names = sorted(shares)
    ratios = np.array([shares[name].ratio for name in names], dtype=np.float64)
    empty = [name for name in names if shares[name].ratio > 0 and shares[name].size < 1]
    if empty or (ratios < 0).any() or not ratios.sum() > 0:
        raise ValueError(f"cannot draw from {dict(shares)}")
    ends = np.cumsum(ratios) / ratios.sum()
    which = np.searchsorted(ends, np.random.default_rng(seed).random(count), side="right")
    found: list[tuple[str, int]] = [("", 0)] * count
    for number, name in enumerate(names):
        places = np.flatnonzero(which == number)
        order = _order(shares[name].size, len(places), (seed, number))
        for place, sample in zip(places.tolist(), order, strict=True):
            found[place] = (name, sample)
    return found


def _order(size: int, count: int, seed: tuple[int, int]) -> list[int]:
    """Return sample numbers, every one once before any comes again."""
    rounds = -(-count // size) if count else 0
    orders = [np.random.default_rng((*seed, each)).permutation(size) for each in range(rounds)]
    found: list[int] = np.concatenate([*orders, np.zeros(0, dtype=np.int64)])[:count].tolist()
    return found
