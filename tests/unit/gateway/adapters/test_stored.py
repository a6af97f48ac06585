"""Images, records and markers over an object store."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.adapters.stored import StoredImages, StoredRecognitions, StoredSubmissions
from services.gateway.domain import keys
from services.gateway.domain.collections import DEFAULT_COLLECTION
from services.gateway.domain.recognition import Progress, Recognition, RecognitionState
from services.kernel.failures import Failure
from tests.fakes.gateway import task
from tests.fakes.gateway_case import GatewayCase
from tests.fakes.object_store import InMemoryStore


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore()


def test_a_record_reads_as_it_was_written(case: GatewayCase, store: InMemoryStore) -> None:
    record = case.recognize(task(recognition_id="r1"))
    failed = replace(
        record,
        envelope=replace(record.envelope, recognition_id="r2"),
        state=RecognitionState.FAILED,
        regions=(),
        failure=Failure("UNAVAILABLE", "DOWN", "later", "image", 1.5),
    )
    recognitions = StoredRecognitions(store)

    for each in (record, failed):
        assert recognitions.keep(each) is each
        assert recognitions.find("default", each.envelope.recognition_id) == each


@given(st.floats(0, 4e9))
def test_a_time_reads_as_it_was_written(time_s: float) -> None:
    record = Recognition(GatewayCase().intake(task(recognition_id="r1")).envelope, RecognitionState.COMPLETED)
    recognitions = StoredRecognitions(InMemoryStore())
    first = recognitions.keep(replace(record, ended_at_s=time_s))

    again = recognitions.find("default", "r1")

    assert again is not None
    assert again.ended_at_s == pytest.approx(first.ended_at_s, abs=1e-9)
    if time_s > 1e8:  # any date since 1973
        assert again.ended_at_s == np.float64(first.ended_at_s)


def test_the_first_record_stays(case: GatewayCase, store: InMemoryStore) -> None:
    first = case.recognize(task(recognition_id="r1"))
    recognitions = StoredRecognitions(store)
    recognitions.keep(first)

    kept = recognitions.keep(replace(first, ended_at_s=5.0))

    assert kept == first
    assert recognitions.find("default", "r1") == first
    assert recognitions.find("acme", "r1") is None


def test_what_was_accepted_first_stays(case: GatewayCase, store: InMemoryStore) -> None:
    envelope = case.intake(task(recognition_id="r1", submission_id="s1")).envelope
    submissions = StoredSubmissions(store)

    assert submissions.find(envelope) is None
    assert submissions.accept(envelope) is envelope
    assert submissions.accept(replace(envelope, accepted_at_s=5.0)) == envelope
    assert submissions.find(envelope) == envelope


def test_markers_count_each_image_of_a_batch_once(case: GatewayCase, store: InMemoryStore) -> None:
    submissions = StoredSubmissions(store)
    batch = case.intake(task(recognition_id="r0", submission_id="s1")).envelope
    for i in range(4):
        submissions.accept(replace(batch, recognition_id=f"r{i}"))
    for _ in range(2):
        submissions.end(batch, RecognitionState.COMPLETED)
    submissions.end(replace(batch, recognition_id="r1"), RecognitionState.FAILED)
    submissions.accept(replace(batch, submission_id="s10"))

    assert submissions.progress("default", "s1") == Progress(4, 1, 1)
    assert submissions.progress("default", "s") == Progress(0, 0, 0)
    assert submissions.progress("acme", "s1") == Progress(0, 0, 0)


def test_an_image_that_ended_counts_as_accepted_though_a_crash_kept_its_marker_away(
    case: GatewayCase, store: InMemoryStore
) -> None:
    submissions = StoredSubmissions(store)
    envelope = case.intake(task(recognition_id="r0", submission_id="s1")).envelope

    submissions.end(envelope, RecognitionState.COMPLETED)

    assert submissions.progress("default", "s1") == Progress(1, 1, 0)


def test_an_image_that_is_there_is_stored_again_only_to_renew_it() -> None:
    store = InMemoryStore()
    images = StoredImages(store)
    key = keys.image(DEFAULT_COLLECTION, "d")
    images.store(key, b"picture")
    (first,) = images.list(key)

    images.store(key, b"picture")
    assert list(images.list(key)) == [first]

    images.store(key, b"picture", renew=True)
    (renewed,) = images.list(keys.images(DEFAULT_COLLECTION))
    assert renewed.stored_at_s > first.stored_at_s
    assert images.has(key)
    images.delete(key)
    assert not images.has(key)
