"""What is written to a memory."""

from __future__ import annotations

from typing import NamedTuple

from services.kernel.vocabulary import CollectionKey, EncodedExemplar


class Change(NamedTuple):
    """An exemplar is remembered, in place of an older one of its id, or forgotten if there is none.

    `offset` is the record's in its partition of the log: what tells two changes of one exemplar apart.
    """

    collection: CollectionKey
    exemplar_id: str
    encoded: EncodedExemplar | None
    offset: int = 0
