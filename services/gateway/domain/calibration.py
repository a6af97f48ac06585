"""Thresholds that are chosen on a collection's own exemplars."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from models.ranking import conformal, trust
from services.kernel.errors import Conflict, InvalidInput
from services.kernel.rankings import Candidates, Ranking, RankingStatus
from services.kernel.vocabulary import Exemplar, ExemplarKind

ERROR_RATE: Final = 0.05
EXEMPLARS: Final = 500
MOST_EXEMPLARS: Final = 10_000
_LEAST_OF_A_LABEL: Final = 2
_LEFT_AS_IT_WAS: Final = frozenset({"one_candidate", "no_pictures"})


@dataclass(frozen=True)
class Wish:
    """What is to be chosen.

    Attributes:
        error_rate: Share of what is known that may be called unknown.
        exemplars: Most that are asked about.
        seed: Which ones follows from it.
        dry_run: Whether only to say what would be chosen.
    """

    error_rate: float = ERROR_RATE
    exemplars: int = EXEMPLARS
    seed: int = 0
    dry_run: bool = False


@dataclass(frozen=True)
class Calibration:
    """What was chosen, and what can be said of it; `docs/ranking.md` says what each number means."""

    trust_threshold: float | None
    unknown_threshold: float
    error_rate: float
    exemplars: int
    refused: float
    asked: float = 0.0
    accuracy: float = 0.0
    retrieval_accuracy: float = 0.0
    ranking_accuracy: float = 0.0
    reason: str = ""
    models: tuple[str, ...] = ()
    calibrated_at_s: float = 0.0
    memory_version: str = ""
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """What became of one exemplar that was asked about with itself left out.

    Attributes:
        unknown_score: Retrieval's.
        margin: Retrieval's.
        retrieved: Whether its first candidate was right.
        ranked: Whether the first was after a model ordered them; None if none did.
    """

    unknown_score: float
    margin: float
    retrieved: bool
    ranked: bool | None

    @classmethod
    def of(cls, label: str, found: Candidates, ranking: Ranking) -> Outcome:
        """Return what became of an exemplar of this label."""
        retrieved = bool(found.candidates) and found.candidates[0].label == label
        ranked: bool | None = None
        if ranking.status is RankingStatus.RANKED:
            ranked = bool(ranking.labels) and ranking.labels[0].label == label
        elif ranking.status is not RankingStatus.DEGRADED or ranking.rung in _LEFT_AS_IT_WAS:
            ranked = retrieved
        return cls(found.unknown_score, found.margin, retrieved=retrieved, ranked=ranked)


def checked_wish(wish: Wish) -> Wish:
    """Return the wish. Raises InvalidInput."""
    if not 0 < wish.error_rate < 1:
        raise InvalidInput(
            f"error_rate is {wish.error_rate}; it must be above 0 and below 1",
            field="error_rate",
            reason="OUT_OF_RANGE",
        )
    least = conformal.least_count(wish.error_rate)
    if not least <= wish.exemplars <= MOST_EXEMPLARS:
        raise InvalidInput(
            f"exemplars is {wish.exemplars}; an error rate of {wish.error_rate:g} takes {least:,} to "
            f"{MOST_EXEMPLARS:,}",
            field="exemplars",
            reason="OUT_OF_RANGE",
        )
    return wish


@dataclass(frozen=True)
class Question:
    """An exemplar that is asked about, and those that must not answer: itself and copies of its picture."""

    exemplar: Exemplar
    left_out: tuple[str, ...]


def questions(exemplars: Iterable[Exemplar], wish: Wish) -> list[Question]:
    """Return the pictures that are asked about: those of labels that have another exemplar.

    A label that loses its only exemplar is rightly unknown, so nothing follows from it.
    """
    counts: Counter[str] = Counter()
    copies: defaultdict[str, list[str]] = defaultdict(list)
    pictures: list[Exemplar] = []
    for each in exemplars:
        counts[each.label] += 1
        if each.kind is ExemplarKind.IMAGE and each.image is not None:
            copies[each.image.digest].append(each.exemplar_id)
            pictures.append(each)
    known = [each for each in pictures if counts[each.label] >= _LEAST_OF_A_LABEL]
    chosen = heapq.nsmallest(wish.exemplars, known, key=lambda each: _lot(each.exemplar_id, wish.seed))
    return [Question(each, tuple(copies[each.image.digest])) for each in chosen if each.image is not None]


def require_enough(count: int, error_rate: float) -> None:
    """Do nothing if a threshold can be chosen from so many. Raises Conflict, saying how many it takes."""
    least = conformal.least_count(error_rate)
    if count < least:
        raise Conflict(
            f"{count:,} pictures can be asked about with themselves left out, and an error rate of "
            f"{error_rate:g} takes at least {least:,}: teach more pictures of labels that have two or "
            f"more, or state a higher error rate ({1 / (count + 1):.2g} takes {count:,})",
            field="error_rate",
            reason="TOO_FEW_EXEMPLARS",
        )


def chosen(outcomes: Sequence[Outcome], wish: Wish) -> Calibration:
    """Return the thresholds. Raises Conflict if there are too few outcomes."""
    require_enough(len(outcomes), wish.error_rate)
    gate = conformal.calibrated([each.unknown_score for each in outcomes], error=wish.error_rate)
    found = Calibration(
        trust_threshold=None,
        unknown_threshold=gate.threshold,
        error_rate=wish.error_rate,
        exemplars=len(outcomes),
        refused=gate.realised,
        reason="no model ordered candidates",
        seed=wish.seed,
    )
    ranked = [each for each in outcomes if each.ranked is not None]
    if not any(each.ranked != each.retrieved for each in ranked):
        share = float(np.mean([each.retrieved for each in outcomes]))
        return replace(found, retrieval_accuracy=share, accuracy=share)
    best = trust.chosen(
        trust.Outcomes(
            np.asarray([each.margin for each in ranked], dtype=np.float64),
            np.asarray([each.retrieved for each in ranked], dtype=np.bool_),
            np.asarray([each.ranked for each in ranked], dtype=np.bool_),
        )
    )
    return replace(
        found,
        trust_threshold=min(best.threshold, 1.0),
        asked=best.asked,
        accuracy=best.accuracy,
        retrieval_accuracy=best.retrieval,
        ranking_accuracy=best.ranking,
        reason=best.reason,
    )


def _lot(exemplar_id: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}/{exemplar_id}".encode()).digest()
