"""Each service runs alone for its gRPC door, the five together recognise, and none of them meets torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fovea.kernel.v1.ranking_pb2 import RANKING_STATUS_UNKNOWN
from tests.e2e.calls import TIMEOUT_S, Calls
from tests.e2e.pictures import png
from tests.e2e.processes import Program

INNER = ("segmentation", "encoding", "retrieval", "ranking")
SERVICES = (*INNER, "gateway", "allinone")

# Refuses torch to whatever the service imports, whether torch is installed or not.
WITHOUT_TORCH = """
import runpy, sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "onnx", "onnxscript"}:
            raise AssertionError(f"serving imported {name}")
sys.meta_path.insert(0, NoTorch())
runpy.run_module("services.%s.__main__", run_name="imported")
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Program]]:
    folder = tmp_path_factory.mktemp("alone")
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(
                Program(f"services.{name}", folder / name, {"FOVEA_OBJECT_FOLDER": str(folder / "objects")})
            )
            for name in INNER
        }
        addresses = {f"FOVEA_{name.upper()}_TARGET": program.target for name, program in running.items()}
        addresses["FOVEA_OBJECT_FOLDER"] = str(folder / "objects")
        running["gateway"] = stack.enter_context(Program("services.gateway", folder / "gateway", addresses))
        yield running


@pytest.mark.parametrize("name", [*INNER, "gateway"])
def test_a_service_alone_is_healthy_under_its_own_name(programs: dict[str, Program], name: str) -> None:
    full_name = f"fovea.{name}.v1.{name.capitalize()}Service"

    with grpc.insecure_channel(programs[name].target) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        reply = stub.Check(health_pb2.HealthCheckRequest(service=full_name), timeout=TIMEOUT_S)

    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_five_processes_recognise_together(programs: dict[str, Program]) -> None:
    with Calls(programs["gateway"].target) as calls:
        record = calls.recognize(png("poppy"))

    assert record.regions[0].ranking.status == RANKING_STATUS_UNKNOWN
    assert [stage.name for stage in record.envelope.stages] == list(INNER)


def test_what_needs_a_shared_event_log_says_so(programs: dict[str, Program]) -> None:
    with (
        Calls(programs["gateway"].target) as calls,
        pytest.raises(grpc.RpcError, match="event log") as refused,
    ):
        list(calls.submit({"one": png("poppy")}))

    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("name", SERVICES)
def test_serving_never_imports_torch(name: str, tmp_path: Path) -> None:
    code = WITHOUT_TORCH.replace("%s", name)

    outcome = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path.cwd(),
        env={"HOME": str(tmp_path)},
        capture_output=True,
        check=False,
    )

    assert outcome.returncode == 0, outcome.stderr.decode()
