"""Models whose outputs are embeddings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from services.kernel.errors import Unavailable, Unsupported
from services.kernel.vectors import Vectors
from services.runtime.model_execution.folder import Description, TensorSpec


def embeddings_of(described: Description, *, axes: int) -> list[TensorSpec]:
    """Return the FP32 outputs that say which space they lie in. Raises Unsupported if there are none."""
    found = [
        each for each in described.outputs if each.space and each.dtype == "FP32" and len(each.shape) == axes
    ]
    if not found:
        raise Unsupported(
            f"{described.name} has no FP32 output of {axes} axes that says which space it lies in",
            reason="MODEL_KIND",
        )
    return found


def same_models(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    """Raise Unavailable if models were changed meanwhile: nobody knows which of them it was that ran."""
    if before != after:
        raise Unavailable(f"{', '.join(before)} gave way to {', '.join(after)}", reason="MODEL_CHANGED")


def vectors_of(
    reply: Mapping[str, np.ndarray], outputs: Mapping[str, str], encoder: str
) -> tuple[Vectors, ...]:
    """Return the batch's embeddings, by output, in the space of each."""
    return tuple(Vectors(reply[output], encoder=encoder, space=space) for output, space in outputs.items())
