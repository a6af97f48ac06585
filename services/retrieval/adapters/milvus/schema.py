"""What the memory's tables in Milvus look like.

<prefix>_state                one row a writer: how far the log is applied, and which tables there are
<prefix>_exemplars            one row for each thing that was ever taught under an id: label and record
<prefix>_vectors_<digest>     their vectors; a table for each (space, encoder, dimension)

A row is visible to whoever looks at a moment `born <= moment < died`. Nothing that was published is ever
changed but for `died`, so that a view of a moment stays as it was until its dead are collected.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pymilvus import DataType, MilvusClient

from services.kernel.limits import LIMITS
from services.retrieval.adapters.memory.block import TableKey

ALIVE: Final = 2**62
"""The moment at which whatever was not replaced or forgotten yet will have died."""
CHUNK_BYTES: Final = 60_000
"""Of a record; Milvus takes 65,535 in one text."""
MOST_CHUNKS: Final = 256
_OWNER_BYTES: Final = 2 * LIMITS.name_characters + 1
_LABEL_BYTES: Final = 4 * LIMITS.label_characters
_KEY_BYTES: Final = _OWNER_BYTES + LIMITS.id_characters + 32
_NO_VECTOR: Final = [0.0, 0.0]
"""Every table of Milvus must have a vector; those without one of their own have this."""


@dataclass(frozen=True)
class IndexKind:
    """How vectors are indexed, and searched.

    Args:
        build: Parameters of the index; hyper-parameters are those that Milvus documents as its defaults.
        search: Parameters of a search for a number of hits, by name; each the factor of that number and
            the least.
    """

    build: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def search_params(self, hits: int) -> dict[str, Any]:
        """Return the parameters of a search for so many hits."""
        found = {name: max(least, factor * hits) for name, (factor, least) in self.search.items()}
        return {"metric_type": "IP", "params": found}


INDEXES: Final[Mapping[str, IndexKind]] = {
    "FLAT": IndexKind(),
    "AUTOINDEX": IndexKind(),
    "HNSW": IndexKind({"M": 16, "efConstruction": 200}, {"ef": (2, 128)}),
    "IVF_RABITQ": IndexKind(
        {"nlist": 4096, "refine": True, "refine_type": "SQ8"}, {"nprobe": (0, 64), "refine_k": (0, 4)}
    ),
    "DISKANN": IndexKind({}, {"search_list": (2, 100)}),
}
"""The vectors of a unit length, so the inner product is the cosine."""


@dataclass(frozen=True)
class Layout:
    """Names and forms of the tables.

    Args:
        prefix: What the names of all tables begin with.
        index: A key of `INDEXES`.
        shards: Of each table, that take writes beside each other.
        partitions: Among which the collections of all tenants are shared out by their name.
    """

    prefix: str = "fovea"
    index: str = "AUTOINDEX"
    shards: int = 1
    partitions: int = 64

    @property
    def state(self) -> str:
        """The table of states."""
        return f"{self.prefix}_state"

    @property
    def exemplars(self) -> str:
        """The table of exemplars."""
        return f"{self.prefix}_exemplars"

    def vectors(self, key: TableKey) -> str:
        """Return the table of some vectors."""
        named = "\n".join((key.space, key.encoder, str(key.dim)))
        return f"{self.prefix}_vectors_{hashlib.sha256(named.encode()).hexdigest()[:16]}"

    def owns(self, table: str) -> bool:
        """Say whether a table is one of these."""
        return table in (self.state, self.exemplars) or table.startswith(f"{self.prefix}_vectors_")


def state_schema() -> tuple[Any, Any]:
    """Return the form of the table of states, and its indexes."""
    schema = MilvusClient.create_schema(auto_id=False)
    schema.add_field("term", DataType.INT64, is_primary=True)
    schema.add_field("moment", DataType.INT64)
    schema.add_field("state", DataType.VARCHAR, max_length=65_535)
    return schema, _indexes(schema, 2, "FLAT")


def exemplars_schema() -> tuple[Any, Any]:
    """Return the form of the table of exemplars, and its indexes."""
    schema = _versioned()
    schema.add_field("label", DataType.VARCHAR, max_length=_LABEL_BYTES)
    schema.add_field(
        "record",
        DataType.ARRAY,
        element_type=DataType.VARCHAR,
        max_capacity=MOST_CHUNKS,
        max_length=CHUNK_BYTES,
    )
    schema.add_field("tables", DataType.JSON)
    return schema, _indexes(schema, 2, "FLAT")


def vectors_schema(dim: int, index: str) -> tuple[Any, Any]:
    """Return the form of a table of vectors, and its indexes."""
    schema = _versioned()
    schema.add_field("attributes", DataType.JSON)
    return schema, _indexes(schema, dim, index)


def without_vector(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a table whose vector is for form's sake."""
    return {**row, "vector": _NO_VECTOR}


def _versioned() -> Any:
    """Return what exemplars and vectors share. The owner's partitions are the unit that a search reads."""
    schema = MilvusClient.create_schema(auto_id=False)
    schema.add_field("id", DataType.VARCHAR, max_length=_KEY_BYTES, is_primary=True)
    schema.add_field("owner", DataType.VARCHAR, max_length=_OWNER_BYTES, is_partition_key=True)
    schema.add_field("exemplar_id", DataType.VARCHAR, max_length=LIMITS.id_characters)
    schema.add_field("born", DataType.INT64)
    schema.add_field("died", DataType.INT64)
    return schema


def _indexes(schema: Any, dim: int, index: str) -> Any:
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    indexes = MilvusClient.prepare_index_params()
    indexes.add_index("vector", index_type=index, metric_type="IP", params=dict(INDEXES[index].build))
    if any(found.name == "exemplar_id" for found in schema.fields):
        indexes.add_index("exemplar_id", index_type="INVERTED")
    return indexes


def row_key(owner: str, exemplar_id: str, offset: int) -> str:
    """Return the primary key of what one record of the log taught: the same, whoever writes it, how often.

    Within an owner such keys order by the exemplar's id: `!` sorts before all that an id may have.
    """
    return f"{owner}!{exemplar_id}!{offset:016x}"
