"""Weights are found again where they were put, and useless sources get none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from models.ranking.fitting import Labelled, fit
from models.ranking.joining import Weights, feature, join


def drawn(
    count: int, weights: dict[str, float], seed: int, sizes: tuple[int, ...] = (2, 5, 9)
) -> list[Labelled]:
    """Return lists whose right candidate is drawn as these weights say."""
    rng = np.random.default_rng(seed)
    lists = []
    for i in range(count):
        k = sizes[i % len(sizes)]
        evidence = {source: feature(rng.normal(size=k) * 1.5) for source in weights}
        score = sum((weight * evidence[source] for source, weight in weights.items()), np.zeros(k))
        likely = np.exp(score - score.max())
        lists.append(Labelled(evidence, int(rng.choice(k, p=likely / likely.sum()))))
    return lists


def test_the_weights_that_drew_the_truth_are_found_again() -> None:
    true = {"retrieval": 1.2, "letters": 0.4, "names": 0.0}

    found = fit(drawn(1500, true, seed=0), tuple(true))

    for source, weight in true.items():
        assert abs(found.weights[source] - weight) < 4 * found.errors[source]
        assert found.errors[source] < 0.1


def test_it_is_the_one_minimum_that_a_library_finds() -> None:
    lists = drawn(60, {"retrieval": 1.0, "letters": 0.5}, seed=1)
    sources = ("retrieval", "letters")

    def loss(weights: np.ndarray) -> float:
        total = 0.5 * float(weights @ weights)
        for each in lists:
            score = sum(
                (w * feature(each.evidence[s]) for s, w in zip(sources, weights, strict=True)), np.zeros(1)
            )
            total += float(np.log(np.exp(score).sum()) - score[each.truth])
        return total

    found = fit(lists, sources, l2=1.0)

    best = optimize.minimize(loss, np.zeros(2), method="BFGS").x
    np.testing.assert_allclose([found.weights[s] for s in sources], best, atol=1e-4)
    near = np.eye(2) * 1e-3
    bends = [
        [(loss(best + a + b) - loss(best + a) - loss(best + b) + loss(best)) / 1e-6 for a in near]
        for b in near
    ]
    expected = np.sqrt(np.diag(np.linalg.inv(bends)))
    np.testing.assert_allclose([found.errors[s] for s in sources], expected, rtol=0.01)


def test_joined_with_its_weights_the_sources_are_right_more_often_than_each_alone() -> None:
    true = {"retrieval": 1.0, "letters": 1.0}
    lists, held_out = drawn(300, true, seed=2), drawn(600, true, seed=3)
    weights = Weights((fit(lists, tuple(true)).weights, {"retrieval": 1.0}))

    def accuracy(sources: tuple[str, ...]) -> float:
        return float(
            np.mean(
                [
                    join(
                        len(each.evidence["retrieval"]),
                        {source: each.evidence[source] for source in sources},
                        unknown=0.0,
                        weights=weights,
                    ).order[0]
                    == each.truth
                    for each in held_out
                ]
            )
        )

    assert accuracy(("retrieval", "letters")) > accuracy(("retrieval",)) + 0.05


def test_lists_that_say_nothing_are_left_out_and_counted() -> None:
    good = drawn(30, {"retrieval": 1.0}, seed=4)
    bad = [
        Labelled({"retrieval": np.array([np.nan, 0.0])}, 0),
        Labelled({"letters": np.zeros(2)}, 0),
        Labelled({"retrieval": np.zeros(2)}, 2),
        Labelled({"retrieval": np.zeros(2)}, -1),
    ]

    found = fit([*good, *bad], ("retrieval",))

    assert (found.lists, found.left_out) == (30, 4)
    assert found == fit(good + bad, ("retrieval",))


def test_separable_lists_give_finite_weights() -> None:
    lists = [Labelled({"retrieval": np.log(np.array([0.9, 0.1]))}, 0)] * 50

    found = fit(lists, ("retrieval",))

    assert 0 < found.weights["retrieval"] < 10


def test_two_sources_that_say_the_same_share_the_weight() -> None:
    lists = [
        Labelled({"a": each.evidence["retrieval"], "b": each.evidence["retrieval"]}, each.truth)
        for each in drawn(150, {"retrieval": 1.0}, seed=5)
    ]

    found = fit(lists, ("a", "b"))

    assert found.weights["a"] == pytest.approx(found.weights["b"])
    assert fit(lists, ("a", "b"), l2=0.0).loss == pytest.approx(found.loss, abs=1e-3)


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="none of 0 lists"):
        fit([], ("retrieval",))
    with pytest.raises(ValueError, match="name a source"):
        fit(drawn(3, {"retrieval": 1.0}, seed=6), ())
