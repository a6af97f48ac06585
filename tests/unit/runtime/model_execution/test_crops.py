"""Encoders over models that may be changed while they run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from services.kernel.errors import Unavailable
from services.runtime.model_execution.crops import ModelImageEncoder, Sight

EYE = Sight("eye", {"embeddings": "visual"})
CROPS = np.zeros((2, 4, 4, 3), dtype=np.uint8)


class Changing:
    """Gives one vector whatever it is asked; its models become others when it has run `runs` times."""

    def __init__(self, *, runs: int) -> None:
        self._left = runs

    def run(self, name: str, tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        del name
        self._left -= 1
        unit = np.ones((len(next(iter(tensors.values()))), 1), dtype=np.float32)
        return {"embeddings": unit, "logits": unit}

    def identity(self, name: str) -> str:
        return f"{name}@{'old' if self._left > 0 else 'new'}"


def test_vectors_name_the_models_that_they_are_of() -> None:
    looks, names = ModelImageEncoder(Changing(runs=9), EYE, bridge="bridge").encode(CROPS)

    assert (looks.encoder, names.encoder) == ("eye@old", "bridge@old")


@pytest.mark.parametrize("runs", [1, 2])
def test_when_a_model_is_changed_meanwhile_nobody_gets_a_vector_under_the_wrong_name(runs: int) -> None:
    with pytest.raises(Unavailable) as caught:
        ModelImageEncoder(Changing(runs=runs), EYE, bridge="bridge").encode(CROPS)

    assert caught.value.reason == "MODEL_CHANGED"
