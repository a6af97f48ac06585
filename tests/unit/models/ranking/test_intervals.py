"""Intervals agree with a library's."""

from __future__ import annotations

import pytest
from scipy import stats

from models.evaluation import metrics
from models.ranking.intervals import at_least, lower_bound, wilson


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (1, 1), (3, 10), (50, 100), (999, 1000), (1, 5000)])
def test_they_are_a_librarys(hits: int, count: int) -> None:
    exact = stats.binomtest(hits, count).proportion_ci(0.90, method="exact")

    assert wilson(hits, count) == pytest.approx(metrics.wilson(hits / count, float(count)))
    assert lower_bound(hits, count, error=0.05) == pytest.approx(exact.low, abs=1e-9)
    assert at_least(hits, count, 0.4) == pytest.approx(stats.binom.sf(hits - 1, count, 0.4), rel=1e-9)


def test_the_ends_are_certain() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert lower_bound(0, 10, error=0.05) == 0.0
    assert (at_least(0, 3, 0.0), at_least(1, 3, 0.0), at_least(4, 3, 0.5), at_least(3, 3, 1.0)) == (
        1,
        0,
        0,
        1,
    )
