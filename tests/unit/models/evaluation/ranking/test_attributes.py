import numpy as np
import pytest

from models.evaluation.ranking.attributes import neared, voted_first
from tests.unit.models.evaluation.ranking.cases import question


def test_a_candidate_without_description_is_as_near_as_the_others_on_average() -> None:
    found = neared(np.array([0.4, np.nan, 0.2]))

    assert found is not None
    assert found[1] == pytest.approx((found[0] + found[2]) / 2)
    assert neared(np.array([0.4, np.nan, np.nan])) is None


def test_a_description_that_is_near_votes_its_class_up() -> None:
    asked = question([0.5, 0.4], 1)  # unknown is a tenth: nine votes, of which these have 4.5 and 3.6

    assert voted_first(asked, np.array([np.nan, np.nan])) == 0
    assert voted_first(asked, np.array([0.0, 0.7])) == 1  # exp(0.1 / 0.093) is 2.9
    assert voted_first(asked, np.array([0.0, 0.58])) == 0  # exp(-0.02 / 0.093) is 0.8
