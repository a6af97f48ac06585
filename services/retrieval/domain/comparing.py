"""Comparing two states of a memory by what they answer to the same queries."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from services.kernel.rankings import Candidates

_Z: Final = 1.959964  # of the normal distribution, for 95 %


@dataclass(frozen=True)
class Answer:
    """What a memory says to a query: its first candidate. An empty label is *unknown*."""

    label: str
    score: float
    unknown_score: float

    @classmethod
    def of(cls, candidates: Candidates, *, unknown_threshold: float) -> Answer:
        """Return the answer that the candidates come to; above the threshold it is *unknown*."""
        unknown = candidates.unknown_score
        if not candidates.candidates or unknown > unknown_threshold:
            return cls("", 0.0, unknown)
        first = candidates.candidates[0]
        return cls(first.label, first.score, unknown)


@dataclass(frozen=True)
class Changed:
    """A query whose answer is another one; `right_label` is empty if nobody knows it."""

    query_id: str
    right_label: str
    before: Answer
    after: Answer


@dataclass(frozen=True)
class Share:
    """So many `of` so many."""

    count: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share. Source: Wilson, JASA 22 (1927)."""
        if not self.of:
            return 0.0, 1.0
        share, spread = self.count / self.of, _Z**2 / self.of
        middle = share + spread / 2
        reach = _Z * math.sqrt(share * (1 - share) / self.of + spread / (4 * self.of))
        return max(0.0, (middle - reach) / (1 + spread)), min(1.0, (middle + reach) / (1 + spread))


@dataclass(frozen=True)
class ComparisonSummary:
    """Two states in a few numbers: `mended` were wrong before and are right after, `broken` the reverse."""

    before_version: str
    after_version: str
    same: Share
    right_before: Share
    right_after: Share
    mended: int
    broken: int


class Comparison:
    """Takes the answers to one query after the other and counts."""

    def __init__(self) -> None:
        self._asked = self._same = self._labelled = 0
        self._right = [0, 0]
        self._mended = self._broken = 0

    def take(self, query_id: str, right_label: str, before: Answer, after: Answer) -> Changed | None:
        """Count a query; return it if its answer is another one."""
        self._asked += 1
        if right_label:
            was, is_now = before.label == right_label, after.label == right_label
            self._labelled += 1
            self._right[0] += was
            self._right[1] += is_now
            self._mended += is_now and not was
            self._broken += was and not is_now
        if before.label == after.label:
            self._same += 1
            return None
        return Changed(query_id, right_label, before, after)

    def summary(self, before_version: str, after_version: str) -> ComparisonSummary:
        """Return the numbers of the whole."""
        return ComparisonSummary(
            before_version,
            after_version,
            same=Share(self._same, self._asked),
            right_before=Share(self._right[0], self._labelled),
            right_after=Share(self._right[1], self._labelled),
            mended=self._mended,
            broken=self._broken,
        )
