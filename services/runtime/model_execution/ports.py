"""What the platform needs from whatever runs models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class ModelExecution(Protocol):
    """Runs named models, safe to use from many threads."""

    def run(self, name: str, tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Run one batch; the first axis of every tensor is the batch and keeps its order.

        Raises NotFound for an unknown model, InvalidInput for a tensor that does not fit,
        DeadlineExceeded, Unavailable.
        """
        ...

    def identity(self, name: str) -> str:
        """Return `name@digest`, the digest covering graph, weights and description. Raises NotFound."""
        ...
