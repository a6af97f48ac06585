"""Claim checks and dead letters over Kafka and MinIO, as they are on the embedded backbone."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import fovea
from fovea.client import NotFound
from infra.local.daemons import standing_still
from infra.local.server import Running
from services.gateway.domain.keys import image
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import CollectionKey
from services.runtime.claim_check import PAYLOAD_BYTES, PAYLOAD_KEY
from services.runtime.event_log.kafka import KafkaLog
from services.runtime.event_log.ports import Record
from services.runtime.event_log.reading import read_to_end
from services.runtime.object_store.minio import MinioSettings, MinioStore
from services.runtime.topics import TOPICS
from tests.chaos.platform import Platform, started
from tests.e2e.pictures import png
from tests.e2e.waiting import eventually
from tests.integration.minio.buckets import a_bucket

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def bucket(minio_server: Running) -> MinioSettings:
    return a_bucket(minio_server)


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory,
    kafka_server: Running,
    minio_server: Running,
    bucket: MinioSettings,
) -> Iterator[Platform]:
    settings = {**kafka_server.settings, **minio_server.settings, "FOVEA_S3_BUCKET": bucket.bucket}
    with started(tmp_path_factory.mktemp("platform"), settings) as platform:
        yield platform


@pytest.fixture
def store(bucket: MinioSettings) -> Iterator[MinioStore]:
    with closing(MinioStore(bucket)) as store:
        yield store


def events(kafka: Running, topic: str, collection: str) -> list[Record]:
    """Return what a topic holds of a collection."""
    with closing(KafkaLog(kafka.settings["FOVEA_KAFKA_SERVERS"], TOPICS.settings())) as log:
        return [record for record in read_to_end(log, [topic]) if f"/{collection}/" in f"{record.key}/"]


def test_as_many_regions_as_allowed_travel_over_the_object_store(
    platform: Platform, kafka_server: Running, store: MinioStore
) -> None:
    boxes = [fovea.Box(x, y, x + 8, y + 8) for x in range(0, 128, 8) for y in range(0, 128, 8)]
    assert len(boxes) == LIMITS.regions_per_image
    with fovea.Client(platform.target, collection="claims", timeout_s=60) as client:
        client.create_collection(fovea.Collection("claims"))
        client.teach_image("poppy", png("poppy", seed=100))
        picture = fovea.Picture(png("poppy"), regions=boxes, recognition_id="large")
        list(client.submit([picture], submission_id="large"))
        eventually(lambda: client.submission("large").pending == 0 or None, timeout_s=PATIENCE_S)
        assert len(client.recognition("large").regions) == len(boxes)

    encoded, *again = events(kafka_server, "regions.encoded", "claims")
    assert all(each.headers[PAYLOAD_KEY] == encoded.headers[PAYLOAD_KEY] for each in again)  # at least once
    assert encoded.value == b""
    payload = store.get(encoded.headers[PAYLOAD_KEY])
    assert len(payload) == int(encoded.headers[PAYLOAD_BYTES]) > LIMITS.event_bytes
    digest = hashlib.sha256(payload).hexdigest()
    assert encoded.headers[PAYLOAD_KEY] == f"default/payloads/regions.encoded/{digest}"
    message: Any = TOPICS["regions.encoded"].decode(dataclasses.replace(encoded, value=payload))
    assert len(message.regions) == len(boxes)


def command(platform: Platform, *arguments: str) -> list[dict[str, Any]]:
    """Return what `fovea dead-letters` wrote."""
    program = [str(Path(sys.executable).with_name("fovea")), "dead-letters", *arguments]
    done = subprocess.run(
        [*program, "--target", platform.target, "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def replayed(platform: Platform, *arguments: str) -> list[str]:
    """Return what became of each letter that was to be replayed."""
    return [one["outcome"] for one in command(platform, "replay", *arguments)]


def test_a_lesson_whose_picture_was_lost_is_replayed_when_it_is_back(
    platform: Platform, kafka_server: Running, store: MinioStore
) -> None:
    picture = png("fern", seed=7)
    key = image(CollectionKey("default", "letters"), hashlib.sha256(picture).hexdigest())
    with fovea.Client(platform.target, collection="letters", timeout_s=60) as client:
        client.create_collection(fovea.Collection("letters"))
        with ThreadPoolExecutor(1) as pool:
            with standing_still(platform.programs["encoding"].pid):
                lesson = pool.submit(client.teach_image, "fern", picture)
                eventually(lambda: events(kafka_server, "exemplars.submitted", "letters") or None)
                store.delete(key)
            with pytest.raises(NotFound) as caught:
                lesson.result()
        assert caught.value.reason == "NO_OBJECT"

        listed = command(platform, "list", "--topic", "exemplars.submitted", "--reason", "NO_OBJECT")
        (letter,) = [one for one in listed if "/letters/" in one["key"]]
        (shown,) = command(platform, "show", letter["id"])
        assert key.encode().hex() in shown["value_hex"]
        store.put(key, picture)
        assert replayed(platform, letter["id"], "--dry-run") == ["would_replay"]
        assert client.labels() == ()

        assert replayed(platform, letter["id"]) == ["replayed"]
        eventually(lambda: client.labels() or None)
        assert replayed(platform, letter["id"]) == ["already_replayed"]
        assert replayed(platform, letter["id"], "--again") == ["replayed"]
        eventually(lambda: len(events(kafka_server, "exemplars.encoded", "letters")) > 1 or None)
        assert [(one.label, one.exemplars) for one in client.labels()] == [("fern", 1)]
