"""How much each source of evidence counts, learnt from lists of candidates of which one is right.

A conditional logit (McFadden, 1974): the logarithm of the right candidate's joined probability is concave in
the weights, so that Newton's method finds the one best answer, without random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from models.ranking.joining import fault, feature

L2: Final = 1.0
"""Pulls the weights to `prior`, as strongly as a handful of lists would."""
_STEPS: Final = 100
_ENOUGH: Final = 1e-9
_HALVINGS: Final = 40


@dataclass(frozen=True, eq=False)
class Labelled:
    """Candidates of which one is right.

    Attributes:
        evidence: What each source says of them, as `join` takes it.
        truth: Which of them is right.
    """

    evidence: Mapping[str, np.ndarray]
    truth: int


@dataclass(frozen=True)
class Fit:
    """Weights and how sure they are.

    Attributes:
        weights: Of each source.
        errors: Standard error of each.
        loss: Mean negative logarithm of the right candidate's probability, in nats.
        lists: That were used.
        left_out: Lists in which a source said nothing, or that have no right candidate.
    """

    weights: Mapping[str, float]
    errors: Mapping[str, float]
    loss: float
    lists: int
    left_out: int


def fit(lists: Sequence[Labelled], sources: Sequence[str], *, l2: float = L2, prior: float = 0.0) -> Fit:
    """Return the weights under which the right candidates are likeliest.

    Raises:
        ValueError: No list can be used, no source is named, or `l2` is negative.
    """
    if not sources or l2 < 0:
        raise ValueError(f"sources={list(sources)} and l2={l2}: name a source, and pull by 0 or more")
    usable = [each for each in lists if _is_usable(each, sources)]
    if not usable:
        raise ValueError(f"none of {len(lists)} lists has a right candidate and all of {', '.join(sources)}")
    features, truth = _stacked(usable, sources)
    weights = np.full(len(sources), prior)
    value, slope, curve = _objective(weights, features, truth, l2, prior)
    for _ in range(_STEPS):
        step = np.linalg.lstsq(curve, slope, rcond=None)[0]
        if float(slope @ step) < _ENOUGH:
            break
        for halving in range(_HALVINGS):
            tried = weights - step / 2**halving
            found = _objective(tried, features, truth, l2, prior)
            if found[0] <= value:
                break
        weights, (value, slope, curve) = tried, found
    loss = _objective(weights, features, truth, 0.0, prior)[0] / len(usable)
    errors = np.sqrt(np.maximum(np.diag(np.linalg.pinv(curve)), 0))
    return Fit(
        dict(zip(sources, weights.tolist(), strict=True)),
        dict(zip(sources, errors.tolist(), strict=True)),
        loss,
        len(usable),
        len(lists) - len(usable),
    )


def _is_usable(labelled: Labelled, sources: Sequence[str]) -> bool:
    if not all(source in labelled.evidence for source in sources):
        return False
    count = np.asarray(labelled.evidence[sources[0]]).size
    return 0 <= labelled.truth < count and not any(
        fault(labelled.evidence[source], count) for source in sources
    )


def _stacked(
    lists: Sequence[Labelled], sources: Sequence[str]
) -> tuple[Float[np.ndarray, "n k s"], Int[np.ndarray, "n"]]:
    """Return features of all lists, with NaN behind the shorter ones, and which candidate is right."""
    longest = max(np.asarray(each.evidence[sources[0]]).size for each in lists)
    features = np.full((len(lists), longest, len(sources)), np.nan)
    for row, each in zip(features, lists, strict=True):
        for column, source in enumerate(sources):
            values = feature(each.evidence[source])
            row[: len(values), column] = values
    return features, np.array([each.truth for each in lists])


def _objective(
    weights: Float[np.ndarray, "s"],
    features: Float[np.ndarray, "n k s"],
    truth: Int[np.ndarray, "n"],
    l2: float,
    prior: float,
) -> tuple[float, Float[np.ndarray, "s"], Float[np.ndarray, "s s"]]:
    """Return the loss over all lists, with its first and second derivatives by the weights."""
    absent = np.isnan(features[..., 0])
    known = np.where(absent[..., None], 0.0, features)
    score = np.where(absent, -np.inf, known @ weights)  # (n, k)
    score = score - score.max(1, keepdims=True)
    likely = np.exp(score)
    total = likely.sum(1, keepdims=True)
    likely = likely / total
    rows = np.arange(len(truth))
    away = weights - prior
    loss = float((np.log(total[:, 0]) - score[rows, truth]).sum() + l2 / 2 * away @ away)
    mean = np.einsum("nk,nks->ns", likely, known)
    slope = (mean - known[rows, truth]).sum(0) + l2 * away
    curve = np.einsum("nk,nks,nkr->sr", likely, known, known) - mean.T @ mean + l2 * np.eye(len(weights))
    return loss, slope, curve
