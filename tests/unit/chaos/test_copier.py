"""What is delivered again, how often and when."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.event_log.ports import NewRecord
from services.runtime.event_log.reading import read_to_end
from services.runtime.event_log.sqlite import SqliteLog
from services.runtime.events import EVENT_ID
from services.runtime.topics import TOPICS
from tests.chaos.clients import at_work
from tests.chaos.copier import Copier
from tests.e2e.waiting import eventually

NAMES = [f"image-{number}" for number in range(60)]
TOPIC = "regions.proposed"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    opened = SqliteLog(tmp_path / "events.sqlite", TOPICS.settings())
    yield opened
    opened.close()


def event(name: str) -> NewRecord:
    return NewRecord(TOPIC, f"default/flowers/{name}", name.encode(), {EVENT_ID: name})


def test_each_event_comes_one_to_five_times_and_strangers_once(log: SqliteLog) -> None:
    copier = Copier(log, random.Random(1), NAMES)  # noqa: S311  (no secret)
    published = threading.Event()

    class Publisher:
        def run(self, stop: threading.Event) -> None:
            while not copier.idle and not stop.is_set():
                stop.wait(0.01)
            log.publish([event(name) for name in [*NAMES, "stranger"]])
            published.set()

    with at_work([copier, Publisher()]):
        assert published.wait(10)
        eventually(lambda: copier.copies or None)
        copier.release()
        eventually(lambda: copier.idle or None)

    counts = Counter(record.value for record in read_to_end(log, [TOPIC]))
    assert counts.pop(b"stranger") == 1
    assert set(counts.values()) == {1, 2, 3, 4, 5}
    assert counts.total() == len(NAMES) + copier.copies
