"""The vectors that memories are compared on: one set with clusters, which is easy, and one without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from jaxtyping import Float32

Vectors = Float32[np.ndarray, "n dim"]
Draw = Callable[[int], Vectors]
DIM: Final = 512


def easy(seed: int = 0) -> Draw:
    """Draw from 1,000 fine-grained classes in 40 groups, of 48 dimensions and some noise in all others."""
    random = np.random.default_rng(seed)
    basis = _normal(random, 48, DIM) / np.float32(np.sqrt(48))
    groups = _normal(random, 40, 48)
    classes = groups[random.integers(0, 40, 1_000)] + np.float32(0.6) * _normal(random, 1_000, 48)

    def draw(count: int) -> Vectors:
        inner = classes[random.integers(0, 1_000, count)] + _normal(random, count, 48)
        return _unit(inner @ basis + np.float32(0.3) * _normal(random, count, DIM))

    return draw


def hard(seed: int = 0) -> Draw:
    """Draw from one cloud of 64 dimensions, with some noise in all others: there is nothing to group by."""
    random = np.random.default_rng(seed)
    basis = _normal(random, 64, DIM) / np.float32(8)

    def draw(count: int) -> Vectors:
        return _unit(_normal(random, count, 64) @ basis + np.float32(0.3) * _normal(random, count, DIM))

    return draw


SETS: Final[Mapping[str, Callable[[], Draw]]] = {"easy": easy, "hard": hard}


def _normal(random: np.random.Generator, rows: int, columns: int) -> Vectors:
    return random.standard_normal((rows, columns), dtype=np.float32)


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
