from __future__ import annotations

import itertools
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from services.kernel.errors import Unavailable
from services.kernel.vocabulary import CollectionKey, Embedding
from services.retrieval.adapters.memory.changes import Change
from services.retrieval.adapters.memory.index import SegmentedIndex
from services.retrieval.adapters.memory.parameters import IndexParameters, Parameters
from services.retrieval.adapters.quality_watch import QualityWatch
from services.retrieval.domain import Scope
from services.retrieval.ports import Found, MemoryView, Search
from services.runtime.metrics import Metrics
from tests.fakes.exemplars import BIRDS, embedding, encoded
from tests.fakes.memory import InMemoryMemory, InMemoryView

NORTH = embedding(0, 1)
ALWAYS = 0.0
NEVER = 1.0
PATIENCE_S = 30.0


def search(view: MemoryView, *queries: Embedding, most: int = 10, key: CollectionKey = BIRDS) -> Search:
    found = view.nearest(queries, most=most, scope=Scope())
    return Search(key, view, queries, Scope(), most, found)


def taught(*names: str) -> InMemoryMemory:
    memory = InMemoryMemory()
    for name in names:
        memory.remember(BIRDS, encoded(name, "robin", [NORTH]))
    return memory


@contextmanager
def watching(watch: QualityWatch) -> Iterator[QualityWatch]:
    watch.start()
    try:
        yield watch
    finally:
        watch.close()


def outcomes(metrics: Metrics) -> dict[str, float]:
    read = metrics.registry.get_sample_value
    names = ("compared", "dropped", "failed")
    return {name: read("fovea_memory_watched_total", {"outcome": name}) or 0.0 for name in names}


def recall(metrics: Metrics, *, k: int = 10, collection: str = "acme/birds") -> tuple[float, float]:
    """Return the mean recall and of how many queries."""
    labels = {"collection": collection, "k": str(k)}
    count = metrics.registry.get_sample_value("fovea_memory_recall_ratio_count", labels) or 0.0
    total = metrics.registry.get_sample_value("fovea_memory_recall_ratio_sum", labels) or 0.0
    return total / count if count else 0.0, count


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def measured(index: SegmentedIndex, queries: Sequence[Embedding]) -> float:
    """Return what the watch says of these queries."""
    metrics = Metrics()
    with watching(QualityWatch(metrics.memory, sample=1.0, draw=lambda: ALWAYS)) as watch:
        for number, query in enumerate(queries, start=1):
            watch.answered(search(index.view(BIRDS), query))
            wait(lambda number=number: outcomes(metrics)["compared"] == number)  # type: ignore[misc]
    return recall(metrics)[0]


def drawn(count: int, *, seed: int) -> list[Embedding]:
    """Vectors without clusters, of which some coordinates say more than others."""
    weights = np.linspace(1, 0.02, 128) ** 2
    vectors = np.random.default_rng(seed).standard_normal((count, 128)) * weights
    return [embedding(*vector) for vector in vectors]


def indexed(folder: str, *, recall: float) -> SegmentedIndex:
    """1,500 vectors behind an index that tries as hard as that recall takes."""
    parameters = IndexParameters(exact_rows=100, rows=100, held_out=100, gathered_bytes=1, recall=recall)
    index = SegmentedIndex(Path(folder), Parameters(index=parameters))
    vectors = drawn(1_500, seed=1)
    changes = [
        Change(BIRDS, f"x{number}", encoded(f"x{number}", "robin", [vector]))
        for number, vector in enumerate(vectors)
    ]
    index.apply(changes, {0: len(changes)})
    index.flush()
    while index.maintain():
        pass
    assert index.statistics().indexed == {"rabitq": 1_500}
    return index


def test_recall_falls_when_the_index_stops_trying() -> None:
    queries = drawn(15, seed=2)
    with tempfile.TemporaryDirectory() as folder:
        well = measured(indexed(folder, recall=0.99), queries)
    with tempfile.TemporaryDirectory() as folder:
        badly = measured(indexed(folder, recall=0.0), queries)

    assert well > 0.9
    assert badly < 0.5


def test_an_exact_memory_finds_everything() -> None:
    metrics = Metrics()
    view = taught("a", "b", "c").view(BIRDS)
    with watching(QualityWatch(metrics.memory, sample=1.0, draw=lambda: ALWAYS)) as watch:
        watch.answered(search(view, NORTH, most=100))
        wait(lambda: outcomes(metrics)["compared"] == 1)

    assert recall(metrics) == (1.0, 1.0)
    assert recall(metrics, k=100) == (1.0, 1.0)


