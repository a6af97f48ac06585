"""What the answer for a region rests on, and what it would be without that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from services.gateway.domain.recognition import Recognition, RecognizedRegion
from services.kernel.errors import Conflict, FoveaError, InvalidInput, NotFound
from services.kernel.rankings import Candidates, Ranking, RankingStatus
from services.kernel.vocabulary import Stage

DEFAULT_EXEMPLARS: Final = 3
MOST_EXEMPLARS: Final = 10


class Answer(NamedTuple):
    """What is answered for a region; an empty label is *unknown*."""

    label: str
    probability: float


@dataclass(frozen=True)
class Counterfactual:
    """What the answer would be without exemplars that have this `share` of all votes."""

    exemplar_ids: tuple[str, ...]
    share: float
    answer: Answer
    changes: bool


@dataclass(frozen=True)
class Explanation:
    """Why a region got its answer.

    Attributes:
        recognition: The record.
        region: The part of the image that is explained.
        answer: As recorded.
        today: With all exemplars, asked again: what the counterfactuals are compared with.
        retrieval_today: How that was retrieved.
        counterfactuals: One for each exemplar that was left out, then one for all of them.
        error: Why nothing could be asked again.
    """

    recognition: Recognition
    region: RecognizedRegion
    answer: Answer
    today: Answer | None = None
    retrieval_today: Stage | None = None
    counterfactuals: tuple[Counterfactual, ...] = ()
    error: FoveaError | None = None


def answer_of(ranking: Ranking) -> Answer:
    """Return what a caller is told: the broader label where there is one, else the first, or unknown."""
    if ranking.status is RankingStatus.UNKNOWN or not ranking.labels:
        return Answer("", ranking.probability_unknown)
    best = ranking.broader or ranking.labels[0]
    return Answer(best.label, best.probability)


def voters(found: Candidates, label: str, *, most: int) -> tuple[tuple[str, float], ...]:
    """Return the exemplars with most votes for a label, and their part of all votes, in all spaces together.

    An answer that is no candidate (unknown, or a broader label) rests on those of the first candidate.
    """
    labels = [candidate.label for candidate in found.candidates]
    voted = found.candidates[labels.index(label) if label in labels else 0] if labels else None
    shares: defaultdict[str, float] = defaultdict(float)
    for neighbour in voted.neighbours if voted else ():
        shares[neighbour.exemplar_id] += neighbour.share
    return tuple(sorted(shares.items(), key=lambda voter: (-voter[1], voter[0]))[:most])


def left_out(voted: Sequence[tuple[str, float]]) -> tuple[tuple[tuple[str, ...], float], ...]:
    """Return whom to leave out: each alone, then all of them."""
    alone = tuple(((exemplar_id,), share) for exemplar_id, share in voted)
    if len(voted) < 2:  # noqa: PLR2004  (of one, all are the one)
        return alone
    together = tuple(exemplar_id for exemplar_id, _ in voted)
    return (*alone, (together, sum(share for _, share in voted)))


def require_answer(record: Recognition) -> None:
    """Do nothing if the recognition ended with an answer. Raises Conflict."""
    if record.failure is not None:
        raise Conflict(
            f"recognition {record.envelope.recognition_id} ended without an answer: {record.failure.message}",
            field="recognition_id",
            reason="RECOGNITION_FAILED",
        )


def region_of(record: Recognition, region_id: str) -> RecognizedRegion:
    """Return the region that is meant; the first for an empty id. Raises NotFound."""
    for found in record.regions:
        if region_id in {"", found.region.region_id}:
            return found
    known = ", ".join(found.region.region_id for found in record.regions) or "none"
    raise NotFound(
        f"there is no region {region_id or '0'}; there are: {known}",
        field="region_id",
        reason="REGION_UNKNOWN",
    )


def checked_count(asked: int | None) -> int:
    """Return how many exemplars to leave out. Raises InvalidInput."""
    count = DEFAULT_EXEMPLARS if asked is None else asked
    if not 0 <= count <= MOST_EXEMPLARS:
        raise InvalidInput(
            f"exemplars is {count}; it must be from 0 to {MOST_EXEMPLARS}",
            field="exemplars",
            reason="OUT_OF_RANGE",
        )
    return count
