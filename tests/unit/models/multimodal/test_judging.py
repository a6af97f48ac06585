"""How ranking is measured: by judges whose worth is known."""

from collections.abc import Sequence

import numpy as np
import pytest

from models.multimodal.judging import Answers, Question, ask, fitted, judged

COUNT = 400


def asked(seed: int = 0) -> list[Question]:
    drawn = np.random.default_rng(seed)
    truths = drawn.integers(5, size=COUNT)
    shares = drawn.standard_normal((COUNT, 5))
    shares[np.arange(COUNT), truths] += 1
    return [
        Question(view, tuple("abcde"), int(truth), row)
        for view, (truth, row) in enumerate(zip(truths, shares, strict=True))
    ]


class Knowing:
    """Knows every answer, adds noise, and likes the first place and long names."""

    def __init__(self, noise: float = 0.0, liking: float = 0.0) -> None:
        self._noise = noise
        self._liking = liking

    def names(self, questions: Sequence[Question], *, blind: bool = False) -> np.ndarray:
        liking = self._liking * np.arange(5)
        return np.asarray([liking + (0 if blind else np.eye(5)[each.truth]) for each in questions])

    def letters(self, questions: Sequence[Question], orders: Sequence[np.ndarray]) -> np.ndarray:
        drawn = np.random.default_rng(0)
        rows = [np.eye(5)[each.truth][order] for each, order in zip(questions, orders, strict=True)]
        noise = self._noise * drawn.standard_normal((len(rows), 5))
        return np.asarray(np.stack(rows) + self._liking * np.eye(5)[0] + noise)


def test_letters_are_given_back_to_the_labels_that_stood_behind_them() -> None:
    answers, chosen = ask(Knowing(), asked(), orders=1)

    assert answers.share("letters 1").value == 1
    assert chosen == pytest.approx(0.2, abs=0.08)


def test_several_orders_cancel_a_liking_for_the_first_place() -> None:
    answers, chosen = ask(Knowing(liking=1.2), asked(), orders=5)

    assert chosen[0] == pytest.approx(1)
    assert answers.share("letters").value > 0.9
    assert answers.share("letters 1").value < 0.5


def test_what_the_model_says_without_a_picture_is_taken_off() -> None:
    answers, _ = ask(Knowing(liking=5), asked(), orders=1)

    assert answers.share("names").value < 0.3
    assert answers.share("names without the blind").value == 1


def test_evidence_that_says_nothing_gets_no_weight_and_costs_nothing() -> None:
    answers, _ = ask(Knowing(noise=0), asked(), orders=1)
    drawn = np.random.default_rng(1)
    noise = Answers(answers.truth, {**answers.evidence, "noise": drawn.standard_normal((COUNT, 5))})

    weights = fitted(noise, ("retrieval", "noise"))

    assert weights["retrieval"] > 0.7
    assert abs(weights["noise"]) < 0.25
    assert judged(noise, ("retrieval", "noise")).value > answers.share("retrieval").value - 0.04


def test_two_kinds_of_evidence_are_better_than_either() -> None:
    answers, _ = ask(Knowing(noise=0.7), asked(), orders=1)

    both = judged(answers, ("retrieval", "letters"))

    assert both.value > max(answers.share("retrieval").value, answers.share("letters").value)
