"""OWLv2: boxes from texts that are read each by itself, so that a picture is seen once for all of them.

Source: Minderer et al., arXiv 2306.09683.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float32

from models.segmentation.imported.running import Runs
from models.segmentation.imported.texts import SeparateReader

_AT_ONCE: Final = 16
"""Prompts of one forward pass."""


class SeparateTexts:
    """Asks one model. Safe to use from many threads.

    Args:
        models: Run it.
        name: What it is called.
        reader: Of its prompts.
    """

    def __init__(self, models: Runs, name: str, reader: SeparateReader) -> None:
        self._models = models
        self._name = name
        self._reader = reader

    def rows(self, prompts: Sequence[str]) -> Float32[np.ndarray, "prompt dim"]:
        """Return the unit vector of each of at least one prompt.

        Raises:
            PromptTooLongError: One is too long; none is cut.
        """
        tensors = self._reader(prompts).tensors()
        found = [
            self._models.run(
                self._name, {key: each[start : start + _AT_ONCE] for key, each in tensors.items()}
            )["embeddings"]
            for start in range(0, len(prompts), _AT_ONCE)
        ]
        return np.concatenate(found)


def logits(
    queries: Float32[np.ndarray, "place dim"],
    offsets: Float32[np.ndarray, "place"],
    texts: Float32[np.ndarray, "prompt dim"],
) -> Float32[np.ndarray, "place prompt"]:
    """Return how well each text fits each place.

    Args:
        queries: As the model that sees gave them.
        offsets: The like.
        texts: Unit vectors.
    """
    fits: np.ndarray = queries @ texts.T + offsets[:, None]
    return fits
