"""The memories that pass the contract."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.event_log.settings import TopicSettings
from tests.contract.logs import LATE_S, LOGS, PARTITIONS, Bench
from tests.contract.memories import MEMORIES, MILVUS, Writable


@pytest.fixture(scope="module")
def milvus() -> Iterator[None]:
    from tests.fakes.milvus import milvus_for_all  # noqa: PLC0415  (slow, and for integration alone)

    with milvus_for_all():
        yield


@pytest.fixture(params=[*(name for name in MEMORIES if name != "milvus"), MILVUS])
def memory(request: pytest.FixtureRequest) -> Iterator[Writable]:
    if request.param == "milvus":
        request.getfixturevalue("milvus")
    with MEMORIES[request.param]() as opened:
        yield opened


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.integration)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    topic, other = f"things.done-{uuid.uuid4()}", f"others.done-{uuid.uuid4()}"
    prompt = f"prompt.done-{uuid.uuid4()}"
    topics = {
        topic: TopicSettings(PARTITIONS),
        other: TopicSettings(1),
        prompt: TopicSettings(1, late_s=LATE_S),
    }
    with LOGS[request.param](tmp_path, topics, request) as log:
        yield Bench(log, topic, other, prompt)
