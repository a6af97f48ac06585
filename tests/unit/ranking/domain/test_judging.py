from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ranking.joining import Weights
from services.kernel.rankings import Ancestor, Candidate, Candidates
from services.ranking.domain.asking import Evidence, Judgement, Reading
from services.ranking.domain.judging import (
    NoAnswerError,
    checked_judgement,
    reordered,
    weighed,
)
from tests.fakes.rankers import judgement
from tests.fakes.ranking import candidates

HALVES = np.log([0.5, 0.5])
EVENLY = {"retrieval": 1.0, "letters": 1.0}


def joined(shares: list[float], said: Judgement, weights: dict[str, float]) -> np.ndarray:
    return weighed(shares, said, Weights((weights,)))[0]


@pytest.mark.parametrize(
    "said",
    [
        judgement([np.nan, np.nan]),
        judgement([0.0, np.nan]),
        judgement([np.inf, -np.inf]),
        judgement([-np.inf, -np.inf]),
        judgement(np.log([0.5, 0.2])),
        judgement(np.log([0.2, 0.3, 0.5])),
        judgement([]),
        replace(judgement(HALVES), evidence=()),
        replace(judgement(HALVES), readings=()),
        replace(judgement(HALVES), tokens=-1),
        replace(judgement(HALVES), readings=(Reading((0, 0), (-1.0, -1.0)),)),
        replace(judgement(HALVES), readings=(Reading((0, 2), (-1.0, -1.0)),)),
        replace(judgement(HALVES), readings=(Reading((0, 1), (-1.0,)),)),
        replace(judgement(HALVES), readings=(Reading((0, 1), (-1.0, float("nan"))),)),
        replace(judgement(HALVES), evidence=(Evidence("letters", HALVES), Evidence("names", HALVES * 3))),
    ],
)
def test_what_is_no_answer_is_refused(said: Judgement) -> None:
    with pytest.raises(NoAnswerError):
        checked_judgement(said, labels=2)


@pytest.mark.parametrize("said", [judgement(HALVES), judgement([0.0, -np.inf])])
def test_an_answer_is_an_answer(said: Judgement) -> None:
    assert checked_judgement(said, labels=2) is said


def test_sources_are_joined_by_their_weights() -> None:
    shares, said = [0.8, 0.2], judgement(np.log([0.1, 0.9]))

    evenly = joined(shares, said, EVENLY)
    model_alone = joined(shares, said, {"letters": 1.0})
    retrieval_alone = joined(shares, said, {"retrieval": 1.0})

    np.testing.assert_allclose(evenly, [0.08 / 0.26, 0.18 / 0.26])
    np.testing.assert_allclose(model_alone, [0.1, 0.9])
    np.testing.assert_allclose(retrieval_alone, [0.8, 0.2])


def test_no_source_makes_a_candidate_impossible() -> None:
    both = joined([1.0, 0.0], judgement([-np.inf, 0.0]), EVENLY)

    np.testing.assert_allclose(both, [0.5, 0.5])


def test_a_source_that_was_never_weighed_stands_in_the_record_and_does_not_count() -> None:
    strange = judgement(np.log([0.1, 0.9]), source="horoscope")

    probabilities, evidence = weighed([0.8, 0.2], strange, Weights((EVENLY,)))

    np.testing.assert_allclose(probabilities, [0.8, 0.2])
    assert [(each.source, each.weight) for each in evidence] == [("retrieval", 1.0), ("horoscope", 0.0)]


def test_candidates_behind_those_asked_about_keep_their_share() -> None:
    found = candidates(("a", 0.4), ("b", 0.3), ("c", 0.2), ("d", 0.1))

    moved = reordered(found, np.asarray([0.1, 0.9]))

    assert [each.label for each in moved.candidates] == ["b", "c", "d", "a"]
    assert [each.score for each in moved.candidates] == pytest.approx([0.63, 0.2, 0.1, 0.07])


def test_what_is_above_a_label_gains_with_it() -> None:
    finch, tit = Ancestor("finch", 0.6), Ancestor("tit", 0.4)
    bird = Ancestor("bird", 1.0)
    found = replace(
        candidates(),
        candidates=(
            Candidate("goldfinch", 0.35, (), (finch, bird)),
            Candidate("siskin", 0.25, (), (finch, bird)),
            Candidate("great tit", 0.4, (), (tit, bird)),
        ),
    )

    moved = reordered(found, np.asarray([0.1, 0.1, 0.8]))

    above = {each.label: dict(each.ancestors) for each in moved.candidates}
    assert above["great tit"] == pytest.approx({"tit": 0.8, "bird": 1.0})
    assert above["siskin"] == pytest.approx({"finch": 0.2, "bird": 1.0})


def test_candidates_without_any_score_take_the_models_order() -> None:
    moved = reordered(candidates(("a", 0.0), ("b", 0.0)), np.asarray([0.2, 0.8]))

    assert [each.label for each in moved.candidates] == ["b", "a"]


@given(
    scores=st.lists(st.floats(0, 1), min_size=1, max_size=30),
    asked=st.integers(1, 30),
    seed=st.integers(0, 2**32 - 1),
    weights=st.tuples(st.floats(0, 4), st.floats(0, 4)),
)
def test_it_is_always_a_permutation_that_keeps_the_sum(
    scores: list[float], asked: int, seed: int, weights: tuple[float, float]
) -> None:
    total = sum(scores) or 1.0
    shares = sorted((score / total for score in scores), reverse=True)
    found: Candidates = candidates(*((f"label {i}", share) for i, share in enumerate(shares)))
    asked = min(asked, len(scores))
    said = judgement(np.log(np.random.default_rng(seed).dirichlet(np.ones(asked))))

    probabilities = joined(shares[:asked], said, {"retrieval": weights[0], "letters": weights[1]})
    moved = reordered(found, probabilities)

    assert {each.label for each in moved.candidates} == {each.label for each in found.candidates}
    assert all(0 <= each.score <= 1 for each in moved.candidates)
    ordered = [each.score for each in moved.candidates]
    assert ordered == sorted(ordered, reverse=True)
    if sum(shares[:asked]):
        assert sum(ordered) == pytest.approx(sum(shares))
