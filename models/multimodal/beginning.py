"""Where the projector begins: the linear map from what is seen of a picture to the words of its name.

Solved in closed form: ridge regression from features to embeddings that the language model has for words of
the name, of what else the thing is called and of what it has to do with. The model then finds words it knows
where the picture stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import scipy.linalg
from jaxtyping import Float32, Int

from models.multimodal.features import Features
from models.vision.global_encoder.data import Picture

TARGETS: Final = 5
_KEYWORDS: Final = 8


def words_of(
    picture: Picture, encode: Callable[[str], Sequence[int]], words: Float32[np.ndarray, "word width"]
) -> Float32[np.ndarray, "target width"]:
    """Return the embeddings that a picture's tokens shall be near to.

    They are the last word of its name, the mean of the name, the first word, the mean of what else it is
    called, and the mean of its keywords (of the name where there are none).

    Args:
        picture: With its texts.
        encode: Text to tokens.
        words: Embedding of each token.
    """
    name = list(encode(f" {picture.label}"))
    other = list(encode(f" {picture.texts[1]}")) if len(picture.texts) > 1 else name
    keywords = [one for keyword in picture.keywords[:_KEYWORDS] for one in encode(f" {keyword}")] or name
    means = (words[own].mean(0) for own in (name[-1:], name, name[:1], other, keywords))
    return np.stack(list(means)).astype(np.float32)


def solved(
    features: Features,
    views: Int[np.ndarray, "n"],
    targets: Float32[np.ndarray, "n target width"],
    weights: Float32[np.ndarray, "n"],
    *,
    ridge: float,
) -> tuple[Float32[np.ndarray, "feature out"], Float32[np.ndarray, "out"]]:
    """Return weight and bias of the regression.

    Args:
        features: Of all views.
        views: That may be learned from.
        targets: Of each of them.
        weights: How far each is trusted.
        ridge: Added to the covariance, as a share of its mean variance.
    """
    rows = np.concatenate([features.embeddings[views], features.names[views]], 1).astype(np.float32)
    wanted = targets.reshape(len(targets), -1)
    middle, mean = (np.average(each, axis=0, weights=weights) for each in (rows, wanted))
    weighted = (rows - middle).astype(np.float32) * weights[:, None]
    covariance = weighted.T @ (rows - middle).astype(np.float32)
    covariance[np.diag_indices(len(covariance))] += ridge * np.trace(covariance) / len(covariance)
    weight = scipy.linalg.solve(covariance, weighted.T @ (wanted - mean), assume_a="pos")
    return weight.astype(np.float32), (mean - middle @ weight).astype(np.float32)
