"""The memory while it changes: filters, inserting, deleting, opening."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np

from benchmarks.memory_engines import (
    ALL,
    KEY,
    Vectors,
    change,
    embedding,
    hnswlib_graph,
    numbers,
    settle,
    taught,
)
from benchmarks.memory_sets import easy
from benchmarks.table import table
from services.kernel.vocabulary import Condition
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.domain import Scope

_QUERIES: Final = 300
_MOST: Final = 10
_CALLBACK_EFFORT: Final = 128
_INSERTS_PER_S: Final = 500


@contextmanager
def _folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@dataclass(frozen=True)
class Asked:
    """Of some queries: processor time of each, and recall at ten."""

    cpu_s: float
    recall: float


def _asked(
    index: SegmentedIndex, rows: Vectors, queries: Vectors, scope: Scope, allowed: Any = None
) -> Asked:
    view = index.view(KEY)
    view.nearest([embedding(queries[0])], most=_MOST, scope=scope)  # a filter is remembered from then on
    began = time.process_time()
    found = [numbers(view.nearest([embedding(query)], most=_MOST, scope=scope)[0]) for query in queries]
    cpu_s = (time.process_time() - began) / len(queries)
    similarity = queries @ rows.T
    if allowed is not None:
        similarity[:, ~allowed] = -2
    truth = np.argsort(-similarity, axis=1)[:, :_MOST].tolist()
    hits = sum(len(set(some) & set(true)) for some, true in zip(found, truth, strict=True))
    return Asked(cpu_s, hits / (len(queries) * _MOST))


def filters(rows: int) -> str:
    """Search with filters that admit 50, 10, 1 and 0.1 %."""
    draw = easy()
    vectors, queries = draw(rows), draw(_QUERIES)
    place = np.arange(rows)
    with _folder() as folder:
        index = taught(vectors, folder)
        unfiltered = _asked(index, vectors, queries, ALL)
        lines = [("none", f"{unfiltered.recall:.4f}", f"{1e6 * unfiltered.cpu_s:.0f}", "1.00")]
        for part in (2, 10, 100, 1000):
            scope = Scope((Condition(str(part), one_of=(1.0,)),))
            found = _asked(index, vectors, queries, scope, place % part == 1)
            ratio = found.cpu_s / unfiltered.cpu_s
            cost = f"{1e6 * found.cpu_s:.0f}"
            lines.append((f"{100 / part:g} %", f"{found.recall:.4f}", cost, f"{ratio:.2f}"))
    callback = _callback_cpu_s(vectors, queries[:5])
    told = "" if callback is None else f"\nhnswlib with a Python filter of 1 %: {1e6 * callback:,.0f} us"
    shown = table(("admits", "recall", "us", "over none"), lines)
    return f"filters, easy set, {rows:,} vectors\n{shown}{told}"


def _callback_cpu_s(rows: Vectors, queries: Vectors) -> float | None:
    try:
        index = hnswlib_graph(rows)
    except ModuleNotFoundError:
        return None
    index.set_ef(_CALLBACK_EFFORT)
    began = time.process_time()
    for query in queries:
        index.knn_query(query, _MOST, num_threads=1, filter=lambda label: label % 100 == 1)
    return (time.process_time() - began) / len(queries)


@dataclass(frozen=True)
class Pace:
    """Of one searching thread: searches a second, and the time of the slowest but one in a hundred."""

    per_s: float
    p99_s: float


def _pace(index: SegmentedIndex, queries: Vectors, seconds: float) -> Pace:
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        query = queries[len(times) % len(queries)]
        index.view(KEY).nearest([embedding(query)], most=_MOST, scope=ALL)
        times.append(time.perf_counter() - began)
    return Pace(len(times) / sum(times), float(np.quantile(times, 0.99)))


def inserting(rows: int, seconds: float) -> str:
    """Search while 500 vectors a second come in."""
    draw = easy()
    with _folder() as folder:
        index = taught(draw(rows), folder)
        queries = draw(2_000)
        traffic = _Traffic(index, draw(int(_INSERTS_PER_S * seconds) + 1), rows)
        before = _pace(index, queries, min(seconds, 10.0))
        with traffic:
            during = _pace(index, queries, seconds)
        settle(index)
        after = _pace(index, queries, min(seconds, 10.0))
    lines = [
        (name, f"{pace.per_s:.0f}", f"{1e3 * pace.p99_s:.2f}", f"{pace.per_s / before.per_s:.2f}")
        for name, pace in (("before", before), ("meanwhile", during), ("after", after))
    ]
    visible = f"write to visible, p99 {1e3 * float(np.quantile(traffic.delays, 0.99)):.2f} ms"
    return (
        f"inserting {len(traffic.delays) / seconds:.0f}/s for {seconds:.0f} s into {rows:,}, easy set; "
        f"{len(traffic.errors)} errors; {visible}\n" + table(("", "searches/s", "p99 ms", "of before"), lines)
    )


class _Traffic:
    """A thread that inserts, and one that keeps the memory in order."""

    def __init__(self, index: SegmentedIndex, new: Vectors, first: int) -> None:
        self._index = index
        self._new = new
        self._first = first
        self._done = threading.Event()
        works = (self._write, self._keep)
        self._threads = [threading.Thread(target=self._guarded, args=(work,)) for work in works]
        self.delays: list[float] = []
        self.errors: list[Exception] = []

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _write(self) -> None:
        began = time.perf_counter()
        for number, row in enumerate(self._new):
            if self._done.wait(max(0.0, began + number / _INSERTS_PER_S - time.perf_counter())):
                return
            due = time.perf_counter()
            self._index.apply([change(self._first + number, row)], {0: self._first + number})
            self.delays.append(time.perf_counter() - due)

    def _keep(self) -> None:
        while not self._done.is_set():
            if not self._index.maintain():
                self._done.wait(0.1)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  (counted)
            self.errors.append(error)


def deleting(rows: int) -> str:
    """Search after half was deleted, before and after it is written anew."""
    draw = easy()
    vectors, queries = draw(rows), draw(_QUERIES)
    left = np.arange(rows) % 2 == 0
    with _folder() as folder:
        index = taught(vectors, folder)
        lines = [_line("all", _asked(index, vectors, queries, ALL), None)]
        first = _asked(index, vectors, queries, ALL)
        for begin in range(0, rows, 1_000):
            gone = [f"e{number:08}" for number in range(begin + 1, min(begin + 1_000, rows), 2)]
            index.apply([Change(KEY, name, None) for name in gone], {0: 2 * rows + begin})
        lines.append(_line("half deleted", _asked(index, vectors, queries, ALL, left), first))
        settle(index)
        lines.append(_line("and written anew", _asked(index, vectors, queries, ALL, left), first))
    return f"deleting, easy set, {rows:,} vectors\n" + table(("", "recall", "us", "of all"), lines)


def _line(name: str, found: Asked, first: Asked | None) -> tuple[str, str, str, str]:
    ratio = "1.00" if first is None else f"{found.cpu_s / first.cpu_s:.2f}"
    return name, f"{found.recall:.4f}", f"{1e6 * found.cpu_s:.0f}", ratio


def opening(rows: int) -> str:
    """Open an index and answer once; the files are in the page cache."""
    draw = easy()
    vectors, (query,) = draw(rows), draw(1)
    with _folder() as folder:
        state = taught(vectors, folder).flush()
        graph = faiss.IndexHNSWFlat(vectors.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = 40
        graph.add(vectors)
        path = str(folder / "graph.faiss")
        faiss.write_index(graph, path)

        def ours() -> None:
            index = SegmentedIndex(folder)
            index.restore(state)
            index.view(KEY).nearest([embedding(query)], most=_MOST, scope=ALL)

        def theirs() -> None:
            faiss.read_index(path, faiss.IO_FLAG_MMAP_IFC).search(query[np.newaxis], _MOST)

        sides = {"fovea": ours, "faiss, mapped": theirs}
        lines = [(name, f"{1e3 * _median_s(work):.1f}") for name, work in sides.items()]
    return f"opening {rows:,} vectors until the first answer\n" + table(("", "ms"), lines)


def _median_s(work: Callable[[], None]) -> float:
    times = []
    for _ in range(6):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return float(np.median(times[1:]))
