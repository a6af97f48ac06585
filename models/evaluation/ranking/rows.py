"""What joined evidence makes of the questions of one row of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from models.evaluation.metrics import Share, share
from models.evaluation.ranking.evidence import PAIRS, WORDS, Said
from models.evaluation.ranking.letters import LETTERS, NAMES
from models.evaluation.ranking.sets import Asked
from models.ranking.joining import RETRIEVAL, Weights, join
from models.ranking.trust import Outcomes

LANGUAGE: Final = "language model"
EXEMPLARS: Final = "exemplar pictures"
CALLED: Final = "candidates' names"
BOTH: Final = "pictures and names"
EVERYTHING: Final = "everything"
WAYS: Final[Mapping[str, tuple[str, ...]]] = {
    LANGUAGE: (LETTERS, NAMES),
    EXEMPLARS: (PAIRS,),
    CALLED: (WORDS,),
    BOTH: (PAIRS, WORDS),
    EVERYTHING: (LETTERS, NAMES, PAIRS, WORDS),
}
"""Which sources stand beside retrieval; `everything` is what ships."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """The questions of one row as one way orders their candidates.

    Attributes:
        right: Whether each first candidate is.
        confidence: Probability of each first candidate, *unknown* left aside.
    """

    right: Bool[np.ndarray, "n"]
    confidence: Float[np.ndarray, "n"]

    @property
    def share(self) -> Share:
        """How many are right."""
        return share(self.right)


@dataclass(frozen=True, eq=False)
class Judged:
    """One row of the table.

    Attributes:
        asked: The questions.
        retrieved: As retrieval alone orders them.
        ways: As each way does whose sources said something.
        within: Whether the truth is among the candidates: more cannot be right.
    """

    asked: Asked
    retrieved: Ranked
    ways: Mapping[str, Ranked]
    within: Share

    @property
    def margins(self) -> Float[np.ndarray, "n"]:
        """Of retrieval."""
        return np.array([each.margin for each in self.asked.questions])

    def outcomes(self, way: str = EVERYTHING) -> Outcomes:
        """Return what the trust gate is about."""
        return Outcomes(self.margins, self.retrieved.right, self.ways[way].right)


def judged(asked: Asked, said: Sequence[Said], weights: Weights) -> Judged:
    """Return a row, with each way that has a source of its own here."""
    present = {source for each in said for source in each}
    ways = {
        way: ranked(asked, [_some(each, sources) for each in said], weights)
        for way, sources in WAYS.items()
        if present & set(sources)
    }
    return Judged(
        asked,
        ranked(asked, [_some(each, ()) for each in said], weights),
        ways,
        share([each.truth >= 0 for each in asked.questions]),
    )


def ranked(asked: Asked, said: Sequence[Said], weights: Weights) -> Ranked:
    """Return the order that evidence makes, joined as the service joins it."""
    right, confidence = [], []
    for question, evidence in zip(asked.questions, said, strict=True):
        found = join(len(question.labels), evidence, unknown=0.0, weights=weights)
        right.append(found.order[0] == question.truth)
        confidence.append(float(found.probabilities.max()))
    return Ranked(np.array(right), np.array(confidence))


def _some(said: Said, sources: Sequence[str]) -> Said:
    return {source: logs for source, logs in said.items() if source in (RETRIEVAL, *sources)}
