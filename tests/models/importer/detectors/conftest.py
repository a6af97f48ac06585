"""Detectors that are written and imported once for all tests: each export takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from models.importer.pictures import Pictures
from models.importer.shelf import Imported
from models.importer.work import import_checkpoint
from services.runtime.metrics import ModelMetrics
from services.runtime.model_execution.folder import ModelFolder
from services.runtime.model_execution.onnx import OnnxModels
from services.runtime.model_execution.opening import OpenedModels
from services.runtime.model_execution.store import ModelStore
from tests.models.importer.detectors import checkpoints

FAMILIES: Mapping[str, Callable[[Path], Path]] = {
    "gd": checkpoints.grounding_dino,
    "owl": checkpoints.owlv2,
    "sam": checkpoints.sam,
    "sam2": checkpoints.sam2,
}


@dataclass(frozen=True)
class Detectors:
    """A store into which families are imported, each when it is first asked for, under its short name."""

    root: Path
    pictures: Pictures
    known: dict[str, list[Imported]] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        return self.root / "store"

    def __call__(self, family: str) -> list[Imported]:
        if family not in self.known:
            folder = FAMILIES[family](self.root / family)
            (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Tiny\n")
            self.known[family] = import_checkpoint(
                folder, self.store, name=family, kinds=(), pictures=self.pictures
            )
        return self.known[family]

    def folder(self, name: str) -> ModelFolder:
        self(name.partition("-")[0])
        return ModelStore(self.store).open(name)

    def opened(self) -> OpenedModels:
        return OpenedModels(ModelStore(self.store))

    def models(self, *names: str) -> OnnxModels:
        """Serving's own execution of some of them."""
        models = OnnxModels(map(self.folder, names), metrics=ModelMetrics(CollectorRegistry()))
        models.warm_up()
        return models


@pytest.fixture(scope="session")
def detectors(tmp_path_factory: pytest.TempPathFactory, pictures: Pictures) -> Detectors:
    """One of each family, for who asks."""
    return Detectors(tmp_path_factory.mktemp("detectors"), pictures)


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """One of another shape than a square, coarse as a photograph is."""
    drawn = np.random.default_rng(5).integers(0, 256, (5, 9, 3), dtype=np.uint8)
    return np.kron(drawn, np.ones((10, 10, 1), dtype=np.uint8))  # (50, 90, 3)
