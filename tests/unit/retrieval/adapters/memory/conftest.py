"""Where an index lies."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.retrieval.adapters.memory.indexes import IN_MEMORY


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(dir=IN_MEMORY))
    yield path
    shutil.rmtree(path)
