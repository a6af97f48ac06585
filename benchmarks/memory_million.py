"""A million vectors through the memory, and what it holds of them: `python -m benchmarks.memory_million`.

Anonymous memory is what no file stands behind; segments are mapped files, which the system drops when it
needs room. The set is made in pieces, so that it is not in memory either.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import threadpoolctl

from benchmarks.memory_engines import ALL, KEY, change, embedding, numbers, settle
from benchmarks.memory_sets import easy
from benchmarks.table import table
from services.retrieval.adapters.memory.index import SegmentedIndex

_ROWS: Final = 1_000_000
_PIECE: Final = 5_000
_PIECES_A_TURN: Final = 4  # after which the keeper has done all its work
_LINES: Final = 20
_QUERIES: Final = 200
_KIB: Final = 1024


def memory_mb() -> tuple[float, float]:
    """Return how much anonymous memory this process holds, and how much of files, in millions of bytes."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    anonymous, files = (int(fields[name].split()[0]) * _KIB / 1e6 for name in ("RssAnon", "RssFile"))
    return anonymous, files


def curve(rows: int, folder: Path) -> Iterator[tuple[str, ...]]:
    """Teach so many and yield a line now and then: what is there, and what it takes."""
    draw, index = easy(), SegmentedIndex(folder)
    every = max(_PIECE, rows // _LINES)
    began, most = time.perf_counter(), 0.0
    for first in range(0, rows, _PIECE):
        vectors = draw(min(_PIECE, rows - first))
        changes = [change(first + place, row) for place, row in enumerate(vectors)]
        index.apply(changes, {0: first + len(changes)})
        index.maintain()
        if first % (_PIECES_A_TURN * _PIECE) == 0:
            settle(index)
        most = max(most, memory_mb()[0])
        if (first + _PIECE) % every < _PIECE:
            yield _line(index, first + len(changes), time.perf_counter() - began, most)
    settle(index)
    most = max(most, memory_mb()[0])
    yield _line(index, rows, time.perf_counter() - began, most)
    queries = draw(_QUERIES)
    started = time.process_time()
    for query in queries:
        numbers(index.view(KEY).nearest([embedding(query)], most=10, scope=ALL)[0])
    cpu_s = (time.process_time() - started) / len(queries)
    yield (f"a search {1e6 * cpu_s:.0f} us", "", "", f"{memory_mb()[0]:.0f}", f"{most:.0f}", "")


def _line(index: SegmentedIndex, rows: int, seconds: float, most: float) -> tuple[str, ...]:
    anonymous, files = memory_mb()
    segments = index.statistics().segments
    return (f"{rows:,}", f"{seconds:.0f}", str(segments), f"{anonymous:.0f}", f"{most:.0f}", f"{files:.0f}")


def main() -> None:
    """Read the number of vectors from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=_ROWS)
    rows = parser.parse_args().rows
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        with threadpoolctl.threadpool_limits(1):
            print(f"{rows:,} vectors of 512 dimensions; at the start {memory_mb()[0]:.0f} MB anonymous")
            head = ("vectors", "s", "segments", "anonymous MB", "most", "of files MB")
            print(table(head, list(curve(rows, folder))))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
