"""Exemplars that come with their embeddings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from services.encoding import domain
from services.encoding.ports import ImageEncoder
from services.encoding.usecases.eyes import Eyes
from services.encoding.usecases.texts import Readers
from services.kernel.errors import InvalidInput
from services.kernel.texts import TextEncoder
from services.kernel.vectors import Vectors
from services.kernel.vocabulary import Embedding, EncodedExemplar


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

    def __init__(self, eyes: Eyes, readers: Readers) -> None:
        self._eyes = eyes
        self._readers = readers
        self._known: dict[tuple[str, ...], Mapping[Source, int]] = {}

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
        # Encoders of other spaces are not asked: one that is away is no reason to refuse this exemplar.
        spaces = [source.space for source in sources]
        dimensions = self._dimensions(self._eyes.chosen(spaces), self._readers.chosen(spaces))
        for each in encoded.embeddings:
            self._require_made(each, dimensions)
        return encoded

    def _require_made(self, embedding: Embedding, dimensions: Mapping[Source, int]) -> None:
        source = Source(embedding.space, embedding.encoder)
        if source not in dimensions:
            served = "; ".join(map(str, self._dimensions(self._eyes.all(), self._readers.all())))
            raise _refused(f"{source} does not run here; those that do: {served}", "UNKNOWN_ENCODER")
        if len(embedding.vector) != dimensions[source]:
            raise _refused(
                f"{source} makes {dimensions[source]} numbers, not {len(embedding.vector)}",
                "DIMENSION_MISMATCH",
            )

    def _dimensions(
        self, eyes: Sequence[ImageEncoder], readers: Sequence[TextEncoder]
    ) -> Mapping[Source, int]:
        found: dict[Source, int] = {}
        for encoder in eyes:
            found |= self._made(encoder.models(), partial(_looks, encoder))
        for reader in readers:
            found |= self._made(reader.models(), partial(_read, reader))
        return found

    def _made(self, models: tuple[str, ...], ask: Callable[[], Sequence[Vectors]]) -> Mapping[Source, int]:
        if models not in self._known:
            self._known[models] = {Source(each.space, each.encoder): each.rows.shape[1] for each in ask()}
        return self._known[models]


def _looks(encoder: ImageEncoder) -> Sequence[Vectors]:
    """Return what an encoder makes of nothing; what it guesses of a name is never kept."""
    return encoder.encode(domain.blank_crop(encoder.preparation()))[:1]


def _read(encoder: TextEncoder) -> Sequence[Vectors]:
    """Return what an encoder makes of a letter."""
    return [encoder.encode(["a"])]


def _refused(problem: str, reason: str) -> InvalidInput:
    return InvalidInput(f"embeddings: {problem}", field="embeddings", reason=reason)
