"""Three classes of four exemplars."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.retrieval.stating import Case


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path / "memory")
