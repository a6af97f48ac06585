"""Which query answers which prompt."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.segmentation.outputs import Rules, Selection, iou, reached, select, sigmoid

FAR = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], dtype=np.float32)
LOW = -3.0


def _pairs(found: Selection) -> list[tuple[int, int]]:
    return list(zip(found.queries.tolist(), found.prompts.tolist(), strict=True))


def _logits(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def _wide(share: float) -> np.ndarray:
    """Two boxes of which the intersection over union is `share`."""
    shift = 100 * (1 - share) / (1 + share)
    return np.array([[0, 0, 100, 10], [shift, 0, 100 + shift, 10]], dtype=np.float64)


def _half(prompts: int) -> np.ndarray:
    return np.full(prompts, 0.5)


def test_the_best_pair_comes_first() -> None:
    found = select(FAR, [_logits([1, LOW], [LOW, 3], [2, LOW])], _half(2))

    assert _pairs(found) == [(1, 1), (2, 0), (0, 0)]
    assert found.scores == pytest.approx([0.952574, 0.880797, 0.731059], abs=1e-6)


@pytest.mark.parametrize(("overlap", "kept"), [(0.69, 2), (0.71, 1)])
def test_doubles_go_from_an_overlap_of_seven_tenths_on(overlap: float, kept: int) -> None:
    assert len(select(_wide(overlap), [_logits([2], [1])], _half(1)).queries) == kept


def test_what_answers_another_prompt_is_no_double() -> None:
    found = select(_wide(0.9), [_logits([2, LOW], [LOW, 1])], _half(2))

    assert _pairs(found) == [(0, 0), (1, 1)]


def test_across_prompts_the_best_of_all_stays_when_that_is_asked_for() -> None:
    found = select(_wide(0.9), [_logits([2, LOW], [1, 3])], _half(2), Rules(across=0.7))

    assert _pairs(found) == [(1, 1)]


def test_across_prompts_each_query_answers_its_best_prompt_alone() -> None:
    found = select(FAR, [_logits([2, 3], [LOW, LOW], [4, 1])], _half(2), Rules(across=1.0))

    assert _pairs(found) == [(2, 0), (0, 1)]


def test_what_was_suppressed_suppresses_nothing() -> None:
    boxes = np.array([[0, 0, 100, 10], [16, 0, 116, 10], [32, 0, 132, 10]], dtype=np.float64)

    found = select(boxes, [_logits([3], [2], [1])], _half(1))

    assert _pairs(found) == [(0, 0), (2, 0)]


def test_each_prompt_has_a_threshold_of_its_own() -> None:
    scores = _logits([0, 0, 0])

    found = select(FAR[:1], [scores], np.array([0.49, 0.5, 0.51]))

    assert _pairs(found) == [(0, 0)]


def test_a_threshold_of_0_lets_everything_through_and_one_of_1_nothing() -> None:
    scores = _logits([-50_000, 50_000])

    assert _pairs(select(FAR[:1], [scores], np.array([0.0, 0.0]))) == [(0, 1), (0, 0)]
    assert _pairs(select(FAR[:1], [scores], np.array([1.0, 1.0]))) == []


def test_a_box_without_area_answers_nothing() -> None:
    boxes = np.array([[0, 0, 10, 10], [384, 0, 384, 10]], dtype=np.float64)

    assert _pairs(select(boxes, [_logits([1], [5])], _half(1))) == [(0, 0)]
    assert _pairs(select(boxes, [_logits([1], [5])], _half(1), Rules(across=0.5))) == [(0, 0)]


def test_no_more_than_the_most_stay() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(3, 1, (3, 500)).astype(np.float32)

    found = select(FAR, [scores], np.zeros(500))

    assert len(found.logits) == 300
    assert found.logits.tolist() == sorted(scores.ravel().tolist(), reverse=True)[:300]


def test_thousands_of_doubles_and_equals_are_looked_through_in_order() -> None:
    boxes = np.tile(FAR[:1], (60, 1))  # all doubles of the first
    scores = np.repeat(np.arange(4, dtype=np.float32), 100)[None].repeat(60, axis=0)

    found = select(boxes, [scores], np.zeros(400))

    assert found.queries.tolist() == [0] * 300
    assert found.prompts.tolist() == [*range(300, 400), *range(200, 300), *range(100, 200)]


def test_of_equal_scores_the_earlier_prompt_then_the_earlier_query_comes_first() -> None:
    found = select(FAR, [np.ones((3, 2), dtype=np.float32)], _half(2))

    assert _pairs(found) == [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)]


def test_there_may_be_no_query_and_no_prompt() -> None:
    nobody = np.zeros((0, 4))

    assert _pairs(select(nobody, [np.zeros((0, 3), dtype=np.float32)], _half(3))) == []
    assert _pairs(select(FAR, [], _half(0))) == []
    assert _pairs(select(FAR, [np.zeros((3, 0), dtype=np.float32)], _half(0), Rules(across=0.5))) == []


@pytest.mark.parametrize("thresholds", [1, 3])
def test_as_many_thresholds_as_prompts_are_needed(thresholds: int) -> None:
    with pytest.raises(ValueError, match="thresholds"):
        select(FAR, [np.zeros((3, 2), dtype=np.float32)], _half(thresholds))


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_probability(threshold: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        select(FAR, [np.zeros((3, 1), dtype=np.float32)], np.array([threshold]))


@pytest.mark.parametrize("wrong", [{"overlap": 1.2}, {"across": -0.1}, {"most": 0}])
def test_a_rule_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must hold"):
        Rules(**wrong)  # type: ignore[arg-type]


@st.composite
def _cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, Rules]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    queries, prompts = draw(st.integers(1, 12)), draw(st.integers(1, 9))
    low = rng.integers(0, 6, (queries, 2))
    boxes = np.concatenate((low, low + rng.integers(0, 6, (queries, 2))), axis=1).astype(np.float64)
    logits = rng.integers(-3, 4, (queries, prompts)).astype(np.float32)
    thresholds = rng.choice([0.0, 0.2, 0.5, 0.9], prompts)
    across = draw(st.sampled_from([None, 0.3, 0.7]))
    return boxes, logits, thresholds, Rules(across=across, most=draw(st.integers(1, 20)))


@given(_cases(), st.integers(1, 4))
def test_however_the_prompts_are_cut_into_chunks_the_answers_are_the_same(
    case: tuple[np.ndarray, np.ndarray, np.ndarray, Rules], size: int
) -> None:
    boxes, logits, thresholds, rules = case

    def chunks() -> Iterator[np.ndarray]:
        for first in range(0, logits.shape[1], size):
            yield logits[:, first : first + size]

    at_once = select(boxes, [logits], thresholds, rules)
    in_chunks = select(boxes, chunks(), thresholds, rules)

    assert _pairs(in_chunks) == _pairs(at_once)
    assert np.array_equal(in_chunks.logits, at_once.logits)


@given(_cases())
def test_the_answers_are_those_of_comparing_one_pair_after_the_other(
    case: tuple[np.ndarray, np.ndarray, np.ndarray, Rules],
) -> None:
    boxes, logits, thresholds, rules = case
    overlap = iou(boxes)
    pairs = [(q, p) for p in range(logits.shape[1]) for q in range(len(boxes))]
    scores = sigmoid(logits)
    pairs = [(q, p) for q, p in pairs if scores[q, p] > thresholds[p] and overlap[q, q] > 0]
    pairs.sort(key=lambda pair: -logits[pair])
    if rules.across is not None:
        pairs = [pair for at, pair in enumerate(pairs) if pair[0] not in {q for q, _ in pairs[:at]}]
    kept: list[tuple[int, int]] = []
    for q, p in pairs:
        rivals = [other for other, asked in kept if rules.across is not None or asked == p]
        most = rules.overlap if rules.across is None else rules.across
        if all(overlap[q, other] <= most for other in rivals):
            kept.append((q, p))

    assert _pairs(select(boxes, [logits], thresholds, rules)) == kept[: rules.most]


@given(_cases())
def test_a_prompt_is_answered_as_if_it_were_alone(
    case: tuple[np.ndarray, np.ndarray, np.ndarray, Rules],
) -> None:
    boxes, logits, thresholds, _ = case
    together = select(boxes, [logits], thresholds)

    for prompt in range(logits.shape[1]):
        alone = select(boxes, [logits[:, [prompt]]], thresholds[[prompt]])
        assert together.queries[together.prompts == prompt].tolist() == alone.queries.tolist()


def test_overlap_is_that_of_the_common_part() -> None:
    boxes = np.array([[0, 0, 4, 4], [2, 0, 6, 4], [8, 8, 9, 9], [3, 3, 3, 9]], dtype=np.float64)

    assert iou(boxes)[0] == pytest.approx([1, 8 / 24, 0, 0])
    assert iou(boxes)[3] == pytest.approx([0, 0, 0, 0])


def test_scores_are_exact_at_both_ends() -> None:
    logits = np.array([-50_000, -60, 0, 60, 50_000, -np.inf], dtype=np.float32)

    assert sigmoid(logits).tolist() == pytest.approx([0, 8.75651e-27, 0.5, 1, 1, 0])


def test_what_does_not_reach_its_threshold_is_as_good_as_nothing() -> None:
    assert reached(_logits([0, 0]), np.array([0.4, 0.6])).tolist() == [[0, -np.inf]]