@dataclass(frozen=True)
class Guarded(InMemoryView):
    """A view that stands still, or fails, when it is compared whole."""

    go: threading.Event = field(default_factory=threading.Event)
    fails: bool = False

    def compare_all(self, queries: Sequence[Embedding], *, most: int, scope: Scope) -> Sequence[Found]:
        assert self.go.wait(PATIENCE_S)
        if self.fails:
            raise Unavailable("a file cannot be read")
        return super().compare_all(queries, most=most, scope=scope)


def test_a_query_that_is_not_drawn_leaves_no_trace() -> None:
    metrics = Metrics()
    view = Guarded("1", {}, fails=True)
    view.go.set()
    with watching(QualityWatch(metrics.memory, sample=0.001, draw=lambda: NEVER)) as watch:
        for _ in range(1_000):
            watch.answered(search(view, NORTH))
        time.sleep(0.05)

    assert outcomes(metrics) == {"compared": 0, "dropped": 0, "failed": 0}


def test_the_search_never_waits_and_what_is_too_much_is_dropped_and_counted() -> None:
    metrics = Metrics()
    view = Guarded("1", taught("a").collections[BIRDS])
    with watching(QualityWatch(metrics.memory, sample=1.0, draw=lambda: ALWAYS)) as watch:
        started = time.monotonic()
        for _ in range(1_000):
            watch.answered(search(view, NORTH))
        took_s = time.monotonic() - started
        assert outcomes(metrics)["compared"] == 0
        dropped = outcomes(metrics)["dropped"]
        view.go.set()
        wait(lambda: outcomes(metrics)["compared"] > 0)

    assert dropped in (1_000 - 64, 1_000 - 65)  # one may be in hand
    assert took_s < PATIENCE_S / 3


def test_what_is_written_meanwhile_does_not_change_the_comparison() -> None:
    metrics = Metrics()
    memory = taught("a", "b")
    asked = search(memory.view(BIRDS), embedding(1, 1))
    for number in range(20):
        memory.remember(BIRDS, encoded(f"nearer-{number}", "wren", [embedding(1, 1)]))
    with watching(QualityWatch(metrics.memory, sample=1.0, draw=lambda: ALWAYS)) as watch:
        watch.answered(asked)
        wait(lambda: outcomes(metrics)["compared"] == 1)

    assert recall(metrics) == (1.0, 1.0)


def test_a_query_that_cannot_be_repeated_is_counted_and_the_next_one_is_compared() -> None:
    metrics = Metrics()
    view = Guarded("1", {}, fails=True)
    view.go.set()
    with watching(QualityWatch(metrics.memory, sample=1.0, draw=lambda: ALWAYS)) as watch:
        watch.answered(search(view, NORTH))
        watch.answered(search(taught("a").view(BIRDS), NORTH))
        wait(lambda: outcomes(metrics)["compared"] == 1)

    assert outcomes(metrics)["failed"] == 1


def test_each_query_of_an_image_is_drawn_for_itself() -> None:
    metrics = Metrics()
    draws = itertools.cycle([NEVER, ALWAYS, NEVER])
    with watching(QualityWatch(metrics.memory, sample=0.5, draw=lambda: next(draws))) as watch:
        watch.answered(search(taught("a").view(BIRDS), embedding(1, 0), NORTH, embedding(1, 1)))
        wait(lambda: outcomes(metrics)["compared"] == 1)

    assert recall(metrics)[1] == 1


@pytest.mark.parametrize("seed", [1, 2])
def test_one_of_a_thousand_queries_is_drawn_the_same_ones_for_a_seed(seed: int) -> None:
    metrics = [Metrics(), Metrics()]
    for each in metrics:
        watch = QualityWatch(each.memory, sample=0.001, draw=random.Random(seed).random)  # noqa: S311
        asked = search(taught("a").view(BIRDS), NORTH)
        for _ in range(100_000):
            watch.answered(asked)  # nobody repeats: what is over the queue's length is dropped

    drawn = [outcomes(each)["dropped"] + 64 for each in metrics]
    assert drawn[0] == drawn[1]
    assert 60 < drawn[0] < 150  # 100 in the mean, 10 the standard deviation


def test_many_collections_share_one_name() -> None:
    metrics = Metrics()
    view = taught("a").view(BIRDS)
    keys = [CollectionKey("acme", f"c{number}") for number in range(34)]
    with watching(QualityWatch(metrics.memory, sample=1.0, draw=lambda: ALWAYS)) as watch:
        for key in keys:
            watch.answered(search(view, NORTH, key=key))
        wait(lambda: outcomes(metrics)["compared"] == 34)

    assert recall(metrics, collection="acme/c31")[1] == 1
    assert recall(metrics, collection="acme/c32")[1] == 0
    assert recall(metrics, collection="other")[1] == 2
