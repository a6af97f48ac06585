"""The streaming door, over fakes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.gateway.domain import keys
from services.gateway.domain.recognition import (
    DeadLetter,
    Progress,
    Recognition,
    RecognitionState,
    failed,
)
from services.gateway.usecases.submit import GetRecognition, GetSubmission, WatchRecognitions
from services.kernel.errors import Conflict, NotFound, Unavailable
from services.kernel.failures import Failure
from services.kernel.vocabulary import CollectionKey, Envelope
from tests.fakes.gateway import InMemoryEndings, picture, task
from tests.fakes.gateway_case import PASSING, GatewayCase

DAMAGED = Failure("INVALID_ARGUMENT", "IMAGE_DAMAGED", "cut off", "image")


def _ended(envelope: Envelope, state: RecognitionState = RecognitionState.COMPLETED) -> Recognition:
    return Recognition(envelope, state)


def _letter(envelope: Envelope | None) -> DeadLetter:
    key = CollectionKey("default", "default")
    return DeadLetter(key, "r1", envelope.submission_id if envelope else "", DAMAGED, envelope)


def test_a_receipt_means_that_image_marker_and_event_are_there(case: GatewayCase) -> None:
    envelope = case.submit(task(recognition_id="r1", submission_id="s1"))

    assert case.images.has(envelope.image.key)
    assert case.submissions.find(envelope) == envelope
    assert case.announcer.submissions == [envelope]


@pytest.mark.parametrize("broken", ["images", "submissions", "announcer"])
def test_whatever_fails_on_the_way_no_marker_stays_without_an_event(case: GatewayCase, broken: str) -> None:
    port = getattr(case, broken)
    port.error = Unavailable("down")

    with pytest.raises(Unavailable):
        case.submit(task(recognition_id="r1", submission_id="s1"))

    assert case.submissions.accepted == {}


@pytest.mark.parametrize("broken", ["images", "submissions", "announcer"])
def test_a_retry_after_a_failure_is_accepted(case: GatewayCase, broken: str) -> None:
    port = getattr(case, broken)
    port.error = Unavailable("down")
    with pytest.raises(Unavailable):
        case.submit(task(recognition_id="r1", submission_id="s1"))
    port.error = None

    envelope = case.submit(task(recognition_id="r1", submission_id="s1"))

    assert case.announcer.submissions[-1] == envelope
    assert list(case.submissions.accepted.values()) == [envelope]


def test_nothing_is_accepted_before_its_image_is_durable(case: GatewayCase) -> None:
    case.images.error = Unavailable("disk full")

    with pytest.raises(Unavailable):
        case.submit(task(recognition_id="r1", submission_id="s1"))

    assert case.announcer.submissions == []
    assert case.submissions.accepted == {}


def test_an_id_of_the_batch_with_another_image_is_refused_and_nothing_changes(case: GatewayCase) -> None:
    first = case.submit(task(recognition_id="r1", submission_id="s1"))

    with pytest.raises(Conflict):
        case.submit(task(picture("blue"), recognition_id="r1", submission_id="s1"))

    assert list(case.images.kept) == [first.image.key]
    assert case.announcer.submissions == [first]


def test_what_has_ended_already_gets_a_receipt_and_counts_at_once(case: GatewayCase) -> None:
    record = case.recognize(task(recognition_id="r1"))

    envelope = case.submit(task(recognition_id="r1", submission_id="s1"))

    assert case.announcer.submissions == []
    assert GetSubmission(case.submissions)("default", "s1") == Progress(1, 1, 0)
    assert GetRecognition(case.recognitions)("default", envelope.recognition_id) is record


def test_the_end_of_a_recognition_stores_record_and_marker_and_lets_a_passing_image_go(
    case: GatewayCase,
) -> None:
    envelope = case.submit(task(recognition_id="r1", submission_id="s1", collection=PASSING))
    assert case.images.has(envelope.image.key)

    case.end(_ended(envelope))

    assert case.recognitions.find("default", "r1") == _ended(envelope)
    assert GetSubmission(case.submissions)("default", "s1") == Progress(1, 1, 0)
    assert case.images.kept == {}


def test_an_end_that_comes_twice_leaves_the_first_record(case: GatewayCase) -> None:
    envelope = case.submit(task(recognition_id="r1", submission_id="s1"))
    case.end(_ended(envelope))

    case.end(_ended(envelope, RecognitionState.FAILED))

    assert case.recognitions.find("default", "r1") == _ended(envelope)
    assert GetSubmission(case.submissions)("default", "s1") == Progress(1, 1, 0)


def test_a_dead_letter_ends_its_recognition_as_failed_with_the_reason(case: GatewayCase) -> None:
    envelope = case.submit(task(recognition_id="r1", submission_id="s1"))

    record = case.fail(_letter(envelope))
    case.end(record)

    assert (record.state, record.failure) == (RecognitionState.FAILED, DAMAGED)
    assert GetRecognition(case.recognitions)("default", "r1") == record
    assert GetSubmission(case.submissions)("default", "s1") == Progress(1, 0, 1)


def test_a_dead_letter_that_cannot_be_read_still_ends_its_recognition(case: GatewayCase) -> None:
    record = case.fail(_letter(None))

    assert record == failed(_letter(None), ended_at_s=record.ended_at_s)
    assert record.envelope.recognition_id == "r1"


def test_a_dead_letter_of_what_ended_well_changes_nothing_but_counts_for_its_batch(case: GatewayCase) -> None:
    envelope = case.submit(task(recognition_id="r1", submission_id="s1"))
    case.end(_ended(envelope))
    other = case.submit(task(recognition_id="r1", submission_id="s2"))

    record = case.fail(_letter(replace(other, submission_id="s3")))

    assert record.state is RecognitionState.COMPLETED
    assert record.envelope.submission_id == "s3"


def test_a_recognition_is_not_found_until_it_has_ended(case: GatewayCase) -> None:
    case.submit(task(recognition_id="r1", submission_id="s1"))

    with pytest.raises(NotFound):
        GetRecognition(case.recognitions)("default", "r1")


def test_an_unknown_submission_is_not_found(case: GatewayCase) -> None:
    with pytest.raises(NotFound) as missing:
        GetSubmission(case.submissions)("default", "s1")

    assert missing.value.field == "submission_id"


def test_a_watch_shows_the_records_of_its_collection_and_submission_alone(case: GatewayCase) -> None:
    ours = case.intake(task(recognition_id="a", submission_id="s1")).envelope
    others = [
        replace(ours, recognition_id="b", submission_id="s2"),
        replace(ours, recognition_id="c", collection=PASSING),
        replace(ours, recognition_id="d", collection=CollectionKey("acme", "default")),
    ]
    endings = InMemoryEndings(*map(_ended, [others[0], ours, *others[1:]]))
    watch = WatchRecognitions(case.collections, endings)

    watched = watch(ours.collection, submission_id="s1", resume_token="9")  # noqa: S106  (no secret)
    found = list(watched.endings)

    assert [ended.recognition.envelope.recognition_id for ended in found] == ["a"]
    assert endings.tokens == ["9"]
    assert watched.resume_token == "begin"  # noqa: S105  (no secret)
    assert len(list(watch(ours.collection, submission_id="", resume_token="").endings)) == 2


def test_a_watch_of_an_unknown_collection_is_refused_at_once(case: GatewayCase) -> None:
    watch = WatchRecognitions(case.collections, case.endings)

    with pytest.raises(NotFound):
        watch(CollectionKey("acme", "birds"), submission_id="", resume_token="")


def test_a_passing_image_of_a_batch_has_a_key_of_its_own(case: GatewayCase) -> None:
    first = case.submit(task(recognition_id="r1", submission_id="s1", collection=PASSING))
    second = case.submit(task(recognition_id="r2", submission_id="s1", collection=PASSING))

    case.end(_ended(first))

    assert list(case.images.kept) == [second.image.key]
    assert second.image.key == keys.passing_image(PASSING, "r2", second.image.digest)
