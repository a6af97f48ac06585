"""What is taught, forgotten and corrected."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.kernel.vocabulary import (
    AttributeValue,
    CollectionKey,
    Condition,
    Embedding,
    EncodedExemplar,
    Exemplar,
    ExemplarKind,
    Shape,
)


@dataclass(frozen=True)
class Lesson:
    """One exemplar as the caller gives it: either `image` or `text`. An empty id: it is derived."""

    collection: CollectionKey
    label: str
    kind: ExemplarKind
    image: bytes = b""
    text: str = ""
    exemplar_id: str = ""
    shape: Shape | None = None
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """What is to happen to one exemplar; without an exemplar it is forgotten.

    Attributes:
        collection: Whose it is.
        exemplar_id: Which.
        exemplar: What is remembered.
        embeddings: Those that it is remembered by; without, it is encoded.
        spaces: Into which it is encoded; empty: that of the first encoder. What comes with
            embeddings gets those that it lacks.
        unless_changed_since: For each partition of `exemplars.submitted`, an offset: if somebody changed the
            exemplar from there on, this change is left undone.
    """

    collection: CollectionKey
    exemplar_id: str
    exemplar: Exemplar | None = None
    embeddings: tuple[Embedding, ...] = ()
    spaces: tuple[str, ...] = ()
    unless_changed_since: tuple[int, ...] = ()


@dataclass(frozen=True)
class Forgotten:
    """How many exemplars were forgotten, and a memory version without them."""

    count: int
    memory_version: str


@dataclass(frozen=True)
class Feedback:
    """A person gave the right label of a recognised region."""

    collection: CollectionKey
    recognition_id: str
    region_id: str
    answered_label: str
    right_label: str
    exemplar_id: str


@dataclass(frozen=True)
class ExemplarQuery:
    """Which exemplars to list; empty fields do not narrow."""

    collection: CollectionKey
    label: str = ""
    page_size: int = 0
    page_token: str = ""
    min_memory_version: str = ""
    filter: tuple[Condition, ...] = ()
    exemplar_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExemplarPage:
    """One page of a listing; no token on the last."""

    exemplars: tuple[Exemplar, ...]
    next_page_token: str
    memory_version: str


@dataclass(frozen=True)
class LabelCounts:
    """How many exemplars each label has."""

    labels: tuple[tuple[str, int], ...]
    memory_version: str


def exemplar_id(kind: ExemplarKind, *, label: str, content: str, place: object = None) -> str:
    """Return an id that is the same whenever the same is taught, so that twice is once.

    Args:
        kind: What the class is shown by.
        label: The class.
        content: Digest of the image, or the text.
        place: The part of the image that counts, as a value; None for all of it.
    """
    return digest_of((kind.value, label, content, "" if place is None else repr(place)))


def embedded_id(encoded: EncodedExemplar) -> str:
    """Return an id that is the same whenever the same label comes with the same embeddings."""
    exemplar = encoded.exemplar
    return digest_of(
        (
            exemplar.kind.value,
            exemplar.label,
            exemplar.text,
            *(f"{each.space} {each.encoder} {each.vector.tobytes().hex()}" for each in encoded.embeddings),
        )
    )


def digest_of(parts: Iterable[str]) -> str:
    """Return 128 bits in hexadecimal that stand for a sequence of texts."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()[:32]
