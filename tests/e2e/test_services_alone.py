"""Each service runs alone for its gRPC door, the five together recognise, and none of them meets torch."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.encoding.v1 import encoding_pb2_grpc
from fovea.kernel.v1.ranking_pb2 import RANKING_STATUS_UNKNOWN
from fovea.kernel.v1.region_pb2 import Box, Region
from services.runtime.codec.region import write_image
from services.runtime.object_store.folder import FolderStore
from services.runtime.object_store.verified import read_verified
from tests.e2e.calls import TIMEOUT_S, Calls
from tests.e2e.pictures import drawing, encoded, png
from tests.e2e.processes import Program
from tests.fakes.encoded import reference

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
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the store that all share."""
    return tmp_path_factory.mktemp("objects")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory, objects: Path) -> Iterator[dict[str, Program]]:
    folder = tmp_path_factory.mktemp("alone")
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(
                Program(f"services.{name}", folder / name, {"FOVEA_OBJECT_FOLDER": str(objects)})
            )
            for name in INNER
        }
        addresses = {f"FOVEA_{name.upper()}_TARGET": program.target for name, program in running.items()}
        addresses["FOVEA_OBJECT_FOLDER"] = str(objects)
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


def test_encoding_alone_takes_a_stream_and_lays_maps_into_the_shared_store(
    programs: dict[str, Program], objects: Path
) -> None:
    data = encoded(drawing("fern", side=448))
    image = write_image(reference(data, size=(448, 448)))
    whole = Region(region_id="0", box=Box(left=0, top=0, right=448, bottom=448))
    items = [
        pb.EncodeRegionsStreamRequest(
            item_id=name, item=pb.EncodeRegionsRequest(image=image, regions=[whole], reading=reading)
        )
        for name, reading in (("cut", pb.REGION_READING_CROP), ("read", pb.REGION_READING_DENSE))
    ]
    with (
        closing(FolderStore(objects)) as store,
        grpc.insecure_channel(programs["encoding"].target) as channel,
    ):
        store.put(image.key, data)
        stub: Any = encoding_pb2_grpc.EncodingServiceStub(channel)
        cut, read = stub.EncodeRegionsStream(iter(items), timeout=TIMEOUT_S)
        maps = stub.EncodeMaps(pb.EncodeMapsRequest(image=image), timeout=TIMEOUT_S).maps
        stored = {each.name: read_verified(store, each.key, each.digest) for each in maps}

    assert (cut.item_id, cut.encoded.stage.reading) == ("cut", "crop")
    assert (read.item_id, read.encoded.stage.reading) == ("read", "dense")
    looks = [each.encoded.regions[0].embeddings[0] for each in (cut, read)]
    assert looks[0].encoder == looks[1].encoder
    assert len(looks[0].vector) == len(looks[1].vector)
    assert {each.name: 4 * math.prod(each.shape) for each in maps} == {
        name: len(values) for name, values in stored.items()
    }


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
