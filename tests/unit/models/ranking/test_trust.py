"""The gate asks a model where that pays, and nobody where it does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ranking.joining import RETRIEVAL, Weights, join
from models.ranking.trust import (
    ALWAYS_ASK,
    NEVER_ASK,
    Outcomes,
    by_group,
    chosen,
    cross_checked,
    curve,
    gain_bound,
)


def outcomes(margins: list[float], retrieved: list[int], ranked: list[int]) -> Outcomes:
    return Outcomes(np.array(margins, float), np.array(retrieved, np.bool_), np.array(ranked, np.bool_))


def world(count: int, seed: int, *, ranker: float = 0.8, sure: float = 0.95, unsure: float = 0.4) -> Outcomes:
    """Return pictures whose retrieval is right as often as its margin says, and a ranker that never knows."""
    rng = np.random.default_rng(seed)
    margins = rng.uniform(size=count)
    retrieved = rng.uniform(size=count) < unsure + (sure - unsure) * margins
    return Outcomes(margins, retrieved, rng.uniform(size=count) < ranker)


def test_the_curve_counts_as_by_hand() -> None:
    points = curve(outcomes([0.1, 0.2, 0.2, 0.9], [0, 0, 1, 1], [1, 1, 1, 0]))

    assert [(p.threshold, p.asked, p.accuracy) for p in points] == [
        (0.1, 0.0, 0.5),
        (0.2, 0.25, 0.75),
        (0.9, 0.75, 1.0),
        (ALWAYS_ASK, 1.0, 0.75),
    ]


def test_the_best_threshold_asks_where_retrieval_is_unsure() -> None:
    gate = chosen(world(4000, seed=0))

    assert 0.6 < gate.threshold < 0.85  # retrieval is as good as the ranker at a margin of 0.73
    assert gate.accuracy > max(gate.retrieval, gate.ranking) + 0.01
    assert gate.gain_bound > 0
    assert gate.reason == ""


def test_no_more_pictures_are_asked_about_than_stated() -> None:
    gate = chosen(world(4000, seed=0), most_asked=0.3)

    assert gate.asked <= 0.3
    assert gate.asked == pytest.approx(0.3, abs=0.01)
    assert gate.gain_bound > 0


def test_a_ranker_that_is_worse_everywhere_is_never_asked() -> None:
    gate = chosen(world(2000, seed=1, ranker=0.3))

    assert gate.threshold == NEVER_ASK
    assert gate.accuracy == gate.retrieval
    assert gate.reason


def test_a_gain_that_chance_explains_is_not_taken() -> None:
    few = outcomes([0.1] * 4 + [0.9] * 6, [0] * 4 + [1] * 6, [1, 1, 1, 0] + [1] * 6)

    gate = chosen(few)

    assert gate.threshold == NEVER_ASK
    assert gate.reason.startswith(
        "ranking makes 3 right and 0 wrong, which chance does with a probability of 0.1"
    )
    assert chosen(few, error=0.2).threshold > 0.1


@given(
    rows=st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.booleans()), min_size=1, max_size=60),
    most_asked=st.floats(0, 1),
)
def test_never_below_retrieval_and_never_asking_too_often(
    rows: list[tuple[float, bool, bool]], most_asked: float
) -> None:
    margins, retrieved, ranked = (list(column) for column in zip(*rows, strict=True))
    given_ = outcomes(margins, retrieved, ranked)

    gate = chosen(given_, most_asked=most_asked)

    sent = given_.margins < gate.threshold
    assert gate.asked == pytest.approx(sent.mean())
    assert gate.asked <= most_asked + 1e-9
    assert gate.accuracy == pytest.approx(np.where(sent, given_.ranked, given_.retrieved).mean())
    assert gate.accuracy >= gate.retrieval - 1e-9
    assert gate.gain_bound >= 0
    assert [p.asked for p in gate.curve] == sorted({p.asked for p in gate.curve})


def test_what_was_chosen_holds_on_pictures_that_did_not_choose_it() -> None:
    losses = 0
    for seed in range(100):
        gate = chosen(world(150, seed, ranker=0.62))
        fresh = world(2000, seed + 1000, ranker=0.62)
        accuracy = np.where(fresh.margins < gate.threshold, fresh.ranked, fresh.retrieved).mean()
        losses += accuracy < fresh.retrieved.mean() - 0.01

    assert losses <= 5


def test_the_bound_is_below_the_gain_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    true = 0.5 * (0.7 - 0.5)
    below = 0
    for _ in range(300):
        margins = rng.uniform(size=200)
        drawn = Outcomes(margins, rng.uniform(size=200) < 0.5, rng.uniform(size=200) < 0.7)
        below += gain_bound(drawn, 0.5, error=0.05) > true

    assert below / 300 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)


def test_checked_across_folds_a_choice_from_noise_gains_nothing() -> None:
    """A ranker that is as often right as retrieval: the best threshold gains where it was chosen alone."""
    there, elsewhere = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        noise = Outcomes(rng.uniform(size=100), rng.uniform(size=100) < 0.5, rng.uniform(size=100) < 0.5)
        gate, checked = chosen(noise, error=0.5), cross_checked(noise, error=0.5)
        there.append(gate.accuracy - gate.retrieval)
        elsewhere.append(checked.accuracy - checked.retrieval)

    assert np.mean(there) > 0.03
    assert abs(np.mean(elsewhere)) < 0.02


def test_checked_across_folds_a_real_gain_stays() -> None:
    drawn = world(2000, seed=0)

    found = cross_checked(drawn, most_asked=0.5)

    assert found.accuracy > found.retrieval + 0.05
    assert found.accuracy == pytest.approx(found.retrieval + (found.wins - found.losses) / found.count)
    assert found.asked == pytest.approx(0.5, abs=0.05)
    with pytest.raises(ValueError, match="folds"):
        cross_checked(drawn, folds=1)


def test_a_group_in_which_the_ranker_is_worse_is_recovered() -> None:
    good, bad = world(3000, seed=2, ranker=0.85), world(1000, seed=3, ranker=0.2, unsure=0.7)
    both = Outcomes(
        *(
            np.concatenate([getattr(g, name) for g in (good, bad)])
            for name in ("margins", "retrieved", "ranked")
        )
    )
    groups = ["birds"] * 3000 + ["flowers"] * 1000

    gates = by_group(both, groups)

    assert gates["flowers"].threshold == NEVER_ASK
    assert gates["flowers"].accuracy == bad.retrieved.mean()
    assert gates["birds"].accuracy > gates["birds"].retrieval + 0.1


def test_a_small_group_takes_the_threshold_of_all_unless_it_loses_by_it() -> None:
    large = world(3000, seed=2, ranker=0.85)
    small = outcomes([0.1, 0.2, 0.9], [0, 0, 1], [1, 0, 1])
    loser = outcomes([0.1, 0.2, 0.9], [1, 1, 1], [0, 1, 1])
    names = ("margins", "retrieved", "ranked")
    every = Outcomes(*(np.concatenate([getattr(g, name) for g in (large, small, loser)]) for name in names))

    gates = by_group(every, ["large"] * 3000 + ["small"] * 3 + ["loser"] * 3)

    assert gates["small"].threshold > 0.2
    assert gates["small"].accuracy == pytest.approx(2 / 3)
    assert gates["loser"].threshold == NEVER_ASK


@pytest.mark.parametrize(("recall", "skill"), [(0.9, 0.7), (0.6, 0.95), (1.0, 0.5)])
def test_a_ranker_of_known_skill_is_worth_its_skill_times_what_candidates_hold(
    recall: float, skill: float
) -> None:
    rng = np.random.default_rng(11)
    count, k = 1500, 5
    weights = Weights(({RETRIEVAL: 0.0, "letters": 1.0},))
    right = 0
    for _ in range(count):
        truth = int(rng.integers(k)) if rng.uniform() < recall else k
        is_found = truth < k and rng.uniform() < skill
        pick = truth if is_found else int(rng.choice([i for i in range(k) if i != truth]))
        logs = np.log(np.full(k, 0.1))
        logs[pick] = np.log(0.6)
        right += (
            join(k, {RETRIEVAL: np.zeros(k), "letters": logs}, unknown=0.0, weights=weights).order[0] == truth
        )

    expected = recall * skill
    assert abs(right / count - expected) < 3 * math.sqrt(expected * (1 - expected) / count)


@pytest.mark.parametrize(
    "bad", [{"most_asked": 1.1}, {"most_asked": math.nan}, {"error": 0.0}, {"error": 1.0}]
)
def test_rates_are_rates(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="rates"):
        chosen(world(10, seed=0), **bad)


def test_nothing_to_choose_on_is_refused() -> None:
    with pytest.raises(ValueError, match="no labelled"):
        chosen(outcomes([], [], []))
    with pytest.raises(ValueError, match="not a number"):
        outcomes([math.nan], [1], [1])
