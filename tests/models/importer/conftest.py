"""Checkpoints that are written and imported once for all tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from prometheus_client import CollectorRegistry

from models.importer.pictures import Pictures
from models.importer.shelf import Imported
from models.importer.work import import_checkpoint
from models.text.tokenizer import Tokenizer
from services.runtime.metrics import ModelMetrics
from services.runtime.model_execution.folder import ModelFolder
from services.runtime.model_execution.onnx import OnnxModels
from services.runtime.model_execution.store import ModelStore
from tests.models.importer import checkpoints

FAMILIES: Mapping[str, Callable[[Path], Any]] = {
    "clip": checkpoints.clip,
    "openclip": checkpoints.openclip,
    "siglip": checkpoints.siglip,
    "dinov2": checkpoints.dinov2,
}


@dataclass(frozen=True)
class Shelf:
    """A store, and what was imported into it under the families' names."""

    checkpoints: Path
    store: Path
    towers: Mapping[str, list[Imported]]

    def open(self, name: str) -> ModelFolder:
        return ModelStore(self.store).open(name)

    def run(self, name: str, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what serving's own execution makes of it."""
        metrics = ModelMetrics(CollectorRegistry())
        return dict(OnnxModels([self.open(name)], metrics=metrics).run(name, tensors))

    def tokens(self, name: str, texts: list[str]) -> dict[str, np.ndarray]:
        """Return the texts as serving reads them."""
        folder = self.open(name)
        assert folder.description.texts is not None
        tokenizer = Tokenizer.from_file(folder.external("tokenizer"), **folder.description.texts.model_dump())
        return tokenizer(texts).tensors()


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


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory, pictures: Pictures) -> Shelf:
    """One of each family."""
    root = tmp_path_factory.mktemp("shelf")
    towers = {}
    for name, write in FAMILIES.items():
        write(root / name)
        (root / name / "README.md").write_text("---\ntags:\n- vision\nlicense: apache-2.0\n---\n# Tiny\n")
        towers[name] = import_checkpoint(root / name, root / "store", name=name, kinds=(), pictures=pictures)
    return Shelf(root, root / "store", towers)


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good ones, from which bad ones are made."""
    root = tmp_path_factory.mktemp("checkpoints")
    checkpoints.dinov2(root / "dinov2")
    checkpoints.clip(root / "clip")
    checkpoints.siglip(root / "siglip")
    checkpoints.openclip(root / "openclip")
    return root
