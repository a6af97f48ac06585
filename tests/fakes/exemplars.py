"""Exemplars and embeddings in one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from services.kernel.vocabulary import (
    AttributeValue,
    CollectionKey,
    Embedding,
    EncodedExemplar,
    Exemplar,
    ExemplarKind,
    ImageReference,
)

BIRDS = CollectionKey("acme", "birds")
SEA = CollectionKey("acme", "sea")
ENCODER = "lite0@0123456789ab"
OTHER_DIGEST = "lite0@ffffffffffff"


def embedding(*numbers: float, encoder: str = ENCODER, space: str = "visual") -> Embedding:
    vector = np.array(numbers, np.float32)
    return Embedding(vector / np.float32(np.linalg.norm(vector)), encoder=encoder, space=space)


def image(exemplar_id: str) -> ImageReference:
    return ImageReference("0" * 64, f"acme/birds/images/{exemplar_id}", "image/png", 10, 4, 4)


def exemplar(
    exemplar_id: str, label: str = "robin", attributes: Mapping[str, AttributeValue] | None = None
) -> Exemplar:
    return Exemplar(exemplar_id, label, ExemplarKind.IMAGE, attributes or {}, image(exemplar_id))


def encoded(
    exemplar_id: str,
    label: str,
    embeddings: Sequence[Embedding],
    attributes: Mapping[str, AttributeValue] | None = None,
) -> EncodedExemplar:
    return EncodedExemplar(exemplar(exemplar_id, label, attributes), tuple(embeddings))


def described(
    exemplar_id: str, label: str, text: str, attributes: Mapping[str, AttributeValue] | None = None
) -> EncodedExemplar:
    """Return an attribute exemplar in the space of names."""
    taught = Exemplar(exemplar_id, label, ExemplarKind.ATTRIBUTE, attributes or {}, text=text)
    return EncodedExemplar(taught, (embedding(1, 0, space="name", encoder="text@1"),))
