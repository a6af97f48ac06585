"""A sheet to begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.attributes import work


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Return a sheet of two classes with two pictures each."""
    for name in ("wren/1.png", "wren/2.png", "goldfinch/1.png", "goldfinch/2.png"):
        (tmp_path / "train" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "train" / name).write_bytes(b"\x89PNG" + name.encode())
    sheet = tmp_path / "birds.jsonl"
    outcome = work.begin(sheet, {"super_class": "bird"}, work.pictures_of(tmp_path / "train", "train", sheet))
    assert outcome.written == 6
    return sheet
