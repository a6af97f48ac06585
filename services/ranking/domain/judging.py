"""From what a model says to an order: what counts as an answer, and how it is joined with retrieval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float64

from models.ranking.joining import RETRIEVAL, Weights, feature, join, log_shares
from services.kernel.errors import FoveaError
from services.kernel.judgements import Judged, WeighedEvidence
from services.kernel.rankings import Ancestor, Candidate, Candidates
from services.ranking.domain.asking import Effort, Judgement

_TOLERANCE: Final = 1e-3


class NoAnswerError(FoveaError):
    """What a ranker gave back is no answer."""

    default_reason = "RANKER_FAILED"


def checked_judgement(judgement: Judgement, *, labels: int) -> Judgement:
    """Return the judgement. Raises NoAnswerError unless it speaks of these labels, in numbers."""
    if not judgement.evidence or not judgement.readings or judgement.tokens < 0:
        raise NoAnswerError("the ranker gave no evidence, or says not how it was read, or at what cost")
    for each in judgement.evidence:
        values = np.asarray(each.log_probabilities)
        if values.shape != (labels,) or values.dtype.kind != "f":
            raise NoAnswerError(f"{each.source} speaks of {values.shape} labels in place of {labels}")
        with np.errstate(all="ignore"):
            total = float(np.exp(values).sum())
        if not abs(total - 1.0) <= _TOLERANCE:  # NaN fails as well
            raise NoAnswerError(f"the probabilities of {each.source} sum to {total}")
    for reading in judgement.readings:
        if sorted(reading.order) != list(range(labels)):
            raise NoAnswerError(f"{reading.order} is no order of {labels} candidates")
        read = reading.log_probabilities
        if read and (len(read) != labels or any(map(math.isnan, read))):
            raise NoAnswerError(f"{read} was read of {labels} candidates")
    return judgement


def weighed(
    shares: Sequence[float], judgement: Judgement, weights: Weights
) -> tuple[Float64[np.ndarray, "k"], tuple[WeighedEvidence, ...]]:
    """Return the probability of each candidate asked about, and what they were joined from.

    Args:
        shares: Retrieval's, of those that were asked about.
        judgement: The model's, checked.
        weights: How much each source counts.
    """
    found = np.asarray(shares if any(shares) else [1.0] * len(shares), dtype=np.float64)
    said: dict[str, np.ndarray] = {RETRIEVAL: log_shares(found)}
    said |= {each.source: each.log_probabilities for each in judgement.evidence}
    joined = join(len(shares), said, unknown=0.0, weights=weights)
    evidence = tuple(
        WeighedEvidence(source, joined.used.get(source, 0.0), tuple(map(float, feature(values))))
        for source, values in said.items()
    )
    return joined.probabilities, evidence


def reordered(found: Candidates, probabilities: Float64[np.ndarray, "k"]) -> Candidates:
    """Return the candidates, likeliest first, with the first k sharing anew what they had together.

    What the labels above them have follows. Equals stay in retrieval's order.
    """
    asked = found.candidates[: len(probabilities)]
    mass = sum(candidate.score for candidate in asked) or 1.0
    gained = {
        candidate.label: mass * float(probability) - candidate.score
        for candidate, probability in zip(asked, probabilities, strict=True)
    }
    above: dict[str, float] = {}
    for candidate in asked:
        for ancestor in candidate.ancestors:
            above[ancestor.label] = above.get(ancestor.label, 0.0) + gained[candidate.label]
    moved = [_moved(candidate, gained.get(candidate.label, 0.0), above) for candidate in found.candidates]
    return replace(found, candidates=tuple(sorted(moved, key=lambda each: -each.score)))


def _moved(candidate: Candidate, gain: float, above: Mapping[str, float]) -> Candidate:
    return replace(
        candidate,
        score=_share(candidate.score + gain),
        ancestors=tuple(
            Ancestor(each.label, _share(each.score + above.get(each.label, 0.0)))
            for each in candidate.ancestors
        ),
    )


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def judged(
    judgement: Judgement,
    effort: Effort,
    evidence: tuple[WeighedEvidence, ...],
    *,
    duration_s: float,
    cached: bool,
) -> Judged:
    """Return what the record says of it."""
    return Judged(
        models=judgement.models,
        template=judgement.template,
        prompt_digest=judgement.prompt_digest,
        mode=effort.mode.value,
        candidates=len(evidence[0].log_probabilities),
        orders=effort.orders,
        seed=effort.seed,
        evidence=evidence,
        readings=judgement.readings,
        parsed=judgement.parsed,
        tokens=judgement.tokens,
        cut=judgement.cut,
        duration_s=0.0 if cached else duration_s,
        cached=cached,
    )
