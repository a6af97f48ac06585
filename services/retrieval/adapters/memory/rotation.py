"""Turns vectors so that no coordinate stands out: a bit says the same of each, which RaBitQ relies on.

Embeddings of networks are far from that: half their coordinates are zero, and a few are large.
"""

from __future__ import annotations

from typing import Final

import faiss
import numpy as np
from jaxtyping import Float32

_SEED: Final = 20_240_601  # on disk in effect: an index is over vectors turned this way


class Rotation:
    """Two Hadamard rotations, over the first and the last coordinates, as many as are a power of two.

    Lengths and angles stay. The second overlaps the first, so together they reach all coordinates.
    """

    def __init__(self, dim: int) -> None:
        size = 1 << (dim.bit_length() - 1)
        begins = (0,) if size == dim else (0, dim - size)
        self._size = size
        self._parts = [(begin, faiss.HadamardRotation(size, _SEED + begin)) for begin in begins]

    def __call__(self, vectors: Float32[np.ndarray, "n dim"]) -> Float32[np.ndarray, "n dim"]:
        """Return the vectors, turned."""
        turned = np.array(vectors, np.float32, order="C")
        for begin, rotation in self._parts:
            some = np.ascontiguousarray(turned[:, begin : begin + self._size])
            out = np.empty_like(some)
            rotation.apply_noalloc(len(some), faiss.swig_ptr(some), faiss.swig_ptr(out))
            turned[:, begin : begin + self._size] = out
        return turned
