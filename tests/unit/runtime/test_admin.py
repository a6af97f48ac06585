from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest

from services.runtime.admin import AdminServer
from services.runtime.metrics import Metrics


@pytest.fixture
def unready() -> dict[str, str]:
    return {}


@pytest.fixture
def admin(unready: dict[str, str]) -> Iterator[AdminServer]:
    server = AdminServer("127.0.0.1", 0, Metrics().registry, lambda: unready)
    server.start()
    yield server
    server.close()


def get(admin: AdminServer, path: str, **headers: str) -> tuple[int, str, str]:
    connection = HTTPConnection("127.0.0.1", admin.port, timeout=5)
    with closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read().decode()


def body(admin: AdminServer, path: str) -> Any:
    return json.loads(get(admin, path)[2])


def test_metrics_come_in_the_format_that_the_scraper_asks_for(admin: AdminServer) -> None:
    status, content_type, text = get(admin, "/metrics")
    assert (status, content_type.split(";")[0]) == (200, "text/plain")
    assert "# HELP fovea_rpc_requests_total" in text

    _, content_type, text = get(admin, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")


def test_a_process_lives_whether_or_not_it_is_ready(admin: AdminServer, unready: dict[str, str]) -> None:
    unready["encoding"] = "model: not loaded"

    assert get(admin, "/healthz")[0] == 200


def test_readiness_says_what_is_missing(admin: AdminServer, unready: dict[str, str]) -> None:
    assert get(admin, "/readyz")[0] == 200
    unready["encoding"] = "model: not loaded"

    assert get(admin, "/readyz")[0] == 503
    assert body(admin, "/readyz") == {"ready": False, "unready": {"encoding": "model: not loaded"}}


def test_anything_else_is_not_found(admin: AdminServer) -> None:
    assert get(admin, "/")[0] == 404
    assert "/metrics" in body(admin, "/etc/passwd")["paths"]


def test_a_port_in_use_is_said_clearly(admin: AdminServer) -> None:
    with pytest.raises(OSError, match=f"127.0.0.1:{admin.port} for metrics"):
        AdminServer("127.0.0.1", admin.port, Metrics().registry, dict)
