"""Rankers that fail, fall short or say anything at all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import (
    DeadlineExceeded,
    FoveaError,
    InvalidInput,
    Overloaded,
    Unavailable,
)
from services.kernel.judgements import Parsed, Reading
from services.kernel.rankings import RankingStatus
from services.ranking.domain import ladder
from services.ranking.domain.asking import Effort, Evidence, Judgement, Mode, Question, Terms
from services.ranking.domain.ladder import Rung
from tests.fakes.asking import asked, desk, found, names, one, rank
from tests.fakes.rankers import FakeRanker, judgement

ERRORS = [
    (Unavailable("down"), ladder.RANKER_UNAVAILABLE),
    (Overloaded("busy"), ladder.RANKER_UNAVAILABLE),
    (DeadlineExceeded("late"), ladder.RANKER_LATE),
    (FoveaError("broken"), ladder.RANKER_FAILED),
    (InvalidInput("outside", reason="REGION_INVALID"), ladder.NO_REGION),
    (RuntimeError("a bug"), ladder.RANKER_FAILED),
]


@pytest.mark.parametrize(("error", "rung"), ERRORS)
def test_what_a_ranker_raises_leaves_retrievals_order_with_the_reason(error: Exception, rung: Rung) -> None:
    ranking = one(rank(FakeRanker(raises=error)))

    assert (ranking.status, ranking.rung, ranking.judged) == (RankingStatus.DEGRADED, rung.name, None)
    assert names(ranking) == ["label 0", "label 1", "label 2"]


@pytest.mark.parametrize(("error", "rung"), [each for each in ERRORS if isinstance(each[0], FoveaError)])
def test_what_befell_one_region_alone_is_told_of_it_alone(error: FoveaError, rung: Rung) -> None:
    def answer(question: Question, _: Effort) -> Judgement | FoveaError:
        return error if question.region.region_id == "1" else judgement(np.log([0.1, 0.1, 0.8]))

    ranked = asked(rank(FakeRanker(answer=answer)), found(), found(1))

    assert [(each.status, each.rung) for each in ranked.rankings] == [
        (RankingStatus.RANKED, ""),
        (RankingStatus.DEGRADED, rung.name),
    ]
    assert ranked.stage.rungs == (rung.name,)


def test_an_answer_that_is_none_is_not_kept_and_asked_for_again() -> None:
    answers = iter([judgement([np.nan] * 3), judgement(np.log([0.1, 0.1, 0.8]))])
    case = rank(FakeRanker(answer=lambda *_: next(answers)))

    assert [one(case).rung, one(case).rung] == ["ranker_failed", ""]


def test_fewer_orders_than_wanted_are_told_and_not_kept() -> None:
    ranker = FakeRanker(answer=lambda *_: judgement(np.log([0.1, 0.1, 0.8]), orders=1))
    case = rank(ranker, at=desk(Effort(Mode.LETTERS, 4)))

    first, second = one(case), one(case)

    assert (first.status, first.rung) == (RankingStatus.RANKED, "less_effort")
    assert first.judged is not None
    assert (first.judged.orders, len(first.judged.readings)) == (4, 1)
    assert second == first
    assert len(ranker.asked) == 2


def test_a_judgement_that_lacks_pictures_is_told_and_not_kept() -> None:
    ranker = FakeRanker(answer=lambda *_: replace(judgement(np.log([0.1, 0.1, 0.8])), whole=False))
    case = rank(ranker)

    assert [one(case).rung, one(case).rung] == ["less_effort", "less_effort"]
    assert len(ranker.asked) == 2


def test_a_text_that_named_nothing_leaves_retrievals_order_and_stands_in_the_record() -> None:
    said = replace(
        judgement(np.log([0.5, 0.3, 0.2]), source="generated"),
        parsed=Parsed.FALLBACK,
        readings=(Reading((0, 1, 2), text="I am sorry"),),
    )

    ranking = one(rank(FakeRanker(answer=lambda *_: said)))

    assert (ranking.status, ranking.rung) == (RankingStatus.DEGRADED, "ranker_failed")
    assert ranking.judged is not None
    assert ranking.judged.readings[0].text == "I am sorry"


def test_a_slow_ranker_is_left_alone_for_a_while_and_then_tried_again() -> None:
    ticks = itertools.count(step=1.0)
    ranker = FakeRanker(on_terms=Terms(call_s=0.0, token_s=0.001))
    case = rank(ranker, at=desk(budget_s=0.12, most=0), clock=lambda: next(ticks))

    rungs = [one(case).rung for _ in range(120)]

    assert rungs[:4] == ["", "ranker_late", "ranker_late", "ranker_late"]
    assert len(ranker.asked) > 1


numbers = st.one_of(
    st.floats(), st.just(float("nan")), st.just(float("inf")), st.just(-float("inf")), st.floats(-40, 0)
)


@st.composite
def anything(draw: st.DrawFn) -> object:
    """What an adversarial ranker gives back for one question."""
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return draw(st.sampled_from([None, 3, "A", [], {}, object()]))
    if kind == 1:
        return draw(st.sampled_from([error for error, _ in ERRORS if isinstance(error, FoveaError)]))
    values = np.asarray(draw(st.lists(numbers, max_size=5)), dtype=np.float64)
    if kind == 2 and len(values):
        with np.errstate(all="ignore"):
            values = values - np.logaddexp.reduce(values)
    order = tuple(draw(st.lists(st.integers(0, 4), max_size=5)))
    return Judgement(
        evidence=tuple(
            Evidence(draw(st.sampled_from(["letters", "x", ""])), values) for _ in range(kind % 3)
        ),
        readings=(Reading(order, tuple(map(float, values))),) * draw(st.integers(0, 2)),
        models=("m@1",),
        template="t",
        prompt_digest="",
        parsed=draw(st.sampled_from(Parsed)),
        tokens=draw(st.integers(-3, 10)),
    )


class AnythingRanker(FakeRanker):
    """Gives back what it is told to, of whatever number."""

    said: Sequence[object] = ()

    def rank(
        self,
        questions: Sequence[Question],  # noqa: ARG002  (it does not care)
        effort: Effort,  # noqa: ARG002
    ) -> Sequence[Judgement | FoveaError]:
        return list(self.said)  # type: ignore[arg-type]


@given(said=st.lists(anything(), max_size=3), labels=st.lists(st.integers(0, 5), min_size=1, max_size=3))
def test_whatever_a_ranker_says_the_answer_is_a_permutation_with_probabilities(
    said: list[object], labels: list[int]
) -> None:
    ranker = AnythingRanker()
    ranker.said = said
    each = [found(i, labels=count) for i, count in enumerate(labels)]

    ranked = asked(rank(ranker), *each)

    for before, ranking in zip(each, ranked.rankings, strict=True):
        assert sorted(names(ranking)) == sorted(one.label for one in before.candidates)
        total = sum(label.probability for label in ranking.labels) + ranking.probability_unknown
        assert total == pytest.approx(1)
        assert all(0 <= label.probability <= 1 for label in ranking.labels)
        assert ranking.status is not RankingStatus.RANKED or ranking.judged is not None
        assert ranking.status is not RankingStatus.DEGRADED or ranking.rung
