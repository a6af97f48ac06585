"""Exemplars as rows of Milvus."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float32

from services.kernel.errors import InvalidInput
from services.kernel.vocabulary import CollectionKey, EncodedExemplar, Exemplar, ExemplarKind
from services.retrieval.adapters.memory import records
from services.retrieval.adapters.memory.block import TableKey
from services.retrieval.adapters.milvus.expressions import attributes, description
from services.retrieval.adapters.milvus.schema import (
    ALIVE,
    CHUNK_BYTES,
    MOST_CHUNKS,
    row_key,
    without_vector,
)

_REQUEST_BYTES: Final = 8 << 20  # servers take 64 MB at a time
_ROW_BYTES: Final = 1_000  # what a row may have besides its vector and record, about
_SQUEEZED: Final = "z"  # a record begins with a bracket
DESCRIPTIONS: Final = TableKey("", "", 2)
"""In place of vectors this table has the texts of attribute exemplars; no space has that name."""


@dataclass(frozen=True)
class Rows:
    """What one record of the log puts into the tables."""

    exemplar: dict[str, Any]
    vectors: dict[TableKey, dict[str, Any]]


def rows_of(collection: CollectionKey, encoded: EncodedExemplar, *, offset: int, born: int) -> Rows:
    """Return the rows of an exemplar. Raises InvalidInput for one that is larger than Milvus takes.

    Args:
        collection: Whose it is.
        encoded: The exemplar.
        offset: Of the record that taught it.
        born: The moment from which it is visible.
    """
    exemplar = encoded.exemplar
    owner = str(collection)
    shared = {
        "id": row_key(owner, exemplar.exemplar_id, offset),
        "owner": owner,
        "exemplar_id": exemplar.exemplar_id,
        "born": born,
        "died": ALIVE,
    }
    tested = attributes(exemplar.attributes)
    vectors = {
        TableKey.of(each): {**shared, "attributes": tested, "vector": each.vector}
        for each in encoded.embeddings
    }
    tables = {**vectors, **_described(exemplar, {**shared, "attributes": tested})}
    own = {
        "label": exemplar.label,
        "record": _chunks(exemplar),
        "tables": [list(key) for key in tables],
    }
    return Rows(without_vector({**shared, **own}), tables)


def exemplar_of(row: dict[str, Any]) -> Exemplar:
    """Return the exemplar of a row."""
    text = "".join(row["record"])
    if text.startswith(_SQUEEZED):
        return records.read(zlib.decompress(base64.b64decode(text[1:])))
    return records.read(text.encode())


def tables_of(row: dict[str, Any]) -> tuple[TableKey, ...]:
    """Return the tables that have something of it."""
    return tuple(TableKey(space, encoder, dim) for space, encoder, dim in row["tables"])


def embedded_in(row: dict[str, Any]) -> tuple[TableKey, ...]:
    """Return the tables that have its vectors, in the order of its embeddings."""
    return tuple(key for key in tables_of(row) if key != DESCRIPTIONS)


def vector_of(row: dict[str, Any]) -> Float32[np.ndarray, "dim"]:
    """Return the vector of a row."""
    return np.array(row["vector"], np.float32)


def in_slices(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield rows, as many at a time as a request may hold."""
    some: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        some.append(row)
        size += _ROW_BYTES + sum(map(len, row.get("record", ()))) + 4 * len(row["vector"])
        if size > _REQUEST_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _described(exemplar: Exemplar, shared: dict[str, Any]) -> dict[TableKey, dict[str, Any]]:
    if exemplar.kind is not ExemplarKind.ATTRIBUTE:
        return {}
    own = description(exemplar.label, exemplar.text)
    return {DESCRIPTIONS: without_vector({**shared, "attributes": {**shared["attributes"], **own}})}


def _chunks(exemplar: Exemplar) -> Sequence[str]:
    text = records.write(exemplar).decode()
    if len(text) > CHUNK_BYTES:
        text = _SQUEEZED + base64.b64encode(zlib.compress(text.encode())).decode()
    chunks = [text[start : start + CHUNK_BYTES] for start in range(0, len(text), CHUNK_BYTES)]
    if len(chunks) > MOST_CHUNKS:
        raise InvalidInput(
            f"exemplar {exemplar.exemplar_id} takes {len(text)} bytes without its vectors, more than the "
            f"{MOST_CHUNKS * CHUNK_BYTES} that a row of Milvus has room for"
        )
    return chunks
