"""Two replicas as processes, a writer and one Milvus, over a real Kafka and a real object store."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from benchmarks.visibility import Writer, seen
from infra.local.server import Running
from tests.e2e.processes import Program
from tests.e2e.waiting import eventually
from tests.fakes.milvus import LiteServer
from tests.integration.replica_reads import exemplars, writing

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

MODULE = "services.retrieval"


@pytest.fixture
def settings(tmp_path: Path, kafka_server: Running, minio_server: Running) -> Iterator[dict[str, str]]:
    with LiteServer(tmp_path / "milvus") as milvus:
        yield {
            **kafka_server.settings,
            **minio_server.settings,
            "FOVEA_S3_BUCKET": f"memory-{uuid.uuid4()}",
            "FOVEA_ADMIN_PORT": "0",
            "FOVEA_MEMORY_ENGINE": "milvus",
            "FOVEA_MILVUS_URI": milvus.address.uri,
            "FOVEA_MILVUS_INDEX": "FLAT",
        }


@pytest.fixture
def writer(kafka_server: Running) -> Iterator[Writer]:
    with writing(kafka_server) as opened:
        yield opened


def test_what_is_written_is_found_on_both_replicas(
    tmp_path: Path, settings: Mapping[str, str], writer: Writer
) -> None:
    with ExitStack() as stack:
        replicas = {
            name: stack.enter_context(Program(MODULE, tmp_path / name, settings)) for name in ("one", "two")
        }
        _, version = writer.write(10)  # makes the table of vectors, which takes a second
        eventually(lambda: exemplars(replicas["one"], writer, version) == 10 or None)

        targets = {name: each.target for name, each in replicas.items()}
        found = seen(writer, targets, writes=30, goal_s=1.0)  # fails if anything is not found

        # how soon is not asked: the server for tests takes a second of processor for each search
        assert [len(one.seconds) for one in found] == [30, 30]


def test_when_the_writer_is_killed_the_other_replica_goes_on(
    tmp_path: Path, settings: Mapping[str, str], writer: Writer
) -> None:
    with Program(MODULE, tmp_path / "one", settings) as one:
        _, version = writer.write(200)
        eventually(lambda: exemplars(one, writer, version) == 200 or None)
        with Program(MODULE, tmp_path / "two", settings) as two:
            one.kill()
            _, version = writer.write(100)

            eventually(lambda: _known(two, writer, version) == 300 or None)


def _known(replica: Program, writer: Writer, version: str) -> int:
    try:
        return exemplars(replica, writer, version)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return 0
        raise
