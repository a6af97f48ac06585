"""Exemplars that come with their embeddings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from services.encoding import domain
from services.encoding.ports import TextEncoder
from services.encoding.usecases.eyes import Eyes
from services.kernel.errors import InvalidInput
from services.kernel.vocabulary import NAME_SPACE, Embedding, EncodedExemplar


class Source(NamedTuple):
    """Who made an embedding; only embeddings of one source can be compared."""

    space: str
    encoder: str

    def __str__(self) -> str:
        return f"{self.encoder[:80]} of space {self.space[:80]}"


class RestoreExemplar:
    """Takes an exemplar as it was kept before: from an import, or from a kept version of the memory.

    Nothing is encoded. An embedding must be one that this service could have made for an exemplar: of an
    encoder that it runs now, and as long as that encoder's are. What such an encoder makes is found by
    asking it once.
    """

    def __init__(self, eyes: Eyes, reader: TextEncoder) -> None:
        self._eyes = eyes
        self._reader = reader
        self._known: tuple[tuple[str, ...], Mapping[Source, int]] = ((), {})

    def __call__(self, encoded: EncodedExemplar) -> EncodedExemplar:
        """Return the exemplar as it came.

        Raises:
            InvalidInput: It has no embedding, two of one encoder, or one that nobody here could have made.
            DeadlineExceeded, Unavailable: The models are not to be had.
        """
        sources = Counter(Source(each.space, each.encoder) for each in encoded.embeddings)
        if not sources:
            raise _refused("there are none: they should come with the exemplar", "EMBEDDINGS_MISSING")
        source, count = sources.most_common(1)[0]
        if count > 1:
            raise _refused(f"{count} are by {source}, where one is enough", "EMBEDDING_REPEATED")
        dimensions = self._dimensions()
        for each in encoded.embeddings:
            _require_made(each, dimensions)
        return encoded

    def _dimensions(self) -> Mapping[Source, int]:
        models = (*self._eyes.models(), *self._reader.models())
        known, dimensions = self._known
        if known != models:
            blank = domain.blank_crop()
            seen = [made for eyes in self._eyes.all() for made in eyes.encode(blank)]
            made = (*(each for each in seen if each.space != NAME_SPACE), self._reader.encode(["a"]))
            dimensions = {Source(each.space, each.encoder): each.rows.shape[1] for each in made}
            self._known = (models, dimensions)
        return dimensions


def _require_made(embedding: Embedding, dimensions: Mapping[Source, int]) -> None:
    source = Source(embedding.space, embedding.encoder)
    if source not in dimensions:
        served = "; ".join(map(str, dimensions))
        raise _refused(f"{source} does not run here; those that do: {served}", "UNKNOWN_ENCODER")
    if len(embedding.vector) != dimensions[source]:
        raise _refused(
            f"{source} makes {dimensions[source]} numbers, not {len(embedding.vector)}", "DIMENSION_MISMATCH"
        )


def _refused(problem: str, reason: str) -> InvalidInput:
    return InvalidInput(f"embeddings: {problem}", field="embeddings", reason=reason)
