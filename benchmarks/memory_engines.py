"""Fovea's memory and its peers behind one face: build, search with some effort, size.

The peers are installed by `make bench` alone, into `build/peers`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
from jaxtyping import Float32

from services.kernel.vocabulary import (
    VISUAL_SPACE,
    AttributeValue,
    CollectionKey,
    Embedding,
    EncodedExemplar,
    Exemplar,
    ExemplarKind,
)
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.domain import Scope

KEY: Final = CollectionKey("default", "default")
ALL: Final = Scope()
PEERS: Final = Path("build/peers")
_ENCODER: Final = "encoder@0"
_DEGREE, _CONSTRUCTION = 16, 128
_BATCH: Final = 4_096
Vectors = Float32[np.ndarray, "n dim"]
Search = Callable[[Float32[np.ndarray, "dim"]], Sequence[int]]


@dataclass
class Built:
    """An engine that holds some vectors.

    Attributes:
        name: Of the engine.
        build_cpu_s: Processor time until everything was found through its index.
        bytes_each: Of a vector: what it keeps in memory, or maps, besides the vectors themselves if they
            lie in a file of their own.
        searches: For each effort, rising, a search for ten neighbours of one vector.
        first_cpu_s: Until the first index answered, if that is another.
        close: Gives everything back.
    """

    name: str
    build_cpu_s: float
    bytes_each: float
    searches: dict[str, Search]
    first_cpu_s: float = 0.0
    close: Callable[[], None] = field(default=lambda: None)


def change(number: int, vector: Float32[np.ndarray, "dim"]) -> Change:
    """Return an exemplar with attributes that 50, 10, 1 and 0.1 % share."""
    attributes: dict[str, AttributeValue] = {str(each): float(number % each) for each in (2, 10, 100, 1000)}
    exemplar = Exemplar(f"e{number:08}", f"class {number % 1000}", ExemplarKind.IMAGE, attributes)
    return Change(KEY, exemplar.exemplar_id, EncodedExemplar(exemplar, (embedding(vector),)))


def embedding(vector: Float32[np.ndarray, "dim"]) -> Embedding:
    """Return a vector as services send it."""
    return Embedding(vector, _ENCODER, VISUAL_SPACE)


def numbers(found: Any) -> list[int]:
    """Return the numbers of the exemplars that were found."""
    return [int(hit.exemplar.exemplar_id[1:]) for hit in found.hits]


def taught(rows: Vectors, folder: Path) -> SegmentedIndex:
    """Return a memory that was taught these vectors and has done all its work."""
    index = SegmentedIndex(folder)
    for begin in range(0, len(rows), _BATCH):
        some = rows[begin : begin + _BATCH]
        index.apply([change(begin + place, row) for place, row in enumerate(some)], {0: begin + len(some)})
        index.flush()
    settle(index)
    return index


def settle(index: SegmentedIndex) -> None:
    """Let it do all its work."""
    while index.maintain():
        pass


def fovea(rows: Vectors) -> Built:
    """Build Fovea's memory; its time is that of the index, for the others store no exemplars either."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    index = SegmentedIndex(folder)
    for begin in range(0, len(rows), _BATCH):
        some = rows[begin : begin + _BATCH]
        index.apply([change(begin + place, row) for place, row in enumerate(some)], {0: begin})
    index.flush()
    began = time.process_time()
    settle(index)
    cpu_s = time.process_time() - began
    view = index.view(KEY)

    def search(vector: Float32[np.ndarray, "dim"]) -> list[int]:
        return numbers(view.nearest([embedding(vector)], most=10, scope=ALL)[0])

    size = sum(path.stat().st_size for path in folder.glob("*/*") if not path.name.startswith("vectors"))
    return Built(
        "fovea", cpu_s, size / len(rows), {"as found out": search}, close=lambda: shutil.rmtree(folder)
    )


def hnswlib_graph(rows: Vectors) -> Any:
    """Build hnswlib's graph."""
    index = _peer("hnswlib").Index("ip", rows.shape[1])
    index.init_index(len(rows), M=_DEGREE, ef_construction=_CONSTRUCTION)
    index.set_num_threads(1)
    index.add_items(rows, num_threads=1)
    return index


def hnswlib(rows: Vectors) -> Built:
    """Build hnswlib's graph, and searches with its efforts."""
    _peer("hnswlib")  # to load it is no part of building
    began = time.process_time()
    index = hnswlib_graph(rows)
    cpu_s = time.process_time() - began

    def with_effort(effort: int) -> Search:
        def search(vector: Float32[np.ndarray, "dim"]) -> list[int]:
            index.set_ef(effort)
            found: list[int] = index.knn_query(vector, 10, num_threads=1)[0][0].tolist()
            return found

        return search

    searches = {f"ef {effort}": with_effort(effort) for effort in (16, 32, 64, 128, 256, 512, 1024)}
    return Built("hnswlib", cpu_s, index.index_file_size() / len(rows), searches)


