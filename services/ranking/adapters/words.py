"""Whether a region has of a candidate's name what the candidate's own pictures have of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64

from models.ranking.pairs.looks import Look
from models.ranking.words import evidence
from services.kernel.errors import FoveaError
from services.kernel.sharing import Once
from services.kernel.texts import KnownTexts, TextKey
from services.kernel.vocabulary import Embedding
from services.ranking.adapters.pairs import Pictured
from services.runtime import deadline
from services.runtime.model_execution.ports import ModelExecution
from services.runtime.model_execution.texts import ModelTextEncoder, Reading

Texts = Once[TextKey, Embedding]


class Words:
    """Compares a region and the candidates' pictures with names, each of which is read once while it is kept.

    Args:
        models: Runs the model that reads.
        reading: How it is asked.
        texts: Shares and keeps what was read.
    """

    def __init__(self, models: ModelExecution, reading: Reading, texts: Texts) -> None:
        self._encoder = ModelTextEncoder(models, reading)
        self._known = KnownTexts(texts, deadline)

    def models(self) -> tuple[str, ...]:
        """Return the identity of the model that reads."""
        return self._encoder.models()

    def __call__(
        self, query: Look, pictured: Pictured, labels: Sequence[str]
    ) -> tuple[Float64[np.ndarray, "k"] | None, bool]:
        """Return what the names say of each candidate, and whether they could be read.

        Args:
            query: What is seen of the region.
            pictured: What is seen of the candidates' pictures.
            labels: Of the candidates; an empty one is not read.

        Returns:
            Log-probabilities; None if names cannot be read now, or say nothing.
        """
        if len(set(pictured.owner.tolist())) < 2:  # noqa: PLR2004  (one has nothing to be compared with)
            return None, True
        named = [place for place, label in enumerate(labels) if label.strip()]
        names = np.full((len(labels), len(query.names)), np.nan, dtype=np.float32)
        try:
            for place, row in zip(named, self._read([labels[place] for place in named]), strict=True):
                names[place] = row
        except FoveaError:  # the others speak without it
            return None, False
        exemplars = np.stack([each.names for each in pictured.looks])
        found = evidence(query.names, exemplars, pictured.owner, names)
        return (None if found is None else np.asarray(found, dtype=np.float64)), True

    def _read(self, labels: Sequence[str]) -> list[Float32[np.ndarray, "dim"]]:
        """Return each name's vector: the mean over the sentences that the model reads names in."""
        sentences = self._encoder.name_templates() or ("{}",)
        texts = [each.replace("{}", label) for label in labels for each in sentences]
        rows = [each.vector for each in self._known(self._encoder, texts)]
        means = [
            np.mean(rows[start : start + len(sentences)], axis=0)
            for start in range(0, len(rows), len(sentences))
        ]
        return [np.asarray(each / max(float(np.linalg.norm(each)), 1e-9), np.float32) for each in means]
