"""A ranker that answers what it is told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from services.kernel.errors import FoveaError
from services.ranking.domain.asking import Effort, Evidence, Judgement, Mode, Question, Reading, Terms
from services.runtime import deadline

Answer = Judgement | FoveaError


def prefers_last(question: Question) -> Float64[np.ndarray, "k"]:
    """Probability that doubles from each label to the next: the opposite of retrieval's order."""
    weights = 2.0 ** np.arange(len(question.labels), dtype=np.float64)
    return np.asarray(np.log(weights / weights.sum()))


def judgement(
    log_probabilities: Sequence[float] | Float64[np.ndarray, "k"],
    *,
    orders: int = 1,
    source: str = "letters",
    tokens: int = 100,
) -> Judgement:
    """A judgement by one source, read as often as `orders` says."""
    read = np.asarray(log_probabilities, dtype=np.float64)
    reading = Reading(tuple(range(len(read))), tuple(map(float, read)))
    return Judgement(
        evidence=(Evidence(source, read),),
        readings=(reading,) * orders,
        models=("fake-ranker@0",),
        template="letters@1",
        prompt_digest="0" * 64,
        tokens=tokens,
    )


@dataclass
class FakeRanker:
    """Answers by a rule, and keeps what it was asked.

    Args:
        rule: Log-probabilities of a question's labels.
        answer: Instead of the rule: the whole answer to a question.
        raises: Is raised by each call.
        on_terms: What it says of itself.
    """

    rule: Callable[[Question], Float64[np.ndarray, "k"]] = prefers_last
    answer: Callable[[Question, Effort], Answer] | None = None
    raises: Exception | None = None
    on_terms: Terms = field(default_factory=lambda: Terms(modes=(Mode.LETTERS, Mode.NAMES, Mode.BOTH)))
    asked: list[tuple[tuple[Question, ...], Effort]] = field(default_factory=list)

    def models(self) -> tuple[str, ...]:
        return ("fake-ranker@0",)

    def terms(self) -> Terms:
        return self.on_terms

    def rank(self, questions: Sequence[Question], effort: Effort) -> Sequence[Answer]:
        deadline.check()
        self.asked.append((tuple(questions), effort))
        if self.raises is not None:
            raise self.raises
        if self.answer is not None:
            return [self.answer(question, effort) for question in questions]
        return [judgement(self.rule(question), orders=effort.orders) for question in questions]