def faiss_hnsw(rows: Vectors) -> Built:
    """Build faiss's graph over the vectors as they are."""
    index = faiss.IndexHNSWFlat(rows.shape[1], _DEGREE, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = _CONSTRUCTION
    return _faiss("faiss HNSW", index, rows, (16, 32, 64, 128, 256, 512, 1024))


def faiss_sq8(rows: Vectors) -> Built:
    """Build faiss's graph over vectors of a byte a coordinate."""
    kind = faiss.ScalarQuantizer.QT_8bit
    index = faiss.IndexHNSWSQ(rows.shape[1], kind, _DEGREE, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = _CONSTRUCTION
    return _faiss("faiss HNSW SQ8", index, rows, (16, 32, 64, 128, 256, 512, 1024))


def _faiss(name: str, index: Any, rows: Vectors, efforts: Sequence[int]) -> Built:
    began = time.process_time()
    index.train(rows[:20_000])
    index.add(rows)
    cpu_s = time.process_time() - began

    def with_effort(effort: int) -> Search:
        parameters = faiss.SearchParametersHNSW(efSearch=effort)

        def search(vector: Float32[np.ndarray, "dim"]) -> list[int]:
            found: list[int] = index.search(vector[np.newaxis], 10, params=parameters)[1][0].tolist()
            return found

        return search

    size = faiss.serialize_index(index).nbytes / len(rows)
    return Built(name, cpu_s, size, {f"ef {effort}": with_effort(effort) for effort in efforts})


def faiss_flat(rows: Vectors) -> Built:
    """Keep the vectors, and compare all."""
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)

    def search(vector: Float32[np.ndarray, "dim"]) -> list[int]:
        found: list[int] = index.search(vector[np.newaxis], 10)[1][0].tolist()
        return found

    return Built("faiss flat", 0.0, 4.0 * rows.shape[1], {"all": search})


def usearch(rows: Vectors) -> Built:
    """Build usearch's graph."""
    library = _peer("usearch.index")
    index = library.Index(
        ndim=rows.shape[1],
        metric="ip",
        dtype="f32",
        connectivity=_DEGREE,
        expansion_add=_CONSTRUCTION,
    )
    began = time.process_time()
    index.add(np.arange(len(rows)), rows, threads=1)
    cpu_s = time.process_time() - began

    def with_effort(effort: int) -> Search:
        def search(vector: Float32[np.ndarray, "dim"]) -> list[int]:
            index.expansion_search = effort
            found: list[int] = index.search(vector, 10, threads=1).keys.tolist()
            return found

        return search

    searches = {f"ef {effort}": with_effort(effort) for effort in (16, 32, 64, 128, 256, 512, 1024)}
    return Built("usearch", cpu_s, index.memory_usage / len(rows), searches)


def qdrant_edge(rows: Vectors) -> Built:
    """Build a shard of qdrant-edge."""
    library = _peer("qdrant_edge")
    folder = tempfile.mkdtemp(prefix="bench-")
    graph = library.HnswIndexConfig(
        m=_DEGREE, ef_construct=_CONSTRUCTION, full_scan_threshold=10, max_indexing_threads=1
    )
    shard = library.EdgeShard.create(
        folder,
        library.EdgeConfig(
            vectors=library.EdgeVectorParams(size=rows.shape[1], distance=library.Distance.Dot),
            hnsw_config=graph,
            optimizers=library.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1_000),
            max_search_threads=1,
        ),
    )
    began = time.process_time()
    for begin in range(0, len(rows), _BATCH):
        some = rows[begin : begin + _BATCH].tolist()
        points = [library.Point(begin + place, row) for place, row in enumerate(some)]
        shard.update(library.UpdateOperation.upsert_points(points))
    shard.optimize()
    cpu_s = time.process_time() - began

    def with_effort(effort: int) -> Search:
        def search(vector: Float32[np.ndarray, "dim"]) -> list[int]:
            request = library.SearchRequest(
                query=library.Query.Nearest(vector.tolist()),
                limit=10,
                params=library.SearchParams(hnsw_ef=effort),
            )
            return [point.id for point in shard.search(request)]

        return search

    def close() -> None:
        shard.close()
        shutil.rmtree(folder)

    size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    searches = {f"ef {effort}": with_effort(effort) for effort in (16, 32, 64, 128, 256, 512)}
    return Built("qdrant-edge", cpu_s, size / len(rows), searches, close=close)


def _peer(module: str) -> Any:
    """Import a peer. Raises ModuleNotFoundError where `make bench` has not installed it."""
    if str(PEERS) not in sys.path:
        sys.path.append(str(PEERS))
    __import__(module)
    return sys.modules[module]


ENGINES: Final[tuple[Callable[[Vectors], Built], ...]] = (
    fovea,
    hnswlib,
    faiss_hnsw,
    faiss_sq8,
    faiss_flat,
    usearch,
    qdrant_edge,
)
