"""From candidates to a ranking: what the gates decide, and what is answered."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from services.kernel.errors import InvalidInput
from services.kernel.judgements import Judged
from services.kernel.rankings import (
    BroaderLabel,
    Candidate,
    Candidates,
    Gate,
    RankedLabel,
    Ranking,
    RankingStatus,
)
from services.ranking.domain.ladder import NO_RANKER, Rung


@dataclass(frozen=True)
class Thresholds:
    """Where the gates open.

    Args:
        trust: Margin of retrieval, in [0, 1], from which its order is taken as it is.
        unknown: Probability of *unknown*, in [0, 1], above which the answer is unknown.
        level: Probability, in [0, 1], that a label needs to be answered where there are broader ones.
        calibrated: Names of those that were chosen on the collection itself.
    """

    trust: float
    unknown: float
    level: float
    calibrated: Collection[str] = ()


@dataclass(frozen=True)
class Gates:
    """What the gates decided about one region; `level` where the first candidate has broader labels."""

    trust: Gate
    unknown: Gate
    level: Gate | None = None

    @classmethod
    def of(cls, found: Candidates, thresholds: Thresholds) -> Gates:
        """Return the decisions."""
        known = thresholds.calibrated
        trusted = found.margin >= thresholds.trust
        unknown = found.unknown_score > thresholds.unknown
        return cls(
            Gate("trust", found.margin, thresholds.trust, is_open=trusted, calibrated="trust" in known),
            Gate(
                "unknown",
                found.unknown_score,
                thresholds.unknown,
                is_open=unknown,
                calibrated="unknown" in known,
            ),
            _level(found, thresholds),
        )

    @property
    def leave_it_open(self) -> bool:
        """Whether neither retrieval's order is trusted nor *unknown* the answer."""
        return not (self.trust.is_open or self.unknown.is_open)

    def with_level(self, found: Candidates, thresholds: Thresholds) -> Gates:
        """Return the decisions with that on the level taken for candidates in another order."""
        return replace(self, level=_level(found, thresholds))

    def __iter__(self) -> Iterator[Gate]:
        return iter(
            (self.trust, self.unknown) if self.level is None else (self.trust, self.unknown, self.level)
        )


def _level(found: Candidates, thresholds: Thresholds) -> Gate | None:
    """Return the gate that opens if the first label is not likely enough, out of all labels seen."""
    if not (found.candidates and found.candidates[0].ancestors):
        return None
    likely = (1.0 - found.unknown_score) * found.candidates[0].score
    return Gate(
        "level",
        likely,
        thresholds.level,
        is_open=likely < thresholds.level,
        calibrated="level" in thresholds.calibrated,
    )


def retrieval_order(found: Candidates, gates: Gates, rung: Rung = NO_RANKER) -> Ranking:
    """Return the candidates in the order that retrieval gave them, and the status that the gates decide.

    Returns:
        UNKNOWN if there is no candidate or that gate is open, else TRUSTED_RETRIEVAL if that gate is, else
        DEGRADED, with the rung.
    """
    status = _status(found, gates)
    degraded = status is RankingStatus.DEGRADED
    return _in_order(found, gates, status=status, rung=rung.name if degraded else "")


def judged_order(found: Candidates, gates: Gates, judged: Judged, rung: Rung | None = None) -> Ranking:
    """Return the candidates in the order that they come in, which is a model's.

    Args:
        found: As `judging.reordered` gives them.
        gates: Of retrieval's candidates, but for the level.
        judged: How the model took part.
        rung: What it was not asked.
    """
    name = "" if rung is None else rung.name
    return replace(_in_order(found, gates, status=RankingStatus.RANKED, rung=name), judged=judged)


def _in_order(found: Candidates, gates: Gates, *, status: RankingStatus, rung: str) -> Ranking:
    """Return a permutation of the candidates; all probabilities, *unknown* included, sum to 1.

    The probability of *unknown* is the share of its pseudo-vote; the candidates share the rest by score.
    Labels that retrieval saw but did not return are not among the answers: their part goes to those that are.
    """
    unknown = found.unknown_score if found.candidates else 1.0
    shares = shares_of([candidate.score for candidate in found.candidates])
    return Ranking(
        found.region_id,
        tuple(
            RankedLabel(candidate.label, (1.0 - unknown) * share)
            for candidate, share in zip(found.candidates, shares, strict=True)
        ),
        probability_unknown=unknown,
        status=status,
        rung=rung,
        gates=tuple(gates),
        broader=_broader(found, gates),
    )


def _broader(found: Candidates, gates: Gates) -> BroaderLabel | None:
    """Return the nearest label above the first that is likely enough.

    None if the first label is, if the answer is unknown, or if no label above is either: then the first
    label stands, as it does without a hierarchy.
    """
    if gates.level is None or not gates.level.is_open or gates.unknown.is_open:
        return None
    for steps, ancestor in enumerate(found.candidates[0].ancestors, start=1):
        likely = (1.0 - found.unknown_score) * ancestor.score
        if likely >= gates.level.threshold:
            return BroaderLabel(ancestor.label, likely, steps)
    return None


def _status(found: Candidates, gates: Gates) -> RankingStatus:
    if not found.candidates or gates.unknown.is_open:
        return RankingStatus.UNKNOWN
    return RankingStatus.TRUSTED_RETRIEVAL if gates.trust.is_open else RankingStatus.DEGRADED


def shares_of(scores: Sequence[float]) -> list[float]:
    """Return the scores divided by their sum; equal shares if all are 0."""
    total = math.fsum(scores)
    if total == 0:
        return [1.0 / len(scores) for _ in scores]
    return [score / total for score in scores]


def checked(found: Candidates, *, field: str) -> Candidates:
    """Return the candidates. Raises InvalidInput unless scores are shares and labels distinct."""
    numbers = {f"{field}.margin": found.margin, f"{field}.unknown_score": found.unknown_score} | {
        name: score
        for i, candidate in enumerate(found.candidates)
        for name, score in _scores(candidate, field=f"{field}.candidates[{i}]")
    }
    for name, number in numbers.items():
        if not 0 <= number <= 1:  # NaN fails as well
            raise InvalidInput(
                f"{name} is {number}; it must be from 0 to 1", field=name, reason="OUT_OF_RANGE"
            )
    if len({candidate.label for candidate in found.candidates}) != len(found.candidates):
        raise InvalidInput(
            f"{field}.candidates has two of one label", field=f"{field}.candidates", reason="LABEL_TWICE"
        )
    return found


def _scores(candidate: Candidate, *, field: str) -> Iterator[tuple[str, float]]:
    """Yield every score with the name of its field."""
    yield f"{field}.score", candidate.score
    for i, ancestor in enumerate(candidate.ancestors):
        yield f"{field}.ancestors[{i}].score", ancestor.score
