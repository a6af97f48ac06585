"""What ImageNet's classifier knows of things that no drawing of the training set shows.

Two uses of it. Its verdicts are put on a scale of their own for each class, because drawings look like a few
classes (envelopes, hooks, web sites) whatever they show. And its weights tell where pictures of a class lie
among pooled features, so that a class has an exemplar without a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

_LEAST_SPREAD = 1e-3


@dataclass(frozen=True, eq=False)
class Scale:
    """What makes each class's logits comparable: (logits - offset) / spread."""

    offset: Float32[np.ndarray, "class"]
    spread: Float32[np.ndarray, "class"]


def scale_of(logits: Float[np.ndarray, "n class"]) -> Scale:
    """Return the mean and the standard deviation of each class's logits over pictures as they are.

    Raises:
        ValueError: With fewer than two pictures, which have no spread.
    """
    if len(logits) < 2:  # noqa: PLR2004  (a spread needs two)
        raise ValueError("logits of at least two pictures are needed")
    wide = logits.astype(np.float32)
    offset, spread = wide.mean(0), np.maximum(wide.std(0), _LEAST_SPREAD)
    return Scale(offset.astype(np.float32), spread.astype(np.float32))


def class_features(
    features: Float[np.ndarray, "n dim"], weight: Float[np.ndarray, "class dim"]
) -> Float32[np.ndarray, "class dim"]:
    """Return how far the mean features of each class lie from those of all classes.

    A linear discriminant's weights are the class mean under the inverse covariance (Fisher 1936), so the
    covariance times the weights is the mean again, up to its length.

    Args:
        features: What the classifier sees of pictures, of whatever they show.
        weight: The classifier's.
    """
    centred = features.astype(np.float32) - features.mean(0, dtype=np.float64).astype(np.float32)
    means = (weight.astype(np.float32) @ centred.T) @ centred / len(centred)
    return np.asarray(means - means.mean(0), dtype=np.float32)


def each_name(names: Sequence[Sequence[str]]) -> tuple[list[str], list[int]]:
    """Return all names of all classes in one list, and the class of each."""
    pairs = [(name, place) for place, own in enumerate(names) for name in own]
    return [name for name, _ in pairs], [place for _, place in pairs]
