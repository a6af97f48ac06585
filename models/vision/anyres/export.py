"""Writes fusion, sampler, or both, as a graph, and compares it with torch.

Farthest points and neighbours are inputs of the graph, not part of it. They depend on the regions
alone, so they are found while the encoders run, in whole numbers (`models/vision/sampler.py`), and
graph, torch and NumPy cannot disagree about which of two equally far points comes first. As a loop in
the graph they would be 160 steps, one after the other, on a device that is made for the opposite.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from models.export import compare, write_graph
from models.vision.fusion import Upsampling
from models.vision.sampler import Geometry

TOLERANCE = 1e-4
_AXES = {
    "features": ("height", "width"),
    "global_map": ("h", "w"),
    "local_map": ("height", "width"),
    "rows": ("height", "h"),
    "columns": ("width", "w"),
    "points": ("regions",),
    "anchors_1": ("regions",),
    "neighbours_1": ("regions",),
    "anchors_2": ("regions",),
    "neighbours_2": ("regions",),
}


def map_inputs(global_map: np.ndarray, local_map: np.ndarray, by: Upsampling) -> dict[str, np.ndarray]:
    """Return what `network.Fusion` takes, by name and in order."""
    return {"global_map": global_map, "local_map": local_map, "rows": by.rows, "columns": by.columns}


def region_inputs(where: Geometry) -> dict[str, np.ndarray]:
    """Return what `network.RegionReader` takes after the map, by name and in order."""
    names = ("anchors_1", "neighbours_1", "anchors_2", "neighbours_2")
    return {"points": where.points, **dict(zip(names, where.indices, strict=True))}


def export(module: nn.Module, inputs: Mapping[str, np.ndarray], *, folder: Path, output: str) -> None:
    """Write `model.onnx`; maps may have any size afterwards, and pictures any number of regions.

    Args:
        module: `Fusion`, `RegionReader`, `RegionEncoder`, or what wraps one; in evaluation mode.
        inputs: Examples, made of `map_inputs`, `region_inputs` and `features` (a map, for `RegionReader`).
        folder: Where the graph goes.
        output: The name of what the module returns.

    Raises:
        AssertionError: If the graph differs from the module by more than 1e-4.
    """
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    write_graph(
        module,
        tensors,
        folder=folder,
        outputs=(output,),
        dynamic_axes={name: _AXES[name] for name in inputs},
    )
    with torch.inference_mode():
        expected = module(*tensors.values()).numpy()
    compare(folder, inputs, [expected], tolerance=TOLERANCE)
