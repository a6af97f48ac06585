"""The way to a server is as spoilt as asked, and right again afterwards."""

from __future__ import annotations

import http.client
import time
from contextlib import closing
from pathlib import Path

import pytest

from infra.local.server import Running, running
from infra.local.toxiproxy import ToxiproxyServer, Way

pytestmark = pytest.mark.integration


def ask(way: Way) -> int:
    with closing(http.client.HTTPConnection(way.address, timeout=5)) as connection:
        connection.request("GET", "/minio/health/live")
        return connection.getresponse().status


def test_a_way_is_slow_or_broken_until_the_block_ends(tmp_path: Path, minio_server: Running) -> None:
    server = minio_server.settings["FOVEA_S3_ENDPOINT"].removeprefix("http://")
    with running(ToxiproxyServer(), tmp_path / "proxy") as proxy:
        way = Way(proxy, "store", server)
        with way.spoilt("latency", latency=300):
            began = time.monotonic()
            assert ask(way) == 200
            assert time.monotonic() - began >= 0.3
        with way.spoilt("reset_peer", timeout=0), pytest.raises(ConnectionResetError):
            ask(way)
        assert ask(way) == 200
