"""The arithmetic of a memory on Milvus: bytes of a row, of an index, nodes, and what they cost."""

# ruff: noqa: INP001  (no package that is installed)
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

GB: Final = 1e9
HOURS: Final = 730.0
"""Of a month."""


@dataclass(frozen=True)
class Exemplars:
    """What is kept; bytes are those of a typical exemplar, each on average.

    Args:
        count: How many.
        dim: Of the one embedding that each has.
        owner: `tenant/collection`.
        exemplar_id: Its id.
        label: Its label.
        attributes: As JSON, names and values in hexadecimal.
        record: As JSON: digest and key of the image, region, text.
    """

    count: int
    dim: int = 512
    owner: int = 20
    exemplar_id: int = 32
    label: int = 16
    attributes: int = 80
    record: int = 350

    @property
    def vector(self) -> int:
        """Bytes of its vector."""
        return 4 * self.dim

    @property
    def row_id(self) -> int:
        """Bytes of a row's primary key: owner, id, offset in the log."""
        return self.owner + self.exemplar_id + 18

    @property
    def moments(self) -> int:
        """Bytes of birth and death."""
        return 16

    @property
    def row_of_vector(self) -> int:
        """Bytes of a row of a table of vectors."""
        return self.row_id + self.owner + self.exemplar_id + self.moments + self.attributes + self.vector

    @property
    def row_of_exemplar(self) -> int:
        """Bytes of a row of the table of exemplars, its two numbers for form's sake included."""
        tables, no_vector = 70, 8
        own = self.label + self.record + tables + no_vector
        return self.row_id + self.owner + self.exemplar_id + self.moments + own


@dataclass(frozen=True)
class Index:
    """What an index takes, in bytes a vector, for a dimension.

    Args:
        memory: That query nodes hold.
        disk: That they read from NVMe, beside the columns.
        shown: How both come about, for people.
    """

    memory: Callable[[int], float]
    disk: Callable[[int], float]
    shown: str


def _diskann_disk(dim: int) -> float:
    """Return the bytes of a node in the graph on disk: nodes do not cross sectors of 4 KB."""
    node, sector = 4 * dim + 4 * (56 + 1), 4096
    return sector / (sector // node) if node <= sector else sector * math.ceil(node / sector)


INDEXES: Final[Mapping[str, Index]] = {
    "HNSW": Index(
        lambda dim: 4 * dim + 2 * 16 * 4 + 8,
        lambda _: 0.0,
        "memory: vector 4d, 2 x M = 32 links of 4 bytes, 8 of the rest of the graph",
    ),
    "IVF_RABITQ": Index(
        lambda dim: dim / 8 + 8 + dim + 8,
        lambda dim: 4 * dim,
        "memory: a bit a coordinate d/8, two factors 8, SQ8 refiner d, id 8; disk: the vectors, for the "
        "second look",
    ),
    "DISKANN": Index(
        lambda dim: (0.125 + 0.1) * 4 * dim,
        _diskann_disk,
        "memory: codes 0.125 and cached nodes 0.1 of the vectors' 4d; disk: vector and 56 links, whole "
        "sectors of 4,096",
    ),
}


@dataclass(frozen=True)
class Assumptions:
    """What is not arithmetic; replace them with your own. Prices are in US dollars, a list price's order.

    Args:
        node_memory_gb: Of a query node.
        node_disk_gb: NVMe of a query node.
        node_cores: Of a query node.
        node_hour: Price of a query node.
        filled: How full memory and disk of a node may be: the rest is for growing segments, for a new
            segment beside the one that it replaces, and for a node that fails.
        copies: Of everything in query nodes, so that one may fail.
        memory_row: Bytes of a row that are in memory besides the index: keys, owners, moments, and 16 for
            offsets of texts.
        service_hour: Price of a small node (4 cores, 16 GB) for what is not a query node.
        stored_month: Price of a gigabyte in the object store.
        stored_factor: What the object store has, to what is alive: dead rows, indexes, segments that were
            merged and not collected yet.
        rows_a_shard: That one shard may hold.
        rows_a_second: Written by the one writer, in batches.
        column_ns: To test one column of one row.
    """

    node_memory_gb: float = 128.0
    node_disk_gb: float = 950.0
    node_cores: int = 16
    node_hour: float = 1.21
    filled: float = 0.7
    copies: int = 2
    memory_row: int = 16
    service_hour: float = 0.20
    stored_month: float = 0.023
    stored_factor: float = 2.0
    rows_a_shard: int = 100_000_000
    rows_a_second: int = 5_000
    column_ns: float = 1.0


@dataclass(frozen=True)
class Plan:
    """What some exemplars take with some index."""

    exemplars: Exemplars
    index: Index
    given: Assumptions = field(default_factory=Assumptions)

    @property
    def memory_gb(self) -> float:
        """In query nodes, one copy: the index, and what every search tests."""
        kept = self.exemplars
        columns = kept.row_id + kept.owner + kept.moments + self.given.memory_row  # of the vectors
        keys = kept.row_id + self.given.memory_row  # of the exemplars; the rest is read from disk
        return kept.count * (self.index.memory(kept.dim) + columns + keys) / GB

    @property
    def disk_gb(self) -> float:
        """On NVMe of query nodes, one copy: the rest of the rows, and what the index reads."""
        kept = self.exemplars
        rest = kept.exemplar_id + kept.attributes + kept.row_of_exemplar - kept.row_id
        return kept.count * (self.index.disk(kept.dim) + rest) / GB

    @property
    def query_nodes(self) -> int:
        """All copies."""
        by_memory = self.memory_gb / (self.given.node_memory_gb * self.given.filled)
        by_disk = self.disk_gb / (self.given.node_disk_gb * self.given.filled)
        return self.given.copies * math.ceil(max(by_memory, by_disk))

    @property
    def shards(self) -> int:
        """Of each table."""
        return math.ceil(self.exemplars.count / self.given.rows_a_shard)

    @property
    def service_nodes(self) -> int:
        """Coordinators, proxies and etcd 5, and 2 that stream and compact for every shard, at least 4."""
        return 5 + max(4, 2 * self.shards)

    @property
    def stored_gb(self) -> float:
        """In the object store."""
        kept = self.exemplars
        return self.given.stored_factor * kept.count * (kept.row_of_vector + kept.row_of_exemplar) / GB

    @property
    def nodes_month(self) -> float:
        """Price of all nodes."""
        hour = self.query_nodes * self.given.node_hour + self.service_nodes * self.given.service_hour
        return hour * HOURS

    @property
    def stored_monthly(self) -> float:
        """Price of the object store, requests not counted."""
        return self.stored_gb * self.given.stored_month

    @property
    def import_h(self) -> float:
        """Until a snapshot is brought in."""
        return self.exemplars.count / self.given.rows_a_second / 3600

    @property
    def filter_core_s(self) -> float:
        """That testing owner, birth and death takes of one query, if all is one collection."""
        return 3 * self.exemplars.count * self.given.column_ns / 1e9

    @property
    def most_queries_a_second(self) -> float:
        """With half of all cores of the query nodes, if all is one collection, before any vector is read."""
        return 0.5 * self.query_nodes * self.given.node_cores / self.filter_core_s


def plans(count: int) -> dict[str, Plan]:
    """Return a plan for each index."""
    return {name: Plan(Exemplars(count), index) for name, index in INDEXES.items()}
