import numpy as np
import pytest

from models.segmentation.looking.fitting import Pairs, fitted, logistic

RANDOM = np.random.default_rng(0)


NAMES = np.eye(3, dtype=np.float32)


def drawn(own: float, crop: float, near: float, shift: float, count: int = 60_000) -> Pairs:
    """Return pairs that are right as often as a known look says."""
    logits, crops = RANDOM.normal(-2, 2, count), RANDOM.uniform(-0.2, 0.8, count)
    at_large = RANDOM.uniform(0.1, 0.6, count)
    likely = 1 / (1 + np.exp(-(own * logits + crop * crops + near * at_large + shift)))
    return Pairs(logits, crops, at_large, RANDOM.random(count) < likely)


def rows(pairs: Pairs) -> np.ndarray:
    return np.stack([pairs.logits, pairs.crops, pairs.near], axis=1)


def test_logistic_regression_finds_the_weights_that_decided() -> None:
    pairs = drawn(0.8, 6.0, -4.0, -1.5)

    found = logistic(rows(pairs), pairs.right)

    assert found == pytest.approx([0.8, 6.0, -4.0, -1.5], rel=0.1)


def test_a_look_is_on_the_scale_of_the_logits_that_it_joins() -> None:
    pairs = drawn(0.8, 6.0, -4.0, -1.5)

    look = fitted(pairs, most=7, least_objectness=0.5, names=NAMES)

    alone, shift = logistic(pairs.logits[:, None], pairs.right)
    *weights, more = logistic(rows(pairs), pairs.right)
    joined = look.own * pairs.logits + look.crop * pairs.crops + look.near * pairs.near + look.shift
    np.testing.assert_allclose(alone * joined + shift, rows(pairs) @ weights + more, atol=1e-6)
    assert (look.most, look.least_objectness) == (7, 0.5)
    assert look.names is NAMES


def test_crops_that_say_nothing_are_not_believed() -> None:
    pairs = drawn(1.0, 0.0, 0.0, 0.0)

    look = fitted(pairs, most=7, least_objectness=0.5, names=NAMES)

    assert look.own == pytest.approx(1.0, abs=0.02)
    assert look.crop == pytest.approx(0.0, abs=0.2)
    assert look.near == pytest.approx(0.0, abs=0.3)
    assert look.shift == pytest.approx(0.0, abs=0.15)
