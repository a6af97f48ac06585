"""Model execution without models: plain functions under names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.kernel.errors import NotFound
from services.runtime import deadline
from services.runtime.model_execution.folder import TensorSpec
from services.runtime.model_execution.tensors import check

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class FunctionModels:
    """Runs a function for a model, whose identity is `name@fake`; checks what `inputs` describes."""

    functions: Mapping[str, Callable[[Tensors], Tensors]]
    inputs: Mapping[str, Sequence[TensorSpec]] = field(default_factory=dict)

    def run(self, name: str, tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        self.identity(name)
        if name in self.inputs:
            check(name, self.inputs[name], tensors)
        deadline.check()
        return self.functions[name](tensors)

    def identity(self, name: str) -> str:
        if name not in self.functions:
            raise NotFound(f"there is no model {name}", reason="NO_MODEL")
        return f"{name}@fake"
