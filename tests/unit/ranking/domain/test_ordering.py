import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import InvalidInput
from services.kernel.rankings import BroaderLabel, Candidates, Gate, RankedLabel, Ranking, RankingStatus
from services.ranking.domain import ladder
from services.ranking.domain.ordering import Gates, Thresholds, checked, retrieval_order
from tests.fakes.ranking import candidates

NO_RANKER = ladder.NO_RANKER.name
SHIPPED = Thresholds(trust=0.5, unknown=0.5, level=0.5)

shares = st.floats(0, 1)


def ranked(found: Candidates, thresholds: Thresholds = SHIPPED) -> Ranking:
    return retrieval_order(found, Gates.of(found, thresholds))


def test_the_order_of_retrieval_is_kept_and_says_that_it_is_degraded() -> None:
    ranking = ranked(candidates(("robin", 0.375), ("wren", 0.125), margin=0.25, unknown=0.25, region_id="7"))

    assert ranking.region_id == "7"
    assert ranking.labels == (RankedLabel("robin", 0.75 * 0.75), RankedLabel("wren", 0.75 * 0.25))
    assert ranking.probability_unknown == 0.25
    assert (ranking.status, ranking.rung) == (RankingStatus.DEGRADED, NO_RANKER)


def test_no_candidates_are_certainly_unknown() -> None:
    ranking = ranked(candidates(unknown=0.0, margin=1.0), Thresholds(trust=0.0, unknown=1.0, level=0.5))

    assert (ranking.labels, ranking.probability_unknown) == ((), 1.0)
    assert (ranking.status, ranking.rung) == (RankingStatus.UNKNOWN, "")


@pytest.mark.parametrize(
    ("unknown", "status"), [(0.5, RankingStatus.DEGRADED), (math.nextafter(0.5, 1), RankingStatus.UNKNOWN)]
)
def test_the_answer_is_unknown_above_the_threshold_and_not_at_it(
    unknown: float, status: RankingStatus
) -> None:
    assert ranked(candidates(("robin", 1.0), unknown=unknown)).status is status


@pytest.mark.parametrize(
    ("margin", "status"),
    [(0.5, RankingStatus.TRUSTED_RETRIEVAL), (math.nextafter(0.5, 0), RankingStatus.DEGRADED)],
)
def test_retrieval_is_trusted_from_the_threshold_on(margin: float, status: RankingStatus) -> None:
    ranking = ranked(candidates(("robin", 1.0), margin=margin))

    assert ranking.status is status
    assert ranking.rung == (NO_RANKER if status is RankingStatus.DEGRADED else "")


def test_unknown_wins_over_trust() -> None:
    assert ranked(candidates(("robin", 1.0), margin=1.0, unknown=0.9)).status is RankingStatus.UNKNOWN


def test_both_gates_are_recorded_as_not_calibrated() -> None:
    found = candidates(("robin", 1.0), margin=0.9, unknown=0.3)

    assert ranked(found, Thresholds(trust=0.6, unknown=0.4, level=0.5)).gates == (
        Gate("trust", 0.9, 0.6, is_open=True, calibrated=False),
        Gate("unknown", 0.3, 0.4, is_open=False, calibrated=False),
    )


def test_scores_of_zero_share_equally() -> None:
    ranking = ranked(candidates(("robin", 0.0), ("wren", 0.0), unknown=0.5))

    assert [each.probability for each in ranking.labels] == [0.25, 0.25]


@given(st.dictionaries(st.text(max_size=3), shares, max_size=10), shares, shares, shares, shares)
def test_a_ranking_is_a_permutation_and_its_probabilities_sum_to_one(
    scores: dict[str, float], margin: float, unknown: float, trust: float, threshold: float
) -> None:
    found = candidates(*scores.items(), margin=margin, unknown=unknown)

    ranking = ranked(found, Thresholds(trust, threshold, level=0.5))

    assert sorted(each.label for each in ranking.labels) == sorted(scores)
    total = math.fsum(each.probability for each in ranking.labels) + ranking.probability_unknown
    assert total == pytest.approx(1, abs=1e-12)
    assert (ranking.rung != "") == (ranking.status is RankingStatus.DEGRADED)
    assert ranking.status is not RankingStatus.RANKED


