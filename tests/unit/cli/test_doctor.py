import socket
from pathlib import Path

from grpc_health.v1 import health_pb2

from tests.fakes.gateway_server import FakeServer
from tests.unit.cli.conftest import Run, rows


def test_every_finding_has_a_level_and_a_remedy_where_one_is_needed(run: Run) -> None:
    findings = rows(run("doctor", "--json"))

    assert {finding["level"] for finding in findings} <= {"ok", "warn", "fail"}
    assert all(finding["todo"] for finding in findings if finding["level"] != "ok")
    told = " ".join(finding["what"] for finding in findings)
    for word in (
        "Python 3",
        "grpcio",
        "onnxruntime",
        "model efficientnet-lite0/1",
        "GiB free",
        "GatewayService",
    ):
        assert word in told


def test_a_service_that_does_not_serve_fails(run: Run, server: FakeServer) -> None:
    server.health.set("fovea.gateway.v1.MemoryService", health_pb2.HealthCheckResponse.NOT_SERVING)

    result = run("doctor")

    assert result.exit_code == 1
    assert "fail fovea.gateway.v1.MemoryService: NOT_SERVING" in result.stdout
    assert "→ look into the server's log" in result.stdout


def test_a_free_port_is_a_hint_and_a_taken_one_a_failure(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        free = rows(run("doctor", "--json", "--target", "127.0.0.1:1"))
        assert [(f["level"], f["todo"]) for f in free if "port 1 " in f["what"]] == [
            ("warn", "start one: fovea serve")
        ]

        taken.listen()
        result = run("doctor", "--json", "--target", f"127.0.0.1:{port}", "--timeout", "0.3")

    assert result.exit_code == 1
    assert any(f"port {port}" in f["what"] and f["level"] == "fail" for f in rows(result))


def test_a_server_elsewhere_that_does_not_answer_fails(run: Run) -> None:
    result = run("doctor", "--target", "127.0.0.2:1", "--timeout", "0.5")

    assert result.exit_code == 1
    assert "check --target" in result.stdout


def test_the_data_folder_is_looked_at(run: Run, tmp_path: Path) -> None:
    def told(folder: Path) -> tuple[str, str]:
        found = rows(run("doctor", "--json", FOVEA_DATA_FOLDER=str(folder)))
        return next((f["level"], f["what"]) for f in found if str(folder) in f["what"])

    assert told(tmp_path / "new")[0] == "ok"
    (tmp_path / "else").mkdir()
    assert told(tmp_path / "else")[0] == "warn"
    (tmp_path / "else" / "version.json").write_text('{"version": 7}')
    assert told(tmp_path / "else") == ("ok", f"data folder {tmp_path}/else, version 7")
