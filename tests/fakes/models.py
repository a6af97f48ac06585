"""Model execution without models: plain functions under names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from services.kernel.errors import NotFound

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class FunctionModels:
    """Runs a function for a model; its identity is `name@fake`."""

    functions: Mapping[str, Callable[[Tensors], Tensors]]

    def run(self, name: str, tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        self.identity(name)
        return self.functions[name](tensors)

    def identity(self, name: str) -> str:
        if name not in self.functions:
            raise NotFound(f"there is no model {name}", reason="NO_MODEL")
        return f"{name}@fake"
