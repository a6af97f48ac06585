"""The five services as five processes over Kafka: what was accepted ends as one record, whoever is killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fovea.gateway.v1 import gateway_pb2
from infra.local.server import Running
from services.runtime.topics import TOPICS
from tests.chaos.platform import INNER, Platform, started
from tests.e2e.calls import Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.waiting import eventually
from tests.integration.kafka.logs import everything, opened

pytestmark = pytest.mark.integration

LABELS = sorted(COLOURS)
IMAGES = 50
PATIENCE_S = 60.0


@pytest.fixture
def platform(tmp_path: Path, kafka_server: Running) -> Iterator[Platform]:
    with started(tmp_path, kafka_server.settings) as platform:
        yield platform


@pytest.mark.parametrize("killed", INNER)
def test_every_accepted_image_ends_as_one_record_though_a_service_is_killed(
    platform: Platform, kafka_server: Running, killed: str
) -> None:
    with Calls(platform.target, collection=f"killed-{killed}") as calls:
        calls.create_collection()
        calls.remember([(label, png(label, seed=900)) for label in LABELS])
        images = {f"{killed}-{n}": png(LABELS[n % 3], seed=n) for n in range(IMAGES)}
        receipts = list(calls.submit(images, submission_id=killed))
        platform.kill_and_start(killed)

        assert all(answer.HasField("receipt") for answer in receipts)
        progress = eventually(lambda: _all_ended(calls, killed), timeout_s=PATIENCE_S)
        assert (progress.accepted, progress.completed, progress.failed) == (IMAGES, IMAGES, 0)
        assert all(calls.recognition(name).envelope.recognition_id == name for name in images)

    ended = _completed(kafka_server, f"killed-{killed}")
    assert set(ended) == set(images)


def _all_ended(calls: Calls, submission: str) -> gateway_pb2.GetSubmissionResponse | None:
    progress = calls.submission(submission)
    return progress if progress.completed + progress.failed >= IMAGES else None


def _completed(kafka: Running, collection: str) -> Counter[str]:
    """Return how often the log says of each recognition of a collection that it is complete."""
    spec = TOPICS["recognitions.completed"]
    with opened(kafka, TOPICS.settings()) as log:
        records = everything(log, spec.name)
    keys = [record.key.split("/") for record in records]
    return Counter(name for _, found, name in keys if found == collection)
