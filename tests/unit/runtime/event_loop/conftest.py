from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.topics import TOPICS
from tests.unit.runtime.event_loop.platforms import Bench, Flaky


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    log = SqliteLog(tmp_path / "events.db", TOPICS.settings())
    yield Bench(Flaky(log))
    log.close()
