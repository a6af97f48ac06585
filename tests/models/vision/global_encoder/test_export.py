"""The exported encoders: equal to torch, the same bytes each time, and read as `make eval` reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.evaluation.encoders import NAMES, VISUAL, trained
from models.vision.global_encoder.export import export
from models.vision.global_encoder.fitting import Affine, Exemplars, unit
from models.vision.global_encoder.knowledge import Scale
from models.vision.global_encoder.network import PARTS
from models.vision.global_encoder.recipe import Fitted, Recipe

RECIPE = Recipe(reduced=dict.fromkeys(list(PARTS)[:-1], 8), dimensions=12, name_dimensions=10)


def affine(rng: np.random.Generator, into: int, out: int) -> Affine:
    """Return a random projection."""
    weight = rng.standard_normal((into, out)) / np.sqrt(into)
    return Affine(rng.standard_normal(into).astype(np.float32), weight.astype(np.float32))


@pytest.fixture
def fitted() -> Fitted:
    """Return random matrices."""
    rng = np.random.default_rng(0)
    anchors = unit(rng.standard_normal((20, 384))).astype(np.float32)
    coefficients = rng.standard_normal((20, 10)).astype(np.float32)
    return Fitted(
        tuple(affine(rng, size, 8) for size in list(PARTS.values())[:-1]),
        affine(rng, 8 * (len(PARTS) - 1), 12),
        affine(rng, PARTS["colours"], 4),
        Exemplars(anchors, coefficients, np.zeros(10, dtype=np.float32)),
        Scale(np.zeros(1000, dtype=np.float32), np.ones(1000, dtype=np.float32)),
    )


def test_the_graphs_equal_torch_have_the_same_bytes_and_open_as_a_store(
    fitted: Fitted, tmp_path: Path
) -> None:
    export(fitted, RECIPE, tmp_path / "first")  # compares with torch, and raises where they differ
    export(fitted, RECIPE, tmp_path / "second")

    for name in ("fovea-global", "fovea-text"):
        graphs = [
            (tmp_path / store / name / "1" / "model.onnx").read_bytes() for store in ("first", "second")
        ]
        assert graphs[0] == graphs[1]
        assert len(graphs[0]) < 20_000_000
    encoder = trained(tmp_path / "first")
    crops = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    seen = encoder.see(crops)
    read = encoder.read(["cat", "a cat"])
    assert seen[VISUAL].shape == (3, 16)
    assert seen[NAMES].shape[1] == read.shape[1] == 10 + 384
    for rows in (*seen.values(), read):
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    assert encoder.see(crops[1:2])[VISUAL][0] == pytest.approx(seen[VISUAL][1], abs=1e-6)
