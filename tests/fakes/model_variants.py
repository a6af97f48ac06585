"""Other versions of the image encoder that is shipped: the same network, whose embedding is weighed anew.

Bytes of a message that are put behind those of another are merged with it, so a graph is changed without
`onnx` and without torch: what was its embedding becomes an inner value, and two nodes make the new one of it.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np

from tests.fakes.onnx_graphs import FLOAT, field

_DIM = 2792
_INT = 2  # of an attribute


def write_variant(model: Path, *, version: str, seed: int = 1, kept: int = _DIM) -> Path:
    """Write a version beside the version 1 of the image encoder in a model's folder, and return its folder.

    Args:
        model: The model's folder.
        version: What to call it.
        seed: Of the weights.
        kept: Coordinates that keep a weight; with a few of them, the encoder sees hardly anything.
    """
    graph = _weighed((model / "1" / "model.onnx").read_bytes(), _weights(seed, kept))
    folder = model / version
    folder.mkdir()
    (folder / "model.onnx").write_bytes(graph)
    described = (model / "1" / "model.toml").read_text()
    described = re.sub(r'(?m)^version = ".*"$', f'version = "{version}"', described)
    digest = hashlib.sha256(graph).hexdigest()
    (folder / "model.toml").write_text(re.sub(r'(?m)^sha256 = ".*"$', f'sha256 = "{digest}"', described))
    return folder


def _weights(seed: int, kept: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    weights: np.ndarray = random.choice([-1.0, 1.0], _DIM) * random.uniform(0.5, 1.5, _DIM)
    weights[random.permutation(_DIM)[kept:]] = 0
    return weights.astype(np.float32)


def _weighed(graph: bytes, weights: np.ndarray) -> bytes:
    inner = graph.replace(b"embeddings", b"embedding0")
    initializer = (
        field(1, _DIM) + field(2, FLOAT) + field(8, b"variant_weights") + field(9, weights.tobytes())
    )
    mul = field(1, b"embedding0") + field(1, b"variant_weights") + field(2, b"weighed") + field(4, b"Mul")
    axis, p = (
        field(1, name) + field(3, value) + field(20, _INT) for name, value in ((b"axis", 1), (b"p", 2))
    )
    unit = field(1, b"weighed") + field(2, b"embeddings") + field(4, b"LpNormalization")
    unit += field(5, axis) + field(5, p)
    batch = field(1, field(2, b"batch")) + field(1, field(1, _DIM))
    tensor = field(1, field(1, FLOAT) + field(2, batch))
    output = field(1, b"embeddings") + field(2, tensor)
    return inner + field(7, field(1, mul) + field(1, unit) + field(5, initializer) + field(12, output))
