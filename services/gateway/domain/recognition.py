"""The record of a recognition, and what stands in it when a step is not to be had."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from services.gateway.domain.collections import Retention
from services.gateway.domain.options import asks_the_same
from services.kernel.errors import Conflict
from services.kernel.failures import Failure
from services.kernel.rankings import Candidates, RankedLabel, Ranking, RankingStatus
from services.kernel.vocabulary import CollectionKey, Envelope, ImageReference, RecognitionOptions, Region

WHOLE_IMAGE_RUNG = "whole_image"
RANKING_RUNG = "ranking_unavailable"


class RecognitionState(enum.Enum):
    """How a recognition ended."""

    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True)
class RecognizedRegion:
    """What was found in one region, and why."""

    region: Region
    ranking: Ranking
    candidates: Candidates


@dataclass(frozen=True)
class Recognition:
    """The final record of one image. `ended_at_s` is in seconds since the epoch."""

    envelope: Envelope
    state: RecognitionState
    regions: tuple[RecognizedRegion, ...] = ()
    failure: Failure | None = None
    ended_at_s: float = 0.0


@dataclass(frozen=True)
class Ended:
    """A record that ended, and where to go on behind it."""

    recognition: Recognition
    resume_token: str


@dataclass(frozen=True)
class Task:
    """One image and what to do with it, as the caller asked. An empty id: the gateway chooses."""

    collection: CollectionKey
    image: bytes
    options: RecognitionOptions
    recognition_id: str = ""
    submission_id: str = ""
    trace_id: str = ""


@dataclass(frozen=True)
class Accepted:
    """A task that can be worked on: its envelope, and what the caller asked for before defaults."""

    envelope: Envelope
    asked: RecognitionOptions
    retention: Retention


@dataclass(frozen=True)
class Progress:
    """How far a submission is, in images."""

    accepted: int
    completed: int
    failed: int


@dataclass(frozen=True)
class DeadLetter:
    """A step of a recognition that nobody could take; the envelope is missing if it cannot be read."""

    collection: CollectionKey
    recognition_id: str
    submission_id: str
    failure: Failure
    envelope: Envelope | None = None


def completed(
    envelope: Envelope,
    regions: Sequence[Region],
    candidates: Sequence[Candidates],
    rankings: Sequence[Ranking],
    *,
    ended_at_s: float,
) -> Recognition:
    """Return the record of a recognition that went well; the three sequences keep one order."""
    found = tuple(
        RecognizedRegion(region, ranking, proposed)
        for region, proposed, ranking in zip(regions, candidates, rankings, strict=True)
    )
    return Recognition(envelope, RecognitionState.COMPLETED, found, ended_at_s=ended_at_s)


def failed(letter: DeadLetter, *, ended_at_s: float) -> Recognition:
    """Return the record of a recognition that ended as a dead letter."""
    envelope = letter.envelope or Envelope(
        collection=letter.collection,
        recognition_id=letter.recognition_id,
        image=ImageReference("", "", "", 0, 0, 0),
        options=RecognitionOptions(),
        submission_id=letter.submission_id,
    )
    return Recognition(envelope, RecognitionState.FAILED, failure=letter.failure, ended_at_s=ended_at_s)


def require_same_request(accepted: Accepted, earlier: Envelope, shipped: RecognitionOptions) -> None:
    """Do nothing if an id came back with the request that it had. Raises Conflict."""
    envelope = accepted.envelope
    if earlier.collection != envelope.collection:
        what = f"in the collection {earlier.collection}"
    elif earlier.image.digest != envelope.image.digest:
        what = f"for another image (SHA-256 {earlier.image.digest})"
    elif not asks_the_same(accepted.asked, earlier.options, shipped):
        what = "with other options"
    else:
        return
    raise Conflict(
        f"the recognition id {envelope.recognition_id} was used {what}; choose another id",
        field="recognition_id",
        reason="RECOGNITION_ID_REUSED",
    )


def retrieval_order(found: Candidates) -> Ranking:
    """Return the ranking that stands in when ranking is not to be had: scores as probabilities."""
    total = sum(candidate.score for candidate in found.candidates)
    known = 1 - found.unknown_score if total > 0 else 0.0
    labels = tuple(
        RankedLabel(candidate.label, known * candidate.score / total if total > 0 else 0.0)
        for candidate in found.candidates
    )
    return Ranking(found.region_id, labels, 1 - known, RankingStatus.DEGRADED, rung=RANKING_RUNG)
