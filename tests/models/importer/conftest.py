"""Checkpoints that are written and imported once for all tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.importer.pictures import Pictures
from models.importer.work import Imported, import_checkpoint

Import = Callable[[Path], list[Imported]]


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    """Three sets of twelve pictures, of which the last two show the same things."""
    root = tmp_path_factory.mktemp("pictures")
    for place, name in enumerate(("a", "b", "c")):
        (root / name).mkdir()
        for thing in range(12):
            drawn = np.random.default_rng(thing)
            image = Image.fromarray(drawn.integers(0, 256, (6, 9, 3), dtype=np.uint8))
            image.resize((90 + 10 * place, 60)).save(root / name / f"{thing}.png")
    return Pictures.of(root)


@pytest.fixture
def importing(tmp_path: Path, pictures: Pictures) -> Import:
    """Import a folder into the store of this test, as `tiny`."""
    return lambda path: import_checkpoint(path, tmp_path / "store", name="tiny", kinds=(), pictures=pictures)
