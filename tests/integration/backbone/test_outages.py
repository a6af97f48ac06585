"""All five services over Kafka, MinIO and Triton: one of those dies while work is under way, and returns."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from fovea.gateway.v1 import gateway_pb2
from infra.local import daemons
from infra.local.daemons import Daemon
from infra.local.minio import MinioServer
from infra.local.server import Running, running
from infra.local.triton import TritonServer
from tests.chaos.platform import Platform, started
from tests.e2e.calls import Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

LABELS = sorted(COLOURS)
IMAGES = 40
PATIENCE_S = 90.0


@pytest.fixture
def servers(tmp_path: Path, kafka_server: Running) -> Iterator[dict[str, Running]]:
    with (
        running(MinioServer(), tmp_path / "minio") as minio,
        running(TritonServer(), tmp_path / "triton") as triton,
    ):
        yield {"kafka": kafka_server, "minio": minio, "triton": triton}


@pytest.fixture
def platform(tmp_path: Path, servers: dict[str, Running]) -> Iterator[Platform]:
    settings = {name: value for server in servers.values() for name, value in server.settings.items()}
    with started(tmp_path, settings) as platform:
        yield platform


@pytest.mark.parametrize("down", ["minio", "triton"])
def test_a_server_that_is_away_for_a_while_costs_time_and_no_image(
    platform: Platform, servers: dict[str, Running], down: str
) -> None:
    (daemon,) = servers[down].daemons
    with Calls(platform.target, collection=f"without-{down}") as calls:
        calls.create_collection()
        calls.remember([(label, png(label, seed=900)) for label in LABELS])
        before = calls.recognize(png(LABELS[0], seed=1), recognition_id=f"before-{down}")
        images = {f"{down}-{n}": png(LABELS[n % 3], seed=n) for n in range(IMAGES)}
        receipts = list(calls.submit(images, submission_id=down))
        daemon.kill()
        assert all(answer.HasField("receipt") for answer in receipts)
        with pytest.raises(grpc.RpcError) as caught:
            calls.recognize(png(LABELS[0], seed=2))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

        again = daemons.start(daemon.program)
        try:
            began = time.monotonic()
            with _told_by_logs(platform, again):
                progress = eventually(lambda: _all_ended(calls, down), timeout_s=PATIENCE_S)
            sys.stderr.write(f"\n{down} killed: all ended {time.monotonic() - began:.1f} s after its start\n")
            assert (progress.accepted, progress.completed, progress.failed) == (IMAGES, IMAGES, 0)
            after = calls.recognize(png(LABELS[0], seed=1), recognition_id=f"after-{down}")
        finally:
            again.stop()
    assert [stage.models for stage in after.envelope.stages] == [
        stage.models for stage in before.envelope.stages
    ]


@contextmanager
def _told_by_logs(platform: Platform, server: Daemon) -> Iterator[None]:
    """Add to a failure what all processes said last."""
    try:
        yield
    except AssertionError as error:
        error.add_note(f"{server.program.name}, alive: {server.alive}:\n{server.said}")
        for name, program in platform.programs.items():
            error.add_note(f"{name}, alive: {program.alive}:\n{program.log()[-1500:]}")
        raise


def _all_ended(calls: Calls, submission: str) -> gateway_pb2.GetSubmissionResponse | None:
    try:
        progress = calls.submission(submission)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return None
        raise
    return progress if progress.completed + progress.failed >= IMAGES else None
