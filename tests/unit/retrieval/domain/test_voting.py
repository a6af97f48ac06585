import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.errors import InvalidInput
from services.kernel.rankings import Candidates
from services.kernel.vocabulary import AttributeValue, Condition, SpaceVote
from services.retrieval.domain import (
    Hit,
    Scope,
    comparable,
    id_of_token,
    page_token,
    pool,
    votes_in_force,
)
from tests.fakes.exemplars import exemplar

VISUAL = SpaceVote("visual", weight=1.0, temperature=0.07, reference=0.5)
NAME = SpaceVote("name", weight=0.5, temperature=0.1, reference=0.3)

similarities = st.floats(-1, 1)
neighbours = st.lists(st.tuples(st.sampled_from("abcdefg"), similarities), max_size=30)


def hits(*pairs: tuple[str, float], prefix: str = "x") -> list[Hit]:
    return [
        Hit(exemplar(f"{prefix}{i:03}", label), similarity) for i, (label, similarity) in enumerate(pairs)
    ]


def pooled(*pairs: tuple[str, float], size: int = 5, vote: SpaceVote = VISUAL) -> Candidates:
    return pool("0", {"visual": hits(*pairs)}, [vote], size=size)


def labels(found: Candidates) -> list[str]:
    return [candidate.label for candidate in found.candidates]


def test_two_good_neighbours_outvote_one_better() -> None:
    found = pooled(("wren", 0.80), ("robin", 0.78), ("robin", 0.78))

    assert labels(found) == ["robin", "wren"]


def test_a_label_is_proposed_once_with_all_its_neighbours_nearest_first() -> None:
    found = pooled(("robin", 0.5), ("wren", 0.6), ("robin", 0.7))

    assert labels(found) == ["robin", "wren"]
    assert [each.similarity for each in found.candidates[0].neighbours] == [0.7, 0.5]
    assert [each.exemplar_id for each in found.candidates[0].neighbours] == ["x002", "x000"]
    assert found.candidates[0].neighbours[0].image_key == "acme/birds/images/x002"


def test_one_neighbour_at_the_reference_is_as_likely_unknown_as_known() -> None:
    found = pooled(("robin", 0.5))

    assert found.unknown_score == pytest.approx(0.5)
    assert found.candidates[0].score == 1
    assert found.candidates[0].neighbours[0].share == pytest.approx(0.5)


def test_nothing_found_is_certainly_unknown() -> None:
    assert pooled() == Candidates("0", (), margin=0.0, entropy=0.0, unknown_score=1.0, votes=(VISUAL,))


def test_with_one_vote_a_label_the_best_neighbour_decides() -> None:
    pairs = [("wren", 0.80), ("robin", 0.78), ("robin", 0.78)]

    found = pool("0", {"visual": hits(*pairs)}, [VISUAL], size=5, per_label=1)

    assert labels(found) == ["wren", "robin"]
    assert [len(candidate.neighbours) for candidate in found.candidates] == [1, 1]


def test_labels_are_ranked_by_the_mean_of_their_strongest_votes() -> None:
    pairs = [("robin", 0.70), ("robin", 0.69), ("robin", 0.1), ("wren", 0.72), ("wren", 0.5)] + [
        ("tit", 0.6)
    ] * 20

    found = pool("0", {"visual": hits(*pairs)}, [VISUAL], size=5, per_label=2)

    def mean(*similarities: float) -> float:
        return sum(math.exp((each - 0.5) / 0.07) for each in similarities) / len(similarities)

    means = {"robin": mean(0.70, 0.69), "wren": mean(0.72, 0.5), "tit": mean(0.6, 0.6)}
    assert labels(found) == sorted(means, key=lambda label: -means[label])
    total = sum(means.values())
    for candidate in found.candidates:
        assert candidate.score == pytest.approx(means[candidate.label] / total)
    assert labels(pooled(*pairs))[0] == "tit"  # all voting, the many win


