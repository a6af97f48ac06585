"""What is written to a memory."""

from __future__ import annotations

from typing import NamedTuple

from services.kernel.vocabulary import CollectionKey, EncodedExemplar


class Change(NamedTuple):
    """An exemplar is remembered, in place of an older one of its id, or forgotten if there is none."""

    collection: CollectionKey
    exemplar_id: str
    encoded: EncodedExemplar | None
