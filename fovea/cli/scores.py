"""What an evaluation counts: shares with the interval that their number leaves open."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fovea.client import Region

ASKED: Final = 20
"""Labels that are asked for, so that candidates can be counted as deep."""
_DEPTHS: Final = (1, 5, 10, 20)
_Z: Final = 1.959964


@dataclass(frozen=True)
class Score:
    """So many of so many, with the 95 % interval of Wilson."""

    measure: str
    share: float | None
    low: float
    high: float
    hits: int
    n: int

    @classmethod
    def of(cls, measure: str, hits: Sequence[bool]) -> Score:
        """Return which share is true; None of nothing."""
        n = len(hits)
        if not n:
            return cls(measure, None, 0.0, 1.0, 0, 0)
        share, scale = sum(hits) / n, 1 + _Z**2 / n
        middle = (share + _Z**2 / (2 * n)) / scale
        reach = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / scale
        return cls(measure, share, max(0.0, middle - reach), min(1.0, middle + reach), sum(hits), n)


@dataclass(frozen=True)
class Asked:
    """What one picture shows, and what was answered."""

    truth: str
    region: Region


def scores(asked: Sequence[Asked], labels: frozenset[str], parents: Mapping[str, str]) -> Iterator[Score]:
    """Yield how good the answers are.

    Candidates are what retrieval proposes: an answer can only be right if the truth is among them. An
    answer is right at its level if it is the truth or something that the truth is a kind of.

    Args:
        asked: Of labels that the collection knows, and of others.
        labels: Those that the collection knows.
        parents: What labels are kinds of; empty without a hierarchy.
    """
    known = [each for each in asked if each.truth in labels]
    for k in _DEPTHS:
        yield Score.of(f"among {k} candidates", [each.truth in _candidates(each, k) for each in known])
    yield _score("first", known, lambda each: each.truth in _ranked(each, 1))
    yield _score("in the first five", known, lambda each: each.truth in _ranked(each, 5))
    yield _score("answered unknown", known, lambda each: each.region.best is None)
    if parents:
        broad = [each for each in known if each.region.broader is not None]
        yield _score("right at its level", known, lambda each: _is_right(each, parents))
        yield _score("answered broadly", known, lambda each: each.region.broader is not None)
        yield _score("of those, right", broad, lambda each: _is_right(each, parents))
    strange = [each for each in asked if each.truth not in labels]
    if strange:
        yield _score("never taught, unknown", strange, lambda each: each.region.best is None)


def threshold_for(asked: Sequence[Asked], labels: frozenset[str], *, mistaken: float) -> float:
    """Return the probability above which at most that share of what is known is taken for unknown.

    It is the quantile that also holds for one more picture of the same sort (Vovk's correction by one).
    """
    doubts = sorted(each.region.probability_unknown for each in asked if each.truth in labels)
    place = math.ceil((len(doubts) + 1) * (1 - mistaken))
    return doubts[place - 1] if 1 <= place <= len(doubts) else float(place > len(doubts))


def _score(measure: str, asked: Sequence[Asked], is_hit: Callable[[Asked], bool]) -> Score:
    return Score.of(measure, [is_hit(each) for each in asked])


def _candidates(each: Asked, k: int) -> list[str]:
    return [candidate.label for candidate in each.region.candidates[:k]]


def _ranked(each: Asked, k: int) -> list[str]:
    return [label for label, _ in each.region.labels[:k]]


def _is_right(each: Asked, parents: Mapping[str, str]) -> bool:
    path, label = {each.truth}, each.truth
    while (label := parents.get(label, "")) and label not in path:
        path.add(label)
    return each.region.best in path
