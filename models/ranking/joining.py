"""Retrieval's shares and what models say, joined into one order with probabilities.

The probability of a candidate is the product of what the sources say, each to the power of its weight,
normalised. Whatever they say, the result is a permutation whose probabilities, with *unknown*, sum to 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float

RETRIEVAL: Final = "retrieval"
LEAST: Final = math.log(1e-9)
"""No log-probability counts as less: a source alone can make a candidate unlikely, not impossible."""
EQUAL_WEIGHTS: Final[Mapping[str, float]] = MappingProxyType({RETRIEVAL: 1.0, "letters": 1.0, "names": 1.0})


@dataclass(frozen=True)
class Weights:
    """How much each source counts, for each set of sources that was fitted: what one says the other need not.

    Attributes:
        sets: Weight of each source, for sets of sources; retrieval alone counts 1 if it is not among them.
    """

    sets: tuple[Mapping[str, float], ...] = (EQUAL_WEIGHTS,)

    def of(self, sources: Sequence[str]) -> Mapping[str, float]:
        """Return the weights of the largest fitted set that these sources cover; the first of equal ones."""
        covered = [weights for weights in self.sets if set(weights) <= set(sources)]
        if not covered:
            return {RETRIEVAL: 1.0}
        return max(covered, key=len)


@dataclass(frozen=True, eq=False)
class Joined:
    """An order with probabilities.

    Attributes:
        order: A permutation of the candidates, likeliest first; equals stay in retrieval's order.
        probabilities: Of the candidates, in the order in which they were given.
        unknown: Probability that it is none of them.
        used: The sources that counted, with their weights.
        left_out: Why others did not.
    """

    order: tuple[int, ...]
    probabilities: Float[np.ndarray, "k"]
    unknown: float
    used: Mapping[str, float]
    left_out: tuple[str, ...] = ()


def join(
    count: int, evidence: Mapping[str, np.ndarray], *, unknown: float, weights: Weights = Weights()
) -> Joined:
    """Return the candidates' order, with nothing in it that is not a number.

    Args:
        count: How many candidates there are; with none all probability is unknown.
        evidence: Log-probabilities or log-likelihoods of the candidates, by source; anything may stand there.
        unknown: Probability that it is none of the candidates.
        weights: How much each source counts.
    """
    faults = {source: fault(values, count) for source, values in evidence.items()}
    left_out = [f"{source}: {reason}" for source, reason in faults.items() if reason]
    logs = {source: values for source, values in evidence.items() if not faults[source]}
    chosen = weights.of(tuple(logs))
    used = {source: weight for source, weight in chosen.items() if source in logs}
    left_out += [f"{source}: has no weight among these sources" for source in logs if source not in used]
    if not 0 <= unknown <= 1:  # NaN fails as well
        left_out.append(f"unknown: {unknown} is no probability")
        unknown = 0.0
    if count == 0:
        return Joined((), np.zeros(0), 1.0, {}, tuple(left_out))
    with np.errstate(over="ignore", invalid="ignore"):
        score = sum((weight * feature(logs[source]) for source, weight in used.items()), np.zeros(count))
    if not np.isfinite(score).all():
        left_out.append("all: the weights are not numbers")
        score, used = np.zeros(count), {}
    likely = np.exp(score - score.max())
    probabilities = (1 - unknown) * likely / likely.sum()
    order = tuple(np.argsort(-likely, kind="stable").tolist())
    return Joined(order, probabilities, unknown, used, tuple(left_out))


def feature(values: np.ndarray) -> Float[np.ndarray, "k"]:
    """Return log-probabilities over the candidates alone, none less than 1e-9's."""
    logs = np.asarray(values, np.float64)
    with np.errstate(over="ignore"):
        shifted = np.maximum(logs - logs.max(), 2 * LEAST)
    return np.asarray(np.maximum(shifted - np.log(np.exp(shifted).sum()), LEAST))


def fault(values: np.ndarray, count: int) -> str:
    """Return why a source says nothing of so many candidates, or an empty text."""
    array = np.asarray(values)
    if array.shape != (count,):
        return f"shape {array.shape} in place of ({count},)"
    if array.dtype.kind not in "fiu":
        return f"{array.dtype} in place of numbers"
    if np.isnan(array).any() or np.isposinf(array).any():
        return "not a number, or infinite"
    if count and np.isneginf(array).all():
        return "nothing is possible"
    return ""


def log_shares(shares: Float[np.ndarray, "k"]) -> Float[np.ndarray, "k"]:
    """Return the logarithms of retrieval's shares; `join` takes the minus infinity of a share of 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(np.asarray(shares, np.float64))


def log_ranks(order: Sequence[int], named: int) -> Float[np.ndarray, "k"]:
    """Return what an order that a model wrote says: 1 / rank, and the next rank for all it left out."""
    if not order:
        return np.zeros(0)
    rank = np.empty(len(order))
    rank[list(order)] = np.minimum(np.arange(len(order)), named) + 1
    return np.asarray(-np.log(rank) - np.log((1 / rank).sum()))
