from __future__ import annotations

import numpy as np

from models.evaluation.attributes import _hits, _percent
from models.evaluation.metrics import Share


def test_the_truth_is_looked_for_first_and_among_five() -> None:
    similarity = np.array([[9.0, 1, 2, 3, 4, 5], [5, 9, 4, 3, 2, 1], [9, 5, 4, 3, 2, 1]])

    first, five = _hits(similarity, np.array([0, 0, 5]))

    assert first.tolist() == [True, False, False]
    assert five.tolist() == [True, True, False]
    assert _percent(Share(1, 2)) == "50.0% (9.5% to 90.5%)"
