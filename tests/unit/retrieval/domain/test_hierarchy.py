import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.limits import LIMITS
from services.kernel.rankings import Ancestor, Candidates
from services.kernel.vocabulary import SpaceVote
from services.retrieval.domain import NO_PARENTS, Hit, Parents, pool
from services.retrieval.domain.hierarchy import ancestors, lineage
from tests.fakes.exemplars import exemplar

VISUAL = SpaceVote("visual", weight=1.0, temperature=0.07, reference=0.5)
NAME = SpaceVote("name", weight=1.0, temperature=0.07, reference=0.5)
BIRDS: Parents = {
    "goldfinch": "finch",
    "siskin": "finch",
    "finch": "bird",
    "wren": "bird",
    "bird": "",
}


def hits(*pairs: tuple[str, float], prefix: str = "x") -> list[Hit]:
    return [Hit(exemplar(f"{prefix}{i}", label), similarity) for i, (label, similarity) in enumerate(pairs)]


def pooled(*pairs: tuple[str, float], parents: Parents = BIRDS, size: int = 5) -> Candidates:
    return pool("0", {"visual": hits(*pairs)}, [VISUAL], size=size, parents=parents)


def above(found: Candidates) -> dict[str, list[tuple[str, float]]]:
    return {
        each.label: [(label, round(score, 9)) for label, score in each.ancestors] for each in found.candidates
    }


def test_votes_of_what_is_a_kind_of_a_label_sum_up() -> None:
    found = pooled(("goldfinch", 0.5), ("siskin", 0.5), ("wren", 0.5), ("goldfinch", 0.5))

    assert above(found) == {
        "goldfinch": [("finch", 0.75), ("bird", 1.0)],
        "siskin": [("finch", 0.75), ("bird", 1.0)],
        "wren": [("bird", 1.0)],
    }


def test_candidates_stay_what_they_are_without_a_hierarchy() -> None:
    pairs = [("goldfinch", 0.6), ("siskin", 0.55), ("wren", 0.5)]

    with_it, without = pooled(*pairs), pooled(*pairs, parents=NO_PARENTS)

    assert [(each.label, each.score, each.neighbours) for each in with_it.candidates] == [
        (each.label, each.score, each.neighbours) for each in without.candidates
    ]
    assert all(each.ancestors == () for each in without.candidates)
    assert (with_it.margin, with_it.entropy, with_it.unknown_score) == (
        without.margin,
        without.entropy,
        without.unknown_score,
    )


def test_labels_that_are_not_returned_vote_for_what_they_are_kinds_of() -> None:
    found = pooled(("goldfinch", 0.5), ("siskin", 0.5), ("goldfinch", 0.5), size=1)

    assert above(found) == {"goldfinch": [("finch", 1.0), ("bird", 1.0)]}


def test_an_inner_label_that_was_taught_votes_for_itself_and_upwards_once() -> None:
    found = pooled(("finch", 0.5), ("goldfinch", 0.5))

    assert above(found) == {
        "finch": [("bird", 1.0)],
        "goldfinch": [("finch", 1.0), ("bird", 1.0)],
    }


def test_a_neighbour_of_two_spaces_adds_to_its_ancestors_what_it_adds_to_its_label() -> None:
    found = pool(
        "0",
        {"visual": hits(("goldfinch", 0.5), ("wren", 0.5)), "name": hits(("goldfinch", 0.5))},
        [NAME, VISUAL],
        size=5,
        parents=BIRDS,
    )

    first = found.candidates[0]
    assert first.label == "goldfinch"
    assert first.score == pytest.approx(2 / 3)
    assert first.ancestors[0] == Ancestor("finch", first.score)


def test_a_label_that_the_hierarchy_does_not_know_is_a_kind_of_nothing() -> None:
    assert above(pooled(("robot", 0.5), ("wren", 0.5))) == {"robot": [], "wren": [("bird", 0.5)]}


def test_a_circle_that_a_damaged_log_brought_ends() -> None:
    assert len(list(lineage("a", {"a": "b", "b": "a"}))) == LIMITS.hierarchy_levels


LABELS = st.sampled_from("abcdefgh")
FORESTS = st.lists(st.tuples(LABELS, LABELS)).map(
    lambda pairs: {label: parent for label, parent in pairs if parent < label}  # so there is no circle
)


@given(st.dictionaries(LABELS, st.floats(0.01, 1), min_size=1), FORESTS)
def test_an_ancestor_has_the_shares_of_exactly_those_below_it(
    votes: dict[str, float], parents: dict[str, str]
) -> None:
    total = math.fsum(votes.values())
    shares = [(label, vote / total) for label, vote in votes.items()]

    found = ancestors(shares, parents)

    for label in votes:
        for name, score in found(label):
            below = [share for other, share in shares if other == name or name in lineage(other, parents)]
            assert score == pytest.approx(min(1.0, math.fsum(below)))
        scores = [dict(shares)[label], *(score for _, score in found(label))]
        assert scores == sorted(scores)
