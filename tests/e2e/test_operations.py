"""What an SRE sees: health, readiness, metrics, logs, and a process that ends without failing a call."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.e2e.calls import TIMEOUT_S, Calls
from tests.e2e.pictures import png
from tests.e2e.processes import Program
from tests.e2e.waiting import eventually

SERVICES = (
    "fovea.gateway.v1.GatewayService",
    "fovea.gateway.v1.MemoryService",
    "fovea.gateway.v1.CollectionService",
)


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as reply:  # noqa: S310  (our own process)
        return str(reply.read().decode())


@pytest.mark.parametrize("service", ["", *SERVICES])
def test_health_answers_for_the_process_and_for_each_service(allinone: Program, service: str) -> None:
    with grpc.insecure_channel(allinone.target) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        reply = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT_S)

    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_names_the_services(allinone: Program) -> None:
    with grpc.insecure_channel(allinone.target) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        (reply,) = stub.ServerReflectionInfo(asked, timeout=TIMEOUT_S)

    assert set(SERVICES) <= {service.name for service in reply.list_services_response.service}


def test_metrics_count_calls_events_and_models(calls: Calls, allinone: Program) -> None:
    calls.remember([("poppy", png("poppy"))])
    calls.recognize(png("poppy", seed=1))

    page = _get(f"{allinone.admin}/metrics")

    for name in (
        "fovea_rpc_duration_seconds_count",
        "fovea_events_processed_total",
        "fovea_model_forward_seconds_count",
        "fovea_memory_items",
        "process_resident_memory_bytes",
    ):
        assert f"\n{name}" in page, name


def test_admin_says_that_it_lives_and_is_ready(allinone: Program) -> None:
    assert _get(f"{allinone.admin}/healthz")
    assert _get(f"{allinone.admin}/readyz")


def test_every_log_line_is_json_with_time_level_and_service(allinone: Program) -> None:
    lines = [json.loads(line) for line in allinone.log().splitlines()]

    assert lines
    assert all({"time", "level", "message"} <= set(line) for line in lines)


def test_a_second_process_does_not_touch_the_same_data_folder(allinone: Program, tmp_path: Path) -> None:
    data = allinone.log_file.parent / "data"

    second = Program("services.allinone", tmp_path, {"FOVEA_DATA_FOLDER": str(data)})

    assert second.stop_code() != 0
    assert "in use" in second.log()


def test_a_data_folder_of_a_newer_version_is_refused_clearly(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "version.json").write_text('{"version": 999}', encoding="utf-8")

    program = Program("services.allinone", tmp_path)

    assert program.stop_code() != 0
    assert "999" in program.log()


def test_another_address_than_loopback_is_refused(tmp_path: Path) -> None:
    program = Program("services.allinone", tmp_path, {"FOVEA_HOST": "0.0.0.0"})  # noqa: S104

    assert program.stop_code() != 0
    assert "loopback" in program.log()


def test_a_signal_during_load_fails_no_call(tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()
    with Program("services.allinone", tmp_path) as program, Calls(program.target) as calls:
        calls.recognize(png("poppy"))
        threads = [threading.Thread(target=_call_until_refused, args=(calls, outcomes)) for _ in range(12)]
        for thread in threads:
            thread.start()
        eventually(lambda: outcomes["OK"] > 30 or None)
        status = program.stop()
        for thread in threads:
            thread.join()

    assert status == 0
    # A call has its answer, or was never let in: UNAVAILABLE, which clients send again elsewhere.
    assert set(outcomes) == {"OK", "UNAVAILABLE"}
    assert outcomes["UNAVAILABLE"] == len(threads)


def _call_until_refused(calls: Calls, outcomes: Counter[str]) -> None:
    outcome = "OK"
    while outcome == "OK":
        try:
            calls.recognize(png("poppy", seed=1))
        except grpc.RpcError as error:
            outcome = error.code().name
        outcomes[outcome] += 1


@pytest.mark.parametrize("path", ["/", "/../etc/passwd"])
def test_admin_serves_nothing_else(allinone: Program, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as missing:
        _get(allinone.admin + path)

    assert missing.value.code == 404
    missing.value.close()
