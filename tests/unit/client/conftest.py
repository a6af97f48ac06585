"""A client and the server it talks to."""

from collections.abc import Iterator

import pytest

import fovea
from tests.fakes.gateway_server import FakeServer


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as started:
        yield started


@pytest.fixture
def client(server: FakeServer) -> Iterator[fovea.Client]:
    with fovea.Client(server.target, timeout_s=5) as opened:
        yield opened
