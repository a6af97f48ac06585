"""What is not asked, for want of time, of letters, or of something to ask about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.kernel.rankings import Candidate, RankingStatus
from services.ranking.domain.asking import Judgement, Terms
from services.runtime import deadline
from tests.fakes.asking import (
    IMAGE,
    NO_OPTIONS,
    DictImages,
    asked,
    desk,
    found,
    names,
    one,
    rank,
)
from tests.fakes.rankers import FakeRanker, judgement

HALVES = np.log([0.5, 0.5])


@pytest.mark.parametrize("left_s", [0.001, 0.0])
def test_a_millisecond_gives_retrievals_order_with_the_reason(left_s: float) -> None:
    ranker = FakeRanker()
    case = rank(ranker)

    with deadline.within(left_s):
        ranking = one(case)

    assert (ranking.status, ranking.rung) == (RankingStatus.DEGRADED, "ranker_late")
    assert ranker.asked == []


def test_time_for_some_regions_goes_to_those_that_are_least_sure() -> None:
    ranker = FakeRanker(on_terms=Terms(call_s=0.0, token_s=0.001))  # 0.05 s a region and more
    case = rank(ranker, at=desk(budget_s=0.12))

    ranked = asked(case, found(0, margin=0.3), found(1, margin=0.1), found(2, margin=0.2))

    assert [each.rung for each in ranked.rankings] == ["ranker_late", "less_effort", "less_effort"]


def test_a_ranker_has_no_more_time_than_its_budget() -> None:
    left: list[float | None] = []

    def answer(*_: object) -> Judgement:
        left.append(deadline.remaining_s())
        return judgement(HALVES)

    case = rank(FakeRanker(answer=answer), at=desk(budget_s=0.7))
    with deadline.within(60.0):
        one(case, found(labels=2))
    with deadline.within(0.5):
        one(case, found(1, labels=2))

    assert left[0] is not None
    assert left[1] is not None
    assert 0.5 < left[0] <= 0.7
    assert 0.3 < left[1] <= 0.48


@pytest.mark.parametrize(
    ("labels", "shown", "rung"),
    [(2, 2, ""), (26, 26, ""), (27, 26, "too_many_candidates"), (1000, 26, "too_many_candidates")],
)
def test_as_many_candidates_as_there_are_letters_are_shown(labels: int, shown: int, rung: str) -> None:
    ranker = FakeRanker(
        answer=lambda question, _: judgement(np.log(np.eye(len(question.labels))[-1] + 1e-30))
    )
    many = found(labels=min(labels, 60))
    if labels > 60:
        rest = tuple(Candidate(f"rest {i}", 0.0, ()) for i in range(labels - 60))
        many = replace(many, candidates=many.candidates + rest)

    ranking = one(rank(ranker), many)

    assert len(ranker.asked[0][0][0].labels) == shown
    assert sorted(names(ranking)) == sorted(each.label for each in many.candidates)
    assert (ranking.status, ranking.rung) == (RankingStatus.RANKED, rung)


def test_one_candidate_is_no_question() -> None:
    ranker = FakeRanker()

    ranking = one(rank(ranker), found(labels=1))

    assert (ranking.status, ranking.rung) == (RankingStatus.DEGRADED, "one_candidate")
    assert ranker.asked == []


def test_without_an_image_or_a_region_nobody_is_asked() -> None:
    ranker = FakeRanker()
    case = rank(ranker)

    no_image = asked(case, found(), image=None).rankings[0]
    no_region = case([found()], NO_OPTIONS, image=IMAGE).rankings[0]
    gone = asked(rank(ranker, images=DictImages({})), found()).rankings[0]
    no_picture = asked(rank(ranker, images=DictImages({IMAGE.key: b"text"})), found()).rankings[0]

    assert [each.rung for each in (no_image, no_region, gone, no_picture)] == [
        "image_unavailable",
        "no_region",
        "image_unavailable",
        "image_unavailable",
    ]
    assert ranker.asked == []
