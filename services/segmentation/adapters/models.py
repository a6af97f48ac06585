"""A detector, and an encoder of exemplars, over whatever runs models."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32, UInt8

from models.vision.preparation import PreparationSettings
from services.kernel.vocabulary import PromptKind
from services.runtime.model_execution.crops import ModelImageEncoder, Sight
from services.runtime.model_execution.embeddings import same_models
from services.runtime.model_execution.ports import ModelExecution
from services.segmentation.adapters.described import OUTPUTS, Detection
from services.segmentation.domain.seen import Seen


class ModelDetector:
    """Sends squares to one model, and what it saw, with texts, to another.

    Args:
        models: Runs them.
        detection: How they are asked.
    """

    def __init__(self, models: ModelExecution, detection: Detection) -> None:
        self._models = models
        self._detection = detection

    def models(self) -> tuple[str, ...]:
        """Return the identities of both."""
        return tuple(map(self._models.identity, (self._detection.detector, self._detection.scorer)))

    def side_px(self) -> int:
        """Return the side of a square."""
        return self._detection.side_px

    def thresholds(self) -> Mapping[PromptKind, float]:
        """Return what the detector was calibrated to."""
        return self._detection.thresholds

    def fused(self) -> frozenset[PromptKind]:
        """Return the kinds that say more than a name."""
        return frozenset({PromptKind.PHRASE, PromptKind.SENTENCE})

    def look(
        self,
        squares: UInt8[np.ndarray, "n side side 3"],
        sentences: Float32[np.ndarray, "m dim"] | None = None,
    ) -> Seen:
        """Return what is in the squares; without sentences, one of zeros is fused, which changes nothing."""
        if sentences is None:
            sentences = np.zeros((1, self._detection.dimensions), dtype=np.float32)
        before = self._models.identity(self._detection.detector)
        texts = np.repeat(sentences[np.newaxis], len(squares), axis=0)  # (n, m, dim)
        reply = self._models.run(self._detection.detector, {"images": squares, "sentences": texts})
        same_models((before,), (self._models.identity(self._detection.detector),))
        return Seen(**{name: reply[name] for name in OUTPUTS})

    def score(
        self,
        queries: Float32[np.ndarray, "q dim"],
        offsets: Float32[np.ndarray, "q"],
        texts: Float32[np.ndarray, "t dim"],
    ) -> Float32[np.ndarray, "q t"]:
        """Return the logits."""
        asked = {"queries": queries, "offsets": offsets, "texts": texts}
        reply = self._models.run(
            self._detection.scorer, {name: values[np.newaxis] for name, values in asked.items()}
        )
        logits: np.ndarray = reply["logits"][0]
        return logits


class ModelExemplarEncoder:
    """Sends crops to a model that sees into the space of texts.

    Args:
        models: Runs it.
        sight: How it is asked.
        space: That of texts.
    """

    def __init__(self, models: ModelExecution, sight: Sight, *, space: str) -> None:
        self._encoder = ModelImageEncoder(models, sight)
        self._space = space

    def models(self) -> tuple[str, ...]:
        """Return the identity of the model."""
        return self._encoder.models()

    def preparation(self) -> PreparationSettings:
        """Return how crops are made ready for it."""
        return self._encoder.preparation()

    def encode(self, crops: UInt8[np.ndarray, "n size size 3"]) -> Float32[np.ndarray, "n dim"]:
        """Return where texts about the crops would lie."""
        found = self._encoder.encode(crops)
        return next(vectors.rows for vectors in found if vectors.space == self._space)
