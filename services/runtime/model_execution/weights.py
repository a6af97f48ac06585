"""Weights that a model's graph is fed with from outside."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.weights import WeightsError, fed
from services.kernel.errors import Corrupt
from services.runtime.model_execution.folder import ModelFolder


def weights_of(folder: ModelFolder) -> Mapping[str, np.ndarray]:
    """Return what the graph is fed with, by the names of its initialisers; nothing if it has all inside.

    Raises:
        NotFound: The model names no such file.
        Corrupt: The file is not what it says, or lacks a weight.
    """
    names = folder.description.graph.external_initializers
    if not names:
        return {}
    try:
        return fed(folder.external("weights"), names)
    except WeightsError as error:
        raise Corrupt(f"the weights of {folder.name}: {error}", reason="MODEL_WEIGHTS") from error
