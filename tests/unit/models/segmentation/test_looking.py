import numpy as np
import pytest

from models.segmentation.looking.fitting import Pairs, fitted, logistic

RANDOM = np.random.default_rng(0)


def drawn(own: float, crop: float, shift: float, count: int = 60_000) -> Pairs:
    """Return pairs that are right as often as a known look says."""
    logits, crops = RANDOM.normal(-2, 2, count), RANDOM.uniform(-0.2, 0.8, count)
    likely = 1 / (1 + np.exp(-(own * logits + crop * crops + shift)))
    return Pairs(logits, crops, RANDOM.random(count) < likely)


def test_logistic_regression_finds_the_weights_that_decided() -> None:
    pairs = drawn(0.8, 6.0, -1.5)

    found = logistic(np.stack([pairs.logits, pairs.crops], axis=1), pairs.right)

    assert found == pytest.approx([0.8, 6.0, -1.5], rel=0.05)


def test_a_look_is_on_the_scale_of_the_logits_that_it_joins() -> None:
    pairs = drawn(0.8, 6.0, -1.5)

    look = fitted(pairs, most=7, least_objectness=0.5)

    alone, shift = logistic(pairs.logits[:, None], pairs.right)
    own, crop, more = logistic(np.stack([pairs.logits, pairs.crops], axis=1), pairs.right)
    joined = look.own * pairs.logits + look.crop * pairs.crops + look.shift
    np.testing.assert_allclose(
        alone * joined + shift, own * pairs.logits + crop * pairs.crops + more, atol=1e-6
    )
    assert (look.most, look.least_objectness) == (7, 0.5)


def test_crops_that_say_nothing_are_not_believed() -> None:
    pairs = drawn(1.0, 0.0, 0.0)

    look = fitted(pairs, most=7, least_objectness=0.5)

    assert look.own == pytest.approx(1.0, abs=0.02)
    assert look.crop == pytest.approx(0.0, abs=0.2)
    assert look.shift == pytest.approx(0.0, abs=0.1)