def test_every_neighbour_is_in_the_evidence_of_as_many_labels_as_there_are() -> None:
    pairs = [("robin", 0.7), ("wren", 0.6), ("robin", 0.5), ("tit", 0.4)]

    found = pooled(*pairs, size=100)

    raw = sorted(
        (-each.similarity, each.exemplar_id)
        for candidate in found.candidates
        for each in candidate.neighbours
    )
    assert [(-similarity, name) for similarity, name in raw] == [
        (0.7, "x000"),
        (0.6, "x001"),
        (0.5, "x002"),
        (0.4, "x003"),
    ]


def test_margin_is_one_for_a_single_label_and_the_difference_for_more() -> None:
    assert pooled(("robin", 0.5), ("robin", 0.4)).margin == 1
    assert pooled(("robin", 0.5), ("wren", 0.5)).margin == 0
    by_hand = math.exp(0.1 / 0.07)
    assert pooled(("robin", 0.6), ("wren", 0.5)).margin == pytest.approx((by_hand - 1) / (by_hand + 1))


def test_margin_and_entropy_do_not_depend_on_how_many_labels_are_asked_for() -> None:
    pairs = [("robin", 0.6), ("wren", 0.5), ("tit", 0.4)]

    one, all_of_them = pooled(*pairs, size=1), pooled(*pairs, size=3)

    assert (one.margin, one.entropy, one.unknown_score) == (
        all_of_them.margin,
        all_of_them.entropy,
        all_of_them.unknown_score,
    )
    assert one.candidates == all_of_them.candidates[:1]


def test_entropy_of_equal_labels_is_the_logarithm_of_their_number() -> None:
    assert pooled(("a", 0.5), ("b", 0.5), ("c", 0.5)).entropy == pytest.approx(math.log(3))


def test_each_space_votes_by_its_own_weight_temperature_and_reference() -> None:
    found = pool(
        "0",
        {"visual": hits(("robin", 0.6)), "name": hits(("wren", 0.4), prefix="n")},
        [NAME, VISUAL],
        size=5,
    )
    robin, wren = math.exp(0.1 / 0.07), 0.5 * math.exp(0.1 / 0.1)

    assert found.candidates[0].score == pytest.approx(robin / (robin + wren))
    assert found.candidates[1].neighbours[0].share == pytest.approx(wren / (1 + robin + wren))
    assert found.unknown_score == pytest.approx(1 / (1 + robin + wren))
    assert found.votes == (NAME, VISUAL)


def test_a_space_of_weight_zero_is_silent() -> None:
    silent = SpaceVote("visual", weight=0.0, temperature=0.07, reference=0.5)

    assert pooled(("robin", 0.9), vote=silent).candidates == ()


def test_equal_labels_are_ordered_by_name_and_equal_neighbours_by_id() -> None:
    found = pooled(("wren", 0.5), ("robin", 0.5), ("robin", 0.2), ("wren", 0.2))

    assert labels(found) == ["robin", "wren"]
    assert [each.exemplar_id for each in found.candidates[1].neighbours] == ["x000", "x003"]


@pytest.mark.parametrize("temperature", [5e-324, 1e-9, 1e9, math.inf])
@pytest.mark.parametrize("reference", [-1e308, 0.0, 1e308])
def test_extreme_votes_give_no_nan(temperature: float, reference: float) -> None:
    vote = SpaceVote("visual", weight=1e300, temperature=temperature, reference=reference)

    found = pooled(("robin", 0.9), ("wren", 0.1), ("tit", -1.0), vote=vote)

    assert sum(each.score for each in found.candidates) == pytest.approx(1)
    assert 0 <= found.unknown_score <= 1
    assert 0 <= found.margin <= 1
    assert math.isfinite(found.entropy)


def test_a_size_of_zero_is_refused() -> None:
    with pytest.raises(InvalidInput):
        pooled(("robin", 0.5), size=0)


@given(neighbours, neighbours)
def test_scores_of_all_labels_sum_to_one_and_labels_are_distinct(
    seen: list[tuple[str, float]], named: list[tuple[str, float]]
) -> None:
    found = pool("0", {"visual": hits(*seen), "name": hits(*named, prefix="n")}, [NAME, VISUAL], size=100)

    assert len(set(labels(found))) == len(labels(found))
    assert set(labels(found)) == {label for label, _ in (*seen, *named)}
    assert [each.score for each in found.candidates] == sorted(
        (each.score for each in found.candidates), reverse=True
    )
    if found.candidates:
        assert sum(each.score for each in found.candidates) == pytest.approx(1)
    shares = sum(each.share for candidate in found.candidates for each in candidate.neighbours)
    assert shares + found.unknown_score == pytest.approx(1)


