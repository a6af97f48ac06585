"""Two replicas of the memory and a writer, over a real Kafka and a real object store."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.visibility import Writer, seen
from infra.local.server import Running
from tests.e2e.processes import Program
from tests.e2e.waiting import eventually
from tests.integration.replica_reads import exemplars, writing

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

MODULE = "services.retrieval"
EAGER = {
    "FOVEA_MEMORY_FLUSH_RECORDS": "100",
    "FOVEA_MEMORY_FLUSH_EVERY_S": "0.5",
    "FOVEA_MEMORY_SNAPSHOT_EVERY_S": "0.5",
}


@pytest.fixture
def settings(kafka_server: Running, minio_server: Running) -> dict[str, str]:
    bucket = {"FOVEA_S3_BUCKET": f"memory-{uuid.uuid4()}"}
    return {**kafka_server.settings, **minio_server.settings, **bucket, **EAGER, "FOVEA_ADMIN_PORT": "0"}


@pytest.fixture
def writer(kafka_server: Running) -> Iterator[Writer]:
    with writing(kafka_server) as opened:
        yield opened


def test_what_is_written_is_found_on_both_replicas_within_a_second(
    tmp_path: Path, settings: Mapping[str, str], writer: Writer
) -> None:
    with ExitStack() as stack:
        replicas = {
            name: stack.enter_context(Program(MODULE, tmp_path / name, settings)) for name in ("one", "two")
        }
        targets = {name: replica.target for name, replica in replicas.items()}

        for one in seen(writer, targets, writes=200, goal_s=1.0):
            assert one.at(0.99) <= one.goal_s


def test_a_replica_that_is_killed_has_everything_again_from_its_disk_or_from_a_snapshot(
    tmp_path: Path, settings: Mapping[str, str], writer: Writer
) -> None:
    with (
        Program(MODULE, tmp_path / "one", settings) as one,
        Program(MODULE, tmp_path / "two", settings) as two,
    ):
        writer.write(1_000)
        eventually(lambda: "snapshot 1 of the memory" in one.log() + two.log() or None)
        _, version = writer.write(300)
        one.kill()

        with (
            Program(MODULE, tmp_path / "one", settings) as again,
            Program(MODULE, tmp_path / "new", settings) as new,
        ):
            for replica in (again, new, two):
                assert exemplars(replica, writer, version) == 1_300
            assert "segments of the own disk" in again.log()
            assert "segments of snapshot" in new.log()
            assert "is not used" not in again.log() + new.log() + two.log()
