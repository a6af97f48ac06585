"""From neighbours to *unknown*: what is far from everything, and how far it is."""

from __future__ import annotations

import pytest

from services.kernel import defaults
from services.kernel.rankings import Candidates, RankingStatus
from services.kernel.vocabulary import RecognitionOptions
from services.ranking.domain.ordering import Thresholds
from services.ranking.usecases import Rank
from services.retrieval.domain import Hit, pool
from tests.fakes.exemplars import exemplar
from tests.fakes.ranking import RecordingMonitor

SHIPPED = Thresholds(defaults.TRUST_THRESHOLD, defaults.UNKNOWN_THRESHOLD, defaults.LEVEL_THRESHOLD)


def found(similarity: float) -> Candidates:
    return pool("0", {"visual": [Hit(exemplar("a", "robin"), similarity)]}, defaults.VOTES, size=5)


def status(similarity: float, threshold: float | None = None) -> RankingStatus:
    rank = Rank(thresholds=SHIPPED, monitor=RecordingMonitor(), version="1")
    options = RecognitionOptions(unknown_threshold=threshold)
    return rank([found(similarity)], options).rankings[0].status


def test_what_is_far_from_everything_is_unknown_and_the_record_says_how_far() -> None:
    (candidate,) = found(0.2).candidates

    assert status(0.2) is RankingStatus.UNKNOWN
    assert (candidate.label, candidate.neighbours[0].similarity) == ("robin", 0.2)
    assert found(0.2).unknown_score > 0.95


def test_what_is_near_is_known() -> None:
    assert status(0.9) is not RankingStatus.UNKNOWN


@pytest.mark.parametrize("similarity", [0.3, 0.38, 0.44, 0.6])
def test_a_collections_own_threshold_decides(similarity: float) -> None:
    unknown = found(similarity).unknown_score

    assert status(similarity, unknown + 0.001) is not RankingStatus.UNKNOWN
    assert status(similarity, unknown - 0.001) is RankingStatus.UNKNOWN
