"""Makes `models/store/fovea-local` and `models/store/fovea-regions` of trained modules."""

from __future__ import annotations

import re

import numpy as np
import torch

from models.export import DESCRIPTION, STORE, compare, stamp, write_graph
from models.vision.boxes import Box
from models.vision.local_encoder.network import CHANNELS, GridReader, LocalEncoder
from models.vision.local_encoder.points import region_points
from models.vision.local_encoder.reading import SIDE_PX

LOCAL = STORE / "fovea-local" / "1"
REGIONS = STORE / "fovea-regions" / "1"
TOLERANCE = 1e-4
_CELLS = SIDE_PX // 8


def export(encoder: LocalEncoder, reader: GridReader, *, teacher: str) -> None:
    """Write both graphs, compare them with torch, and stamp their descriptions."""
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 256, (3, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    write_graph(
        encoder,
        {"tiles": torch.from_numpy(tiles)},
        folder=LOCAL,
        outputs=("patches",),
        dynamic_axes={"tiles": ("batch",)},
    )
    with torch.inference_mode():
        expected = encoder(torch.from_numpy(tiles)).numpy()
    compare(LOCAL, {"tiles": tiles}, [expected], tolerance=TOLERANCE * float(np.abs(expected).max()))
    stamp(LOCAL)
    inputs = {
        "local": rng.standard_normal((2, 2 * _CELLS, 3 * _CELLS, CHANNELS), dtype=np.float32),
        "overview": rng.standard_normal((2, _CELLS, _CELLS, CHANNELS), dtype=np.float32),
        "points": np.stack([_points(rng), _points(rng)]),
    }
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    write_graph(
        reader,
        tensors,
        folder=REGIONS,
        outputs=("embeddings",),
        dynamic_axes={
            "local": ("batch", "row", "column"),
            "overview": ("batch", "overview_row", "overview_column"),
            "points": ("batch", "region"),
        },
    )
    with torch.inference_mode():
        expected = reader(*tensors.values()).numpy()
    compare(REGIONS, inputs, [expected], tolerance=TOLERANCE)
    _name(teacher, expected.shape[-1])
    stamp(REGIONS)


def _points(rng: np.random.Generator) -> np.ndarray:
    """Return the points of five regions somewhere, some of them masks."""
    found = []
    for left, top in rng.integers(0, 80, (5, 2)).tolist():
        box = Box(left, top, left + 20, top + 20)
        mask = rng.random((100, 100)) < (left % 2 + 0.5)  # all of every other one
        found.append(region_points(box, mask, width_px=100, height_px=100))
    return np.stack(found)


def _name(teacher: str, dimensions: int) -> None:
    """Write into the description whose space the regions are read into, and its size."""
    path = REGIONS / DESCRIPTION
    text = path.read_text(encoding="utf-8")
    text = re.sub(r'encoder = "[^"]*"', f'encoder = "{teacher}"', text)
    text = re.sub(r"shape = \[-1, -1, \d+\]", f"shape = [-1, -1, {dimensions}]", text)
    path.write_text(text, encoding="utf-8")
