"""A broker of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.kafka import KafkaServer
from infra.local.server import Running, running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Running]:
    """A broker to do harm to."""
    with running(KafkaServer(), tmp_path / "kafka") as server:
        yield server
