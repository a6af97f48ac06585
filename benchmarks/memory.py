"""The memory beside its peers: `python -m benchmarks.memory`, each part alone with --part.

Both sides take turns on the same vectors, every round with new queries, one thread each, processor time;
ten neighbours. A peer's effort is that at which its recall is ours, between its settings in proportion.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import threadpoolctl
from jaxtyping import Float32, Int64

from benchmarks import memory_changes
from benchmarks.memory_engines import ENGINES, Built, Search
from benchmarks.memory_sets import SETS
from benchmarks.table import table

_ROWS: Final = 100_000
_QUERIES: Final = 300
_ROUNDS: Final = 5
_MOST: Final = 10
_REACHING: Final = 2  # efforts, so that a lucky one does not decide
Vectors = Float32[np.ndarray, "n dim"]


@dataclass(frozen=True)
class Point:
    """Of one effort: recall at ten, and processor time of a query."""

    effort: str
    recall: float
    cpu_s: float


def true_neighbours(rows: Vectors, queries: Vectors) -> Int64[np.ndarray, "query 10"]:
    """Return the numbers of the ten nearest to each query."""
    similarity = queries @ rows.T  # (query, row)
    best = np.argpartition(-similarity, _MOST, axis=1)[:, :_MOST]
    return best.astype(np.int64)


def compare(name: str, rows: int) -> tuple[list[Built], dict[str, list[Point]]]:
    """Build every engine on a set; find the efforts around our recall; measure these in turn."""
    draw = SETS[name]()
    vectors = draw(rows)
    built = [each for build in ENGINES if (each := _built(build, vectors)) is not None]
    queries = draw(_QUERIES)
    truth = true_neighbours(vectors, queries)
    (ours,) = built[0].searches.values()
    wanted = _asked(ours, queries, truth)[1]
    kept = {each.name: _around(each, wanted, queries, truth) for each in built}
    asked: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for _ in range(_ROUNDS):
        queries = draw(_QUERIES)
        truth = true_neighbours(vectors, queries)
        for engine in built:
            for effort in kept[engine.name]:
                asked[engine.name, effort].append(_asked(engine.searches[effort], queries, truth))
    points: dict[str, list[Point]] = defaultdict(list)
    for (engine_name, effort), found in asked.items():
        cpu_s, recalls = zip(*found, strict=True)
        points[engine_name].append(Point(effort, statistics.fmean(recalls), statistics.median(cpu_s)))
    return built, points


def _around(
    engine: Built, recall: float, queries: Vectors, truth: Int64[np.ndarray, "query 10"]
) -> list[str]:
    """Return the last effort below a recall and the first two that reach it."""
    kept: list[str] = []
    reached = 0
    for effort, search in engine.searches.items():
        enough = _asked(search, queries, truth)[1] >= recall
        kept = [*kept, effort] if enough else [effort]
        reached += enough
        if reached == _REACHING:
            break
    return kept


def _built(build: Callable[[Vectors], Built], vectors: Vectors) -> Built | None:
    try:
        return build(vectors)
    except ModuleNotFoundError as error:
        print(f"left out: {error}; `make bench` installs it")
        return None


def _asked(search: Search, queries: Vectors, truth: Int64[np.ndarray, "query 10"]) -> tuple[float, float]:
    began = time.process_time()
    found = [search(query) for query in queries]
    cpu_s = (time.process_time() - began) / len(queries)
    hits = sum(len(set(some) & set(true)) for some, true in zip(found, truth.tolist(), strict=True))
    return cpu_s, hits / truth.size


def at_recall(points: Sequence[Point], recall: float) -> float | None:
    """Return the processor time at which an engine reaches a recall; None if it never does."""
    before: Point | None = None
    for point in sorted(points, key=lambda each: each.recall):
        if point.recall >= recall:
            if before is None or point.recall == before.recall:
                return point.cpu_s
            share = (recall - before.recall) / (point.recall - before.recall)
            return before.cpu_s + share * (point.cpu_s - before.cpu_s)
        before = point
    return None


def search_report(name: str, rows: int) -> str:
    """Compare searches on one set."""
    built, points = compare(name, rows)
    ours = points["fovea"][0]
    lines = []
    for engine in built:
        cost = ours.cpu_s if engine.name == "fovea" else at_recall(points[engine.name], ours.recall)
        efforts = ", ".join(f"{each.recall:.3f} at {1e6 * each.cpu_s:.0f}" for each in points[engine.name])
        lines.append(
            (
                engine.name,
                "never" if cost is None else f"{1e6 * cost:.0f}",
                "" if cost is None else f"{ours.cpu_s / cost:.2f}",
                f"{engine.build_cpu_s:.1f}",
                f"{engine.bytes_each:.0f}",
                efforts,
            )
        )
        engine.close()
    head = ("engine", "us at our recall", "ours over it", "build cpu s", "bytes each", "recall at us")
    return f"{name} set, {rows:,} vectors, our recall {ours.recall:.4f}\n{table(head, lines)}"


Part = Callable[[argparse.Namespace], str]
PARTS: Final[Mapping[str, Part]] = {
    "easy": lambda options: search_report("easy", options.rows),
    "hard": lambda options: search_report("hard", options.rows),
    "filters": lambda options: memory_changes.filters(options.rows),
    "inserting": lambda options: memory_changes.inserting(options.rows, options.seconds),
    "deleting": lambda options: memory_changes.deleting(options.rows),
    "opening": lambda options: memory_changes.opening(options.rows),
}


def measure(*, rows: int = _ROWS, seconds: float = 30.0, parts: Sequence[str] = ()) -> str:
    """Run some parts, all by default, and return what they say."""
    options = argparse.Namespace(rows=rows, seconds=seconds)
    with threadpoolctl.threadpool_limits(1):
        return "\n\n".join(PARTS[part](options) for part in parts or PARTS)


def main() -> None:
    """Read what to run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", action="append", choices=list(PARTS), default=[])
    parser.add_argument("--rows", type=int, default=_ROWS)
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="how long to insert; the goal is said of 600"
    )
    options = parser.parse_args()
    for part in options.part or PARTS:
        print(measure(rows=options.rows, seconds=options.seconds, parts=[part]), flush=True)
        print()


if __name__ == "__main__":
    main()
