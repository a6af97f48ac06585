"""Where an index lies."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.folders import IN_MEMORY
from tests.unit.retrieval.adapters.memory.replicas import Replica, TimedStore


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(dir=IN_MEMORY))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def store() -> TimedStore:
    return TimedStore()


@pytest.fixture
def one(tmp_path: Path, store: TimedStore) -> Replica:
    return Replica(tmp_path / "one", store)


@pytest.fixture
def other(tmp_path: Path, store: TimedStore) -> Replica:
    return Replica(tmp_path / "other", store)