@pytest.mark.parametrize(
    ("found", "field"),
    [
        (candidates(("robin", math.nan)), "c.candidates[0].score"),
        (candidates(("robin", 0.5), ("wren", -0.1)), "c.candidates[1].score"),
        (candidates(("robin", 0.5), unknown=1.1), "c.unknown_score"),
        (candidates(("robin", 0.5), margin=math.inf), "c.margin"),
        (candidates(("robin", 0.5), ("robin", 0.4)), "c.candidates"),
    ],
)
def test_what_are_no_shares_or_not_distinct_is_refused(found: Candidates, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked(found, field="c")

    assert refused.value.field == field


FINCHES = (("finch", 0.75), ("bird", 1.0))


def close_finches(*, unknown: float = 0.0, margin: float = 0.0) -> Candidates:
    pairs = (("goldfinch", 0.4), ("siskin", 0.35), ("wren", 0.25))
    return candidates(*pairs, unknown=unknown, margin=margin, ancestors=FINCHES)


def test_where_no_label_is_likely_enough_its_parent_is_answered() -> None:
    ranking = ranked(close_finches())

    assert ranking.broader == BroaderLabel("finch", 0.75, steps=1)
    assert [each.label for each in ranking.labels] == ["goldfinch", "siskin", "wren"]
    assert (ranking.status, ranking.rung) == (RankingStatus.DEGRADED, NO_RANKER)
    assert ranking.gates[2] == Gate("level", 0.4, 0.5, is_open=True)


def test_the_answer_is_no_broader_than_the_votes_ask_for() -> None:
    def steps(threshold: float) -> int:
        broader = ranked(close_finches(), Thresholds(trust=0.5, unknown=0.5, level=threshold)).broader
        return 0 if broader is None else broader.steps

    assert [steps(threshold) for threshold in (0.4, 0.41, 0.75, 0.76, 1.0)] == [0, 1, 1, 2, 2]


def test_what_may_be_unknown_makes_every_level_less_likely() -> None:
    assert ranked(close_finches(unknown=0.25)).broader == BroaderLabel("finch", 0.75 * 0.75, steps=1)
    assert ranked(close_finches(unknown=0.4)).broader == BroaderLabel("bird", 0.6, steps=2)


def test_the_first_label_stands_where_no_level_is_likely_enough() -> None:
    found = close_finches(unknown=0.45)

    ranking = ranked(found, Thresholds(trust=0.5, unknown=0.5, level=0.6))

    assert ranking.broader is None
    assert ranking.gates[2] == Gate("level", 0.55 * 0.4, 0.6, is_open=True)


def test_unknown_has_no_broader_answer() -> None:
    ranking = ranked(close_finches(unknown=0.51), Thresholds(trust=0.5, unknown=0.5, level=0.3))

    assert (ranking.status, ranking.broader) == (RankingStatus.UNKNOWN, None)


def test_without_a_hierarchy_there_is_no_gate_of_levels() -> None:
    ranking = ranked(candidates(("goldfinch", 0.4), ("siskin", 0.35), ("wren", 0.25)))

    assert ranking.broader is None
    assert [gate.name for gate in ranking.gates] == ["trust", "unknown"]


@given(shares, shares, shares, shares, shares)
def test_a_broader_answer_is_likely_enough_and_none_below_it_is(
    leaf: float, parent: float, top: float, unknown: float, threshold: float
) -> None:
    scores = sorted([leaf, parent, top])
    found = candidates(
        ("goldfinch", scores[0]), unknown=unknown, ancestors=[("finch", scores[1]), ("bird", scores[2])]
    )

    broader = ranked(found, Thresholds(trust=0.5, unknown=1.0, level=threshold)).broader

    likely = [(1 - unknown) * score for score in scores]
    enough = [steps for steps, each in enumerate(likely) if each >= threshold]
    assert (0 if broader is None else broader.steps) == (enough[0] if enough else 0)


def test_a_share_of_an_ancestor_is_checked_as_well() -> None:
    with pytest.raises(InvalidInput) as refused:
        checked(candidates(("goldfinch", 0.4), ancestors=[("finch", 1.5)]), field="candidates[3]")

    assert refused.value.field == "candidates[3].candidates[0].ancestors[0].score"
