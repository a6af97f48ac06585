"""A log, and what the gateway keeps over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.gateway.adapters.collections import TOPIC, LogCollections
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.events import EventWriter
from services.runtime.follower import Follower
from services.runtime.publisher import Publisher
from services.runtime.topics import TOPICS


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    opened = SqliteLog(tmp_path / "events.sqlite", TOPICS.settings())
    yield opened
    opened.close()


@pytest.fixture
def publisher(log: SqliteLog) -> Publisher:
    return Publisher(log, EventWriter(TOPICS, producer="gateway/test"))


@pytest.fixture
def collections(log: SqliteLog, publisher: Publisher) -> Iterator[LogCollections]:
    view = LogCollections(publisher)
    follower = Follower(log, [TOPIC], view.saw)
    follower.start()
    yield view
    follower.close()
