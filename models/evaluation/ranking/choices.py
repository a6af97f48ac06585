"""Multiple choice as Finedefics asks it: the truth among three look-alikes, options in a seeded order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from models.evaluation.metrics import Share, share
from models.evaluation.ranking.evidence import Said
from models.evaluation.ranking.letters import LanguageModel
from models.evaluation.ranking.questions import Question
from models.ranking.joining import Weights, join
from models.ranking.letters import normalised
from models.ranking.multiple_choice import Item, options
from models.ranking.templates import Content

DISTRACTORS: Final = 3
"""The wrong labels that retrieval thinks likeliest: mined, not drawn."""
_SEED: Final = 0
_WHOLE: Final = 0.01
"""Share of the probability that must be on the letters, or the model gave no letter."""


@dataclass(frozen=True)
class Chosen:
    """How one way chose among four.

    Attributes:
        way: Which evidence it had.
        right: How often it chose the truth; no answer is wrong.
        failures: How often it gave no answer.
    """

    way: str
    right: Share
    failures: Share


def of_four(questions: Sequence[Question]) -> list[Question]:
    """Return those whose truth is a candidate, with it and the three likeliest others as candidates."""
    found = []
    for question in questions:
        if question.truth < 0 or len(question.labels) <= DISTRACTORS:
            continue
        others = [place for place in range(len(question.labels)) if place != question.truth][:DISTRACTORS]
        kept = sorted([question.truth, *others])
        found.append(
            replace(
                question,
                labels=tuple(question.labels[place] for place in kept),
                shares=question.shares[kept],
                exemplars=tuple(question.exemplars[place] for place in kept),
                truth=kept.index(question.truth),
            )
        )
    return found


def by_letter(questions: Sequence[Question], model: LanguageModel) -> Chosen:
    """Return how the language model chooses alone, by the likeliest letter of one prompt."""
    right, failed = [], []
    for question in questions:
        truth = question.labels[question.truth]
        others = tuple(label for label in question.labels if label != truth)
        shown = options(Item(question.picture.row.sha256, truth, others), seed=_SEED)
        answer = model.ask(question.picture, Content(shown), (tuple(range(len(shown))),))
        logs = np.asarray(answer.reads[0].log_probabilities, np.float64)
        is_whole = bool(np.isfinite(logs).any() and np.exp(logs).sum() >= _WHOLE)
        failed.append(not is_whole)
        right.append(is_whole and shown[int(normalised(logs).argmax())] == truth)
    return Chosen("letters alone", share(right), share(failed))


def by_evidence(way: str, questions: Sequence[Question], said: Sequence[Said], weights: Weights) -> Chosen:
    """Return how joined evidence chooses."""
    right = [
        join(len(question.labels), evidence, unknown=0.0, weights=weights).order[0] == question.truth
        for question, evidence in zip(questions, said, strict=True)
    ]
    return Chosen(way, share(right), Share(0, len(right)))
