"""From the letters' log-probabilities in several orders to the candidates', and how far places mattered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from models.ranking.orders import Order

FLOOR: Final = -20.0
"""Nats below the best letter; less than that, and letters that a server did not report, count as this."""
LEAST_MASS: Final = 0.01
"""Share of the whole vocabulary's probability on the letters below which a model did not answer by letter."""


@dataclass(frozen=True, eq=False)
class Read:
    """What was read behind one order.

    Attributes:
        order: Which candidate stood at each place.
        log_probabilities: Of the letters, place by place, over the whole vocabulary; anything may stand here.
    """

    order: Order
    log_probabilities: np.ndarray


@dataclass(frozen=True, eq=False)
class Averaged:
    """What the orders say together.

    Attributes:
        log_probabilities: Of the candidates, normalised over them; equal if no read was fit for use.
        mass: Mean share of the vocabulary's probability that was on letters; 0 if none was fit.
        used: How many reads were.
        left_out: Why the others were not.
    """

    log_probabilities: Float[np.ndarray, "k"]
    mass: float
    used: int
    left_out: tuple[str, ...] = ()


def averaged(reads: Sequence[Read], count: int) -> Averaged:
    """Return the mean of the candidates' log-probabilities over the orders, normalised again.

    What a place adds to whoever stands there cancels out over orders in which each candidate stands
    everywhere. Raises ValueError if there is no candidate.
    """
    if count < 1:
        raise ValueError("there are no candidates")
    total = np.zeros(count)
    masses, left_out = [], []
    for i, read in enumerate(reads):
        fault = _fault(read, count)
        if fault:
            left_out.append(f"order {i}: {fault}")
            continue
        places = np.asarray(read.log_probabilities, np.float64)
        total[list(read.order)] += normalised(places)
        masses.append(float(np.exp(np.minimum(places, 0)).sum()))
    if not masses:
        return Averaged(np.full(count, -np.log(count)), 0.0, 0, tuple(left_out))
    mass = min(1.0, float(np.mean(masses)))
    return Averaged(normalised(total / len(masses)), mass, len(masses), tuple(left_out))


def normalised(logs: Float[np.ndarray, "k"]) -> Float[np.ndarray, "k"]:
    """Return log-probabilities over these k alone, none more than 20 nats below the best."""
    raised = np.maximum(logs - logs.max(), FLOOR)
    return np.asarray(raised - np.log(np.exp(raised).sum()))


def _fault(read: Read, count: int) -> str:
    """Return why a read is of no use, or an empty text."""
    logs = np.asarray(read.log_probabilities)
    if sorted(read.order) != list(range(count)):
        return f"is not a permutation of {count}"
    if logs.shape != (count,):
        return f"shape {logs.shape} in place of ({count},)"
    if logs.dtype.kind not in "fiu":
        return f"{logs.dtype} in place of numbers"
    if np.isnan(logs).any() or np.isposinf(logs).any():
        return "not a number, or infinite"
    if np.isneginf(logs).all():
        return "no letter has any probability"
    return ""


@dataclass(frozen=True, eq=False)
class Bias:
    """How far places mattered, over many questions with the same number of candidates.

    Attributes:
        chosen: How often each letter was the best, as shares; 1 / k each if places do not matter.
        pull: Mean log-probability of each letter less the mean of all: what the place itself adds, in nats.
        flips: Share of questions whose best candidate changes with the order.
        spread: How much a candidate's log-probability varies from order to order, in nats (root of the mean
            variance).
        spread_averaged: What is left of it in the mean over a question's orders, from its halves.
        questions: How many there were with two orders or more.
    """

    chosen: Float[np.ndarray, "k"]
    pull: Float[np.ndarray, "k"]
    flips: float
    spread: float
    spread_averaged: float
    questions: int


def bias(questions: Sequence[Sequence[Read]], count: int) -> Bias:
    """Return how far places mattered; reads that are of no use are left out.

    Raises:
        ValueError: No question has two reads that are fit for use.
    """
    places: list[Float[np.ndarray, "k"]] = []
    variances, halves, flips = [], [], []
    for reads in questions:
        fit = [read for read in reads if not _fault(read, count)]
        if len(fit) < 2:  # noqa: PLR2004  (one order shows no spread)
            continue
        by_place = np.stack([normalised(np.asarray(read.log_probabilities, np.float64)) for read in fit])
        places += list(by_place)
        own = np.take_along_axis(by_place, np.argsort([read.order for read in fit], axis=1), axis=1)
        variances.append(float(own.var(0, ddof=1).mean()))
        even = len(own) // 2 * 2
        halves.append(float((((own[0:even:2].mean(0) - own[1:even:2].mean(0)) / 2) ** 2).mean()))
        flips.append(len(set(own.argmax(1).tolist())) > 1)
    if not flips:
        raise ValueError("no question has two orders that can be compared")
    all_places = np.stack(places)
    mean = all_places.mean(0)
    return Bias(
        chosen=np.bincount(all_places.argmax(1), minlength=count) / len(all_places),
        pull=mean - mean.mean(),
        flips=float(np.mean(flips)),
        spread=float(np.sqrt(np.mean(variances))),
        spread_averaged=float(np.sqrt(np.mean(halves))),
        questions=len(flips),
    )
