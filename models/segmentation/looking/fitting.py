"""How far what is seen in a crop is believed beside the detector, by logistic regression on places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from models.segmentation.second_look import SecondLook

_ROUNDS: Final = 50
_RIDGE: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a place that was looked at and a name.

    Attributes:
        logits: The detector's.
        crops: The products of the crop's vector and the name's.
        near: How near the crop is to names at large.
        right: Whether the place is what the name says: it overlaps such a thing by half.
    """

    logits: Float[np.ndarray, "n"]
    crops: Float[np.ndarray, "n"]
    near: Float[np.ndarray, "n"]
    right: Bool[np.ndarray, "n"]


def fitted(
    pairs: Pairs, most: int, least_objectness: float, names: Float32[np.ndarray, "name dim"]
) -> SecondLook:
    """Return the look that tells best which pairs are right, on the scale of its own logits.

    Two regressions on the same places, one by the own logit alone: where both say the same probability,
    a place that was looked at gets the logit that it would need if it had not been.

    Args:
        pairs: Right ones and wrong ones.
        most: See `SecondLook`.
        least_objectness: See `SecondLook`.
        names: See `SecondLook`.
    """
    rows = np.stack([pairs.logits, pairs.crops, pairs.near], axis=1)
    own, crop, near, shift = logistic(rows, pairs.right)
    alone, alone_shift = logistic(pairs.logits[:, None], pairs.right)
    return SecondLook(
        most,
        least_objectness,
        own=own / alone,
        crop=crop / alone,
        shift=(shift - alone_shift) / alone,
        near=near / alone,
        names=names,
    )


def logistic(rows: Float[np.ndarray, "n dim"], right: Bool[np.ndarray, "n"]) -> Float64[np.ndarray, "dim+1"]:
    """Return weights and, last, what is added: by Newton's method, with a little ridge."""
    known = np.column_stack([rows, np.ones(len(rows))]).astype(np.float64)
    weights = np.zeros(known.shape[1])
    for _ in range(_ROUNDS):
        said = 1 / (1 + np.exp(-known @ weights))
        slope = known.T @ (said - right) + _RIDGE * weights
        bend = (known * (said * (1 - said))[:, None]).T @ known + _RIDGE * np.eye(len(weights))
        weights -= np.linalg.solve(bend, slope)
    return weights
