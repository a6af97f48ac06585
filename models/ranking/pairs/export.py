"""Makes `models/store/fovea-pairs` of a trained network."""

from __future__ import annotations

import numpy as np
import torch

from models.export import STORE, compare, stamp, write_graph
from models.ranking.pairs.looks import CELLS, CHANNELS, LOGITS, ODD, PIXELS
from models.ranking.pairs.network import PairNetwork, Pairs

FOLDER = STORE / "fovea-pairs" / "1"
TOLERANCE = 1e-4
_SIDES = ("query", "exemplar")
_SHAPES = {
    "embeddings": (389,),
    "names": (640,),
    "patches": (CELLS, CELLS, CHANNELS),
    "odd": (ODD,),
    "pixels": (PIXELS, PIXELS, 3),
}


def export(network: PairNetwork) -> None:
    """Write the graph, compare it with torch, and stamp its description."""
    pairs = Pairs(network).eval()
    rng = np.random.default_rng(0)
    inputs = {
        f"{side}_{name}": rng.random((3, *shape), dtype=np.float32)
        for side in _SIDES
        for name, shape in _SHAPES.items()
    }
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    write_graph(
        pairs,
        tensors,
        folder=FOLDER,
        outputs=(LOGITS,),
        dynamic_axes=dict.fromkeys(inputs, ("batch",)),
    )
    with torch.inference_mode():
        expected = pairs(*tensors.values()).numpy()
    compare(FOLDER, inputs, [expected], tolerance=TOLERANCE)
    stamp(FOLDER)
