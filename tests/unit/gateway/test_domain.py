"""What the gateway knows without asking anybody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain import keys
from services.gateway.domain.collections import (
    Collection,
    Retention,
    RetentionPolicy,
    checked_collection_settings,
)
from services.gateway.domain.options import asks_the_same, effective_options
from services.gateway.domain.recognition import retrieval_order
from services.gateway.domain.teaching import digest_of, exemplar_id
from services.kernel.errors import InvalidInput
from services.kernel.rankings import Candidate, Candidates, RankingStatus
from services.kernel.vocabulary import Box, CollectionKey, ExemplarKind, RecognitionOptions, SpaceVote
from tests.fakes.gateway import SHIPPED

KEY = CollectionKey("acme", "birds")
KEEN = SpaceVote("visual", 2.0, 0.05, 0.6)


def test_the_caller_wins_over_the_collection_and_the_collection_over_what_is_shipped() -> None:
    collection = Collection(KEY, votes=(KEEN,), trust_threshold=0.9, unknown_threshold=0.8)
    asked = RecognitionOptions(size=3, unknown_threshold=0.1)

    found = effective_options(asked, collection, SHIPPED)

    assert (found.size, found.trust_threshold, found.unknown_threshold) == (3, 0.9, 0.1)
    assert found.votes == (KEEN, SHIPPED.votes[1])


def test_nothing_stays_open_when_nobody_says_anything() -> None:
    assert effective_options(RecognitionOptions(), Collection(KEY), SHIPPED) == SHIPPED


def test_zero_is_an_answer_and_not_a_gap() -> None:
    found = effective_options(RecognitionOptions(trust_threshold=0.0), Collection(KEY), SHIPPED)

    assert found.trust_threshold == 0


def test_a_request_asks_the_same_after_its_collection_has_changed() -> None:
    asked = RecognitionOptions(size=3)
    stored = effective_options(asked, Collection(KEY, trust_threshold=0.9), SHIPPED)

    assert asks_the_same(asked, stored, SHIPPED)


@pytest.mark.parametrize(
    "other",
    [
        RecognitionOptions(),
        RecognitionOptions(size=4),
        RecognitionOptions(size=3, trust_threshold=0.5),
        RecognitionOptions(size=3, votes=(KEEN,)),
        RecognitionOptions(size=3, shapes=(Box(0, 0, 1, 1),)),
        RecognitionOptions(size=3, exclude_exemplar_ids=("x",)),
    ],
)
def test_a_request_with_another_option_asks_something_else(other: RecognitionOptions) -> None:
    stored = effective_options(RecognitionOptions(size=3), Collection(KEY), SHIPPED)

    assert not asks_the_same(other, stored, SHIPPED)


@given(scores=st.lists(st.floats(0.001, 1), max_size=5), unknown=st.floats(0, 1, allow_subnormal=False))
def test_without_a_ranker_scores_become_probabilities_that_sum_to_one(
    scores: list[float], unknown: float
) -> None:
    labels = tuple(Candidate(f"label {i}", score, ()) for i, score in enumerate(scores))
    found = Candidates("0", labels, margin=0.0, entropy=0.0, unknown_score=unknown, votes=())

    ranking = retrieval_order(found)

    total = sum(label.probability for label in ranking.labels) + ranking.probability_unknown
    assert total == pytest.approx(1)
    assert [label.label for label in ranking.labels] == [each.label for each in labels]
    assert (ranking.status, ranking.rung) == (RankingStatus.DEGRADED, "ranking_unavailable")


def test_the_same_lesson_has_the_same_id_and_another_has_another() -> None:
    image = ExemplarKind.IMAGE
    one = exemplar_id(image, label="robin", content="d")

    assert one == exemplar_id(image, label="robin", content="d")
    others = [
        exemplar_id(ExemplarKind.NAME, label="robin", content="d"),
        exemplar_id(image, label="wren", content="d"),
        exemplar_id(image, label="robin", content="e"),
        exemplar_id(image, label="robin", content="d", place=Box(0, 0, 1, 1)),
        exemplar_id(image, label="robin", content="d", place=Box(0, 0, 1, 2)),
    ]
    assert len({one, *others}) == len(others) + 1


@given(st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3))
def test_different_texts_never_run_together_in_a_digest(one: list[str], other: list[str]) -> None:
    assert (digest_of(one) == digest_of(other)) == (one == other)


def test_no_name_that_a_user_chooses_leads_into_keys_of_another_kind() -> None:
    prefixes = [
        keys.images(CollectionKey("t", "submissions")),
        keys.passing_images(CollectionKey("t", "images")),
        keys.markers("t", "images", "accepted"),
        keys.recognition("t", "images"),
    ]

    for one in prefixes:
        assert not any(other.startswith(one) for other in prefixes if other != one)


def test_only_images_that_are_not_kept_are_passing() -> None:
    assert keys.is_passing(keys.passing_image(KEY, "r1", "d"))
    assert not keys.is_passing(keys.image(CollectionKey("passing", "passing"), "d"))
    assert not keys.is_passing("")


@pytest.mark.parametrize(
    ("retention", "field"),
    [
        (Retention(RetentionPolicy.DAYS), "collection.image_retention.days"),
        (Retention(RetentionPolicy.DAYS, 36_501), "collection.image_retention.days"),
        (Retention(RetentionPolicy.KEEP, 3), "collection.image_retention.days"),
    ],
)
def test_days_that_make_no_sense_are_refused(retention: Retention, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_collection_settings(Collection(KEY, retention=retention))

    assert refused.value.field == field