@given(neighbours, st.randoms())
def test_the_order_of_the_neighbours_does_not_matter(
    seen: list[tuple[str, float]], luck: random.Random
) -> None:
    found = hits(*seen)
    shuffled = luck.sample(found, len(found))

    assert pool("0", {"visual": shuffled}, [VISUAL], size=5) == pool("0", {"visual": found}, [VISUAL], size=5)


@given(neighbours)
def test_pooling_agrees_with_the_plain_formula(seen: list[tuple[str, float]]) -> None:
    votes: dict[str, float] = {}
    for label, similarity in seen:
        votes[label] = votes.get(label, 0.0) + math.exp((similarity - 0.5) / 0.07)
    total = sum(votes.values())

    found = pooled(*seen, size=100)

    assert {each.label: each.score for each in found.candidates} == pytest.approx(
        {label: vote / total for label, vote in votes.items()}
    )
    assert found.unknown_score == pytest.approx(1 / (1 + total))


def test_asked_votes_replace_those_of_the_spaces_they_name() -> None:
    asked = SpaceVote("visual", weight=2.0, temperature=1.0, reference=0.0)
    fresh = SpaceVote("sound", weight=1.0, temperature=1.0, reference=0.0)

    assert votes_in_force([VISUAL, NAME], [asked, fresh]) == (NAME, fresh, asked)


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        (Condition("a", one_of=("red",)), "red", True),
        (Condition("a", one_of=("red",)), "blue", False),
        (Condition("a", one_of=("red", "blue")), "blue", True),
        (Condition("a", one_of=(1.0,)), 1.0, True),
        (Condition("a", one_of=(1.0,)), True, False),
        (Condition("a", one_of=(True,)), 1.0, False),
        (Condition("a", one_of=(True,)), True, True),
        (Condition("a", one_of=("1",)), 1.0, False),
        (Condition("a", least=1.0), 1.0, True),
        (Condition("a", least=1.0), 0.9, False),
        (Condition("a", most=1.0), 1.0, True),
        (Condition("a", most=1.0), 1.1, False),
        (Condition("a", least=1.0, most=2.0), 1.5, True),
        (Condition("a", least=0.0), True, False),
        (Condition("a", least=0.0), "5", False),
    ],
)
def test_a_condition_tests_value_and_kind(
    condition: Condition, value: AttributeValue, *, holds: bool
) -> None:
    assert Scope((condition,)).admits(exemplar("x", attributes={"a": value})) is holds


def test_an_exemplar_without_the_attribute_fails() -> None:
    assert not Scope((Condition("a", least=-math.inf),)).admits(exemplar("x"))


def test_all_conditions_must_hold() -> None:
    scope = Scope((Condition("a", one_of=("red",)), Condition("b", least=3.0)))

    assert scope.admits(exemplar("x", attributes={"a": "red", "b": 3.0}))
    assert not scope.admits(exemplar("x", attributes={"a": "red", "b": 2.0}))


def test_an_excluded_exemplar_is_not_admitted() -> None:
    assert not Scope(excluded=frozenset({"x"})).admits(exemplar("x"))
    assert Scope(excluded=frozenset({"x"})).admits(exemplar("y"))


def test_a_model_is_not_comparable_with_another_version_of_itself() -> None:
    assert comparable("lite0@aa", "lite0@aa")
    assert not comparable("lite0@aa", "lite0@bb")


def test_two_models_that_share_a_space_are_comparable() -> None:
    assert comparable("bridge@aa", "minilm@bb")


@given(st.text(min_size=1))
def test_a_page_token_survives_the_round_trip(last_id: str) -> None:
    assert id_of_token(page_token(last_id)) == last_id


@pytest.mark.parametrize("garbage", ["?", "abc", "MTpé", "////", "A" * 1001])
def test_a_foreign_page_token_is_refused(garbage: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        id_of_token(garbage)

    assert refused.value.field == "page_token"
