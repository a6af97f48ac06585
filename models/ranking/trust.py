"""From which margin on retrieval's order is taken as it is, and no model is asked.

Ranking helps where retrieval is unsure and may harm where it is sure. The threshold is chosen on labelled
pictures; it stands only if ranking below it beats retrieval by more than chance does, else no model is asked.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from models.ranking.intervals import at_least, lower_bound

NEVER_ASK = 0.0
"""Every margin is at least this."""
ALWAYS_ASK = math.nextafter(1.0, 2.0)
"""No margin is as much."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Labelled pictures, retrieved and ranked.

    Attributes:
        margins: Of retrieval, in [0, 1].
        retrieved: Whether retrieval's first candidate was right.
        ranked: Whether the ranked first candidate was right; asked of every picture.
    """

    margins: Float[np.ndarray, "n"]
    retrieved: Bool[np.ndarray, "n"]
    ranked: Bool[np.ndarray, "n"]

    def __post_init__(self) -> None:
        if not np.isfinite(self.margins).all():
            raise ValueError("a margin is not a number")

    def __len__(self) -> int:
        return len(self.margins)

    def of(self, chosen: Bool[np.ndarray, "n"]) -> Outcomes:
        """Return those that were chosen."""
        return Outcomes(self.margins[chosen], self.retrieved[chosen], self.ranked[chosen])


@dataclass(frozen=True)
class Point:
    """One threshold on the curve.

    Attributes:
        threshold: From this margin on retrieval is trusted.
        asked: Share of pictures whose candidates a model orders.
        accuracy: Share whose first candidate is right then.
    """

    threshold: float
    asked: float
    accuracy: float


@dataclass(frozen=True)
class TrustGate:
    """The threshold that was chosen, and why.

    Attributes:
        threshold: From this margin on retrieval is trusted; 0: no model is asked.
        asked: Share of the pictures whose candidates a model orders.
        accuracy: Share that is right with it.
        retrieval: Share that is right if no model is asked.
        ranking: Share that is right if one always is.
        gain_bound: Gain over retrieval that the true one falls below with probability `error` at most.
        count: Of pictures.
        reason: Why no model is asked, if none is.
        curve: All thresholds, from those that ask nobody to those that always ask.
    """

    threshold: float
    asked: float
    accuracy: float
    retrieval: float
    ranking: float
    gain_bound: float
    count: int
    reason: str
    curve: tuple[Point, ...]


def curve(outcomes: Outcomes) -> tuple[Point, ...]:
    """Return what each threshold gives that tells the pictures apart differently, the share asked rising."""
    count = len(outcomes)
    if not count:
        return ()
    order = np.argsort(outcomes.margins, kind="stable")
    margins = outcomes.margins[order]
    gains = outcomes.ranked[order].astype(int) - outcomes.retrieved[order]
    right = int(outcomes.retrieved.sum()) + np.concatenate([[0], np.cumsum(gains)])
    starts = np.flatnonzero(np.concatenate([[True], margins[1:] != margins[:-1]]))
    points = [Point(float(margins[i]), int(i) / count, int(right[i]) / count) for i in starts]
    return (*points, Point(ALWAYS_ASK, 1.0, int(right[-1]) / count))


def chosen(outcomes: Outcomes, *, most_asked: float = 1.0, error: float = 0.05) -> TrustGate:
    """Return the threshold with the best accuracy at which no more pictures are asked about than stated.

    Of equal ones it is the one that asks least. It stands only if the sign test on the pictures that ranking
    made right and those that it made wrong says, at this error, that ranking does not lose.

    Raises:
        ValueError: There are no pictures, or a rate is not between 0 and 1.
    """
    if not (0 <= most_asked <= 1 and 0 < error < 1):
        raise ValueError(f"most_asked={most_asked} and error={error} must be rates")
    if not len(outcomes):
        raise ValueError("there are no labelled pictures to choose a threshold on")
    points = curve(outcomes)
    within = [point for point in points if point.asked <= most_asked] or [points[0]]
    best = max(within, key=lambda point: (point.accuracy, -point.asked))
    bound = gain_bound(outcomes, best.threshold, error=error)
    reason = "" if bound >= 0 and best.asked else _reason(outcomes, best)
    if reason:
        best, bound = Point(NEVER_ASK, 0.0, points[0].accuracy), 0.0
    return TrustGate(
        best.threshold,
        best.asked,
        best.accuracy,
        retrieval=float(outcomes.retrieved.mean()),
        ranking=float(outcomes.ranked.mean()),
        gain_bound=bound,
        count=len(outcomes),
        reason=reason,
        curve=points,
    )


def gain_bound(outcomes: Outcomes, threshold: float, *, error: float) -> float:
    """Return what the gain over retrieval falls below with probability `error` at most.

    Exact for the pictures on which ranking and retrieval differ: of these the share that ranking made right
    has a lower bound by Clopper and Pearson.
    """
    wins, losses = _changes(outcomes, threshold)
    if not wins + losses:
        return 0.0
    share = lower_bound(wins, wins + losses, error=error)
    return (2 * share - 1) * (wins + losses) / len(outcomes)


@dataclass(frozen=True)
class Checked:
    """What thresholds did to pictures that did not choose them.

    Attributes:
        asked: Share of the pictures whose candidates a model orders.
        accuracy: Share that is right.
        retrieval: Share that is right if no model is asked.
        wins: Pictures that ranking made right.
        losses: Pictures that it made wrong.
        count: Of pictures.
    """

    asked: float
    accuracy: float
    retrieval: float
    wins: int
    losses: int
    count: int


def cross_checked(
    outcomes: Outcomes, *, folds: int = 5, most_asked: float = 1.0, error: float = 0.05
) -> Checked:
    """Return what such a choice does where it was not made: each fold is judged by the others' threshold.

    Unlike the figures of `chosen`, these gain nothing from having been chosen. Pictures that follow each
    other go to different folds.

    Raises:
        ValueError: There are fewer pictures than folds, or fewer than two folds.
    """
    if not 2 <= folds <= len(outcomes):  # noqa: PLR2004  (one part chooses, another judges)
        raise ValueError(f"{folds} folds of {len(outcomes)} pictures; 2 to that many are possible")
    fold = np.arange(len(outcomes)) % folds
    asked, wins, losses = 0, 0, 0
    for i in range(folds):
        gate = chosen(outcomes.of(fold != i), most_asked=most_asked, error=error)
        judged = outcomes.of(fold == i)
        won, lost = _changes(judged, gate.threshold)
        asked += int((judged.margins < gate.threshold).sum())
        wins, losses = wins + won, losses + lost
    count = len(outcomes)
    right = int(outcomes.retrieved.sum())
    return Checked(asked / count, (right + wins - losses) / count, right / count, wins, losses, count)


def by_group(
    outcomes: Outcomes, groups: Sequence[Hashable], *, most_asked: float = 1.0, error: float = 0.05
) -> Mapping[Hashable, TrustGate]:
    """Return a threshold for each group of classes, since ranking may be worse than retrieval in some.

    A group takes its own threshold if its own pictures prove it; the one of all pictures if they at least do
    not lose by it; else no model is asked.

    Args:
        outcomes: Labelled pictures.
        groups: Of each picture, known before it is ranked: that of retrieval's first candidate.
        most_asked: Share of pictures that a model may order, in each group.
        error: Of the bound.
    """
    overall = chosen(outcomes, most_asked=most_asked, error=error)
    gates: dict[Hashable, TrustGate] = {}
    for group in dict.fromkeys(groups):
        own = outcomes.of(np.array([each == group for each in groups]))
        gate = chosen(own, most_asked=most_asked, error=error)
        gates[group] = _pooled(gate, own, overall.threshold, most_asked) if gate.reason else gate
    return gates


def _pooled(gate: TrustGate, own: Outcomes, threshold: float, most_asked: float) -> TrustGate:
    """Return the group's gate with the threshold of all pictures, if its own pictures do not lose by that."""
    wins, losses = _changes(own, threshold)
    asked = float((own.margins < threshold).mean())
    if losses > wins or not asked or asked > most_asked:
        return gate
    return TrustGate(
        threshold,
        asked,
        gate.retrieval + (wins - losses) / len(own),
        retrieval=gate.retrieval,
        ranking=gate.ranking,
        gain_bound=gate.gain_bound,
        count=gate.count,
        reason="",
        curve=gate.curve,
    )


def _changes(outcomes: Outcomes, threshold: float) -> tuple[int, int]:
    """Return how many pictures ranking makes right below a threshold, and how many it makes wrong."""
    asked = outcomes.margins < threshold
    wins = int((asked & outcomes.ranked & ~outcomes.retrieved).sum())
    losses = int((asked & ~outcomes.ranked & outcomes.retrieved).sum())
    return wins, losses


def _reason(outcomes: Outcomes, best: Point) -> str:
    wins, losses = _changes(outcomes, best.threshold)
    if not best.asked or wins <= losses:
        return "ranking is right no more often than retrieval at any threshold"
    chance = at_least(wins, wins + losses, 0.5)
    return (
        f"ranking makes {wins} right and {losses} wrong, which chance does with a probability of {chance:.2g}"
    )
