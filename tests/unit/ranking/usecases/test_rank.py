import itertools

import pytest

from services.kernel.errors import InvalidInput
from services.kernel.rankings import BroaderLabel, RankingStatus
from services.kernel.vocabulary import RecognitionOptions, Stage
from services.ranking.domain.ordering import Thresholds
from services.ranking.usecases import Rank
from tests.fakes.ranking import RecordingMonitor, candidates

NO_OPTIONS = RecognitionOptions()
LIKELY = candidates(("robin", 0.75), ("wren", 0.25), margin=0.5, unknown=0.1, region_id="1")
STRANGE = candidates(("robin", 0.75), ("wren", 0.25), margin=0.5, unknown=0.9, region_id="0")


def ranker(monitor: RecordingMonitor | None = None) -> Rank:
    ticks = itertools.count(start=10.0, step=0.5)
    return Rank(
        thresholds=Thresholds(trust=0.6, unknown=0.5, level=0.5),
        monitor=monitor or RecordingMonitor(),
        version="1.2",
        clock=lambda: next(ticks),
    )


def test_each_region_is_ranked_in_its_place() -> None:
    ranked = ranker()([STRANGE, LIKELY], NO_OPTIONS)

    assert [(each.region_id, each.status) for each in ranked.rankings] == [
        ("0", RankingStatus.UNKNOWN),
        ("1", RankingStatus.DEGRADED),
    ]


def test_the_stage_says_who_how_long_and_what_was_done_instead() -> None:
    assert ranker()([LIKELY, STRANGE, LIKELY], NO_OPTIONS).stage == Stage(
        "ranking", "1.2", duration_s=0.5, rungs=("no_ranker",)
    )
    assert ranker()([STRANGE], NO_OPTIONS).stage.rungs == ()


def test_an_image_without_regions_has_no_rankings() -> None:
    assert ranker()([], NO_OPTIONS).rankings == ()


def test_the_options_win_over_the_shipped_thresholds() -> None:
    options = RecognitionOptions(trust_threshold=0.5, unknown_threshold=0.0)

    trusting = ranker()([LIKELY], RecognitionOptions(trust_threshold=0.5))
    strict = ranker()([LIKELY], options)

    assert trusting.rankings[0].status is RankingStatus.TRUSTED_RETRIEVAL
    assert strict.rankings[0].status is RankingStatus.UNKNOWN
    assert [gate.threshold for gate in strict.rankings[0].gates] == [0.5, 0.0]


def test_the_monitor_is_told_about_every_ranking() -> None:
    monitor = RecordingMonitor()

    ranked = ranker(monitor)([LIKELY, STRANGE], NO_OPTIONS)

    assert tuple(monitor.rankings) == ranked.rankings


def test_a_bad_score_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidInput) as refused:
        ranker()([LIKELY, candidates(("robin", 2.0))], NO_OPTIONS)

    assert refused.value.field == "candidates[1].candidates[0].score"


def test_a_threshold_of_zero_is_a_threshold() -> None:
    close = candidates(("robin", 0.5), ("wren", 0.5), margin=0.0, unknown=0.0)

    ranked = ranker()([close], RecognitionOptions(trust_threshold=0.0))

    assert ranked.rankings[0].status is RankingStatus.TRUSTED_RETRIEVAL


def test_the_level_asked_for_wins_over_the_shipped_one() -> None:
    found = candidates(("goldfinch", 0.6), ("siskin", 0.4), ancestors=[("finch", 1.0)])

    assert ranker()([found], NO_OPTIONS).rankings[0].broader is None
    careful = ranker()([found], RecognitionOptions(level_threshold=0.7))
    assert careful.rankings[0].broader == BroaderLabel("finch", 1.0, steps=1)
