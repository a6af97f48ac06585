import concurrent.futures
import inspect
import subprocess
import sys
import time

import pytest
from grpc_health.v1 import health_pb2

import fovea
from fovea.client import InvalidInput, Unavailable
from tests.fakes.gateway_server import FakeServer


def modules_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_importing_fovea_loads_no_grpc() -> None:
    assert not modules_after("import fovea; dir(fovea)") & {"grpc", "google", "typer", "rich", "numpy"}


def test_importing_the_client_loads_no_numpy_and_no_service() -> None:
    loaded = modules_after("import fovea; fovea.Client('127.0.0.1:1').close()")

    assert "grpc" in loaded
    assert not loaded & {"numpy", "services", "models", "PIL", "onnxruntime", "typer", "rich"}


def test_all_public_names_can_be_had() -> None:
    for name in fovea.__all__:
        assert getattr(fovea, name).__doc__
    assert fovea.__version__
    assert set(fovea.__all__) <= set(dir(fovea))
    with pytest.raises(AttributeError, match="Clinet"):
        _ = fovea.Clinet


def test_every_call_of_the_client_is_explained() -> None:
    calls = [name for name in dir(fovea.Client) if not name.startswith("_")]

    assert len(calls) > 20
    assert all(inspect.getdoc(getattr(fovea.Client, name)) for name in calls)


def test_health_names_the_services_that_are_here(client: fovea.Client, server: FakeServer) -> None:
    server.health.set("fovea.ranking.v1.RankingService", health_pb2.HealthCheckResponse.NOT_SERVING)

    health = {service.name: service.serving for service in client.health()}

    assert health == {
        "fovea.gateway.v1.GatewayService": True,
        "fovea.gateway.v1.MemoryService": True,
        "fovea.ranking.v1.RankingService": False,
    }


def test_replicas_share_the_calls_and_one_may_go() -> None:
    with (
        FakeServer() as one,
        FakeServer() as other,
        fovea.Client(f"{one.target},{other.target}", timeout_s=10) as client,
    ):
        until = time.monotonic() + 5
        while not (one.gateway.records and other.gateway.records) and time.monotonic() < until:
            client.recognize(b"goldfinch")
        assert one.gateway.records
        assert other.gateway.records
        one.stop()
        for _ in range(20):
            assert client.recognize(b"goldfinch").best == "goldfinch"


def test_several_servers_are_given_by_address() -> None:
    with pytest.raises(InvalidInput, match="dns:///") as refused:
        fovea.Client("one:8500,other:8500")

    assert refused.value.field == "target"


def test_health_of_nobody_is_unavailable() -> None:
    with fovea.Client("127.0.0.1:1", timeout_s=2) as client, pytest.raises(Unavailable):
        client.health()


def test_another_view_shares_the_connection(client: fovea.Client, server: FakeServer) -> None:
    other = client.using(tenant="acme", collection="birds", timeout_s=1)

    other.recognize(b"x")

    task = server.script.requests["Recognize"][0].task
    assert (task.collection.tenant, task.collection.collection) == ("acme", "birds")
    assert other._session.connection is client._session.connection
    assert repr(other) == f"Client('{server.target}', acme/birds)"


def test_threads_may_share_a_client(client: fovea.Client) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: client.recognize(b"%d" % number).best, range(64)))

    assert answers == [str(number) for number in range(64)]
