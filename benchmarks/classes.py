"""A memory of 13,204 classes: build, size, and recalls with a hierarchy: `python -m benchmarks.classes`.

Vectors are drawn, not of pictures: each class is a point beside those of its group, its exemplars lie around
it. A recall is all that retrieval does for one region but the message: search, votes, and ancestors.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import threadpoolctl
from jaxtyping import Float32

from benchmarks.memory_engines import ALL, KEY, embedding, numbers, settle
from benchmarks.memory_million import memory_mb
from benchmarks.table import table
from services.kernel import defaults
from services.kernel.vocabulary import (
    EncodedExemplar,
    Exemplar,
    ExemplarKind,
    RecognitionOptions,
    RegionEmbeddings,
)
from services.retrieval.adapters.log_memory import LogMemory
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.ports import Search
from services.retrieval.usecases import Recall, Voting

_CLASSES: Final = 13_204
_GROUPS: Final = 1_000
_SHOTS: Final = 4
_QUERIES: Final = 1_000
_DIM: Final = 512
Vectors = Float32[np.ndarray, "n dim"]


@dataclass(frozen=True)
class Drawn:
    """Vectors of all classes, and queries of some of them."""

    rows: Vectors
    labels: Sequence[int]
    queries: Vectors
    truths: Sequence[int]


def draw(classes: int, shots: int, queries: int, seed: int = 0) -> Drawn:
    """Return exemplars of each class and queries of classes chosen at random."""
    random = np.random.default_rng(seed)
    groups = random.standard_normal((_GROUPS, _DIM), dtype=np.float32)
    centres = groups[np.arange(classes) % _GROUPS] + np.float32(0.6) * _noise(random, classes)
    labels = np.repeat(np.arange(classes), shots)
    truths = random.integers(0, classes, queries)
    rows = centres[labels] + np.float32(0.8) * _noise(random, len(labels))
    asked = centres[truths] + np.float32(0.8) * _noise(random, queries)
    return Drawn(_unit(rows), labels.tolist(), _unit(asked), truths.tolist())


def _noise(random: np.random.Generator, count: int) -> Vectors:
    return random.standard_normal((count, _DIM), dtype=np.float32)


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


class _Quiet:
    """A monitor that nobody asks."""

    def searched(self, search: Search, seconds: float) -> None:
        """Take nothing."""

    def left_out(self, *_: object) -> None:
        """Take nothing."""


def measure(classes: int = _CLASSES, shots: int = _SHOTS, queries: int = _QUERIES) -> str:
    """Return what was measured, as a table."""
    drawn = draw(classes, shots, queries)
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        with threadpoolctl.threadpool_limits(1):
            before_mb = memory_mb()[0]
            index = SegmentedIndex(folder)
            began, busy = time.perf_counter(), time.process_time()
            _build(index, drawn)
            took_s, busy_s = time.perf_counter() - began, time.process_time() - busy
            rows = [
                ("exemplars", f"{len(drawn.labels):,}"),
                ("build, until all is behind the index", f"{took_s:.1f} s, {busy_s:.1f} s of processor"),
                ("anonymous memory of it", f"{memory_mb()[0] - before_mb:.0f} MB"),
                ("on disk", f"{_disk_mb(index):.0f} MB in {index.statistics().segments} segments"),
                *_asked(index, drawn, classes),
            ]
    finally:
        shutil.rmtree(folder)
    return table((f"{classes:,} classes", ""), rows)


def _build(index: SegmentedIndex, drawn: Drawn) -> None:
    for first in range(0, len(drawn.labels), 1_000):
        some = range(first, min(first + 1_000, len(drawn.labels)))
        index.apply([_change(place, drawn) for place in some], {0: some.stop})
        index.maintain()
    index.flush()
    settle(index)


def _change(place: int, drawn: Drawn) -> Change:
    exemplar = Exemplar(f"e{place:08}", f"class {drawn.labels[place]}", ExemplarKind.IMAGE)
    return Change(KEY, exemplar.exemplar_id, EncodedExemplar(exemplar, (embedding(drawn.rows[place]),)))


def _disk_mb(index: SegmentedIndex) -> float:
    folders = [segment.folder for segment in index.flush().collections[KEY]]
    return sum(path.stat().st_size for folder in folders for path in folder.iterdir()) / 1e6


def _asked(index: SegmentedIndex, drawn: Drawn, classes: int) -> list[tuple[str, str]]:
    parents = {f"class {number}": f"group {number % _GROUPS}" for number in range(classes)}
    recall = Recall(
        LogMemory(index, lambda *_: True, most_wait_s=1.0),
        voting=Voting(defaults.VOTES),
        monitor=_Quiet(),
        version="",
        parents=lambda _: parents,
    )
    options, firsts = RecognitionOptions(), 0
    took_s: list[float] = []
    busy_s: list[float] = []
    for query, truth in zip(drawn.queries, drawn.truths, strict=True):
        region = RegionEmbeddings("0", (embedding(query),))
        began, busy = time.perf_counter(), time.thread_time()
        (found,) = recall(KEY, [region], options).candidates
        took_s.append(time.perf_counter() - began)
        busy_s.append(time.thread_time() - busy)
        firsts += found.candidates[0].label == f"class {truth}"
    return [
        ("a recall with its hierarchy: p50, p95, p99", _percentiles(took_s)),
        ("of processor time", _percentiles(busy_s)),
        ("recall at 10 against every vector compared", f"{_recall(index, drawn):.3f}"),
        ("first candidate right", f"{firsts / len(drawn.truths):.3f}"),
    ]


def _percentiles(seconds: Sequence[float]) -> str:
    return ", ".join(f"{1e3 * each:.2f}" for each in np.percentile(seconds, (50, 95, 99))) + " ms"


def _recall(index: SegmentedIndex, drawn: Drawn) -> float:
    view = index.view(KEY)
    asked = [embedding(query) for query in drawn.queries[:200]]
    found = view.nearest(asked, most=10, scope=ALL)
    truth = view.compare_all(asked, most=10, scope=ALL)
    hits = sum(len({*numbers(a)} & {*numbers(b)}) for a, b in zip(found, truth, strict=True))
    return hits / (10 * len(asked))


if __name__ == "__main__":
    print(measure())
