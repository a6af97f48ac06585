"""How fast a memory goes into a Parquet file and out of it, and what that holds in memory.

The file alone: written from messages as a server streams them, and read again row by row, as an import does,
each in a fresh process, so that its peak is its own. Then through a server: import and export by the client.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from benchmarks.measure import resident_bytes
from benchmarks.table import megabytes, table
from examples.serving import serving
from fovea import Client
from fovea.client.parquet.guarded import ExemplarFile
from fovea.client.parquet.layout import About
from fovea.client.parquet.writing import write_exemplars
from fovea.kernel.v1 import embedding_pb2, exemplar_pb2

_ROWS: Final = 100_000
_DIMENSION: Final = 512
_SERVED_ROWS: Final = 4_000
_LABELS: Final = 1_000
_KIB: Final = 1024


class Done(NamedTuple):
    """What one way took."""

    rows: int
    seconds: float
    peak_bytes: float


def exemplars(rows: int, dimension: int, encoder: str) -> Iterator[exemplar_pb2.EncodedExemplar]:
    """Yield exemplars with attributes and unit vectors at random."""
    chance = np.random.default_rng(1)
    for row in range(rows):
        vector = chance.standard_normal(dimension, dtype=np.float32)
        vector /= np.linalg.norm(vector)
        kept = exemplar_pb2.EncodedExemplar(
            embeddings=[embedding_pb2.Embedding(vector=vector.tobytes(), encoder=encoder, space="visual")]
        )
        kept.exemplar.exemplar_id = f"{row:032x}"
        kept.exemplar.label = f"class {row % _LABELS}"
        kept.exemplar.kind = exemplar_pb2.EXEMPLAR_KIND_IMAGE
        kept.exemplar.attributes["year"].number = row % 30
        kept.exemplar.attributes["wild"].flag = row % 2 == 0
        yield kept


def write(path: Path, rows: int) -> Done:
    """Write a file of so many rows."""
    seconds = _timed(
        lambda: write_exemplars(
            path, exemplars(rows, _DIMENSION, "some@1"), About("a/b", "", {}), shown=lambda _: None
        )
    )
    return Done(rows, seconds, _peak(resource.RUSAGE_SELF))


def read(path: Path, rows: int) -> Done:
    """Read it, as an import does: both processes count."""
    with ExemplarFile(path) as file:
        seconds = _timed(lambda: sum(row.exemplar is not None for row in file))
    peaks = _peak(resource.RUSAGE_SELF) + _peak(resource.RUSAGE_CHILDREN)
    return Done(rows, seconds, peaks)


def make(_: Path, rows: int) -> Done:
    """Make the rows, and nothing else: what is to be taken off the time of writing."""
    seconds = _timed(lambda: sum(1 for _ in exemplars(rows, _DIMENSION, "some@1")))
    return Done(rows, seconds, _peak(resource.RUSAGE_SELF))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _peak(who: int) -> float:
    return float(resource.getrusage(who).ru_maxrss * _KIB)


_WAYS: Final = {"make": make, "write": write, "read": read}


def _alone(way: str, path: Path, rows: int) -> Done:
    """Do it in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.parquet", way, str(path), str(rows)]
    ended = subprocess.run(command, check=True, capture_output=True)  # noqa: S603  (our own module)
    return Done(*json.loads(ended.stdout))


def _served(folder: Path) -> dict[str, Done]:
    with serving() as server, Client(server.target) as client:
        client.teach_name("wren")
        (known,) = client.export()
        encoder, dimension = known.embeddings[0].encoder, len(known.embeddings[0].vector)
        path = folder / "served.parquet"
        given = (_as_name(each) for each in exemplars(_SERVED_ROWS, dimension, encoder))
        write_exemplars(path, given, About("a/b", "", {}), shown=lambda _: None)

        def taken() -> None:
            failed = [row.failure for row in client.import_parquet(path) if row.failure]
            if failed:
                raise failed[0]

        imported = _timed(taken)
        exported = _timed(lambda: client.export_parquet(folder / "back.parquet"))
        peak = resident_bytes(server.pid)
    return {
        f"import, {dimension} numbers": Done(_SERVED_ROWS, imported, peak),
        f"export, {dimension} numbers": Done(_SERVED_ROWS, exported, peak),
    }


def _as_name(kept: exemplar_pb2.EncodedExemplar) -> exemplar_pb2.EncodedExemplar:
    kept.exemplar.kind = exemplar_pb2.EXEMPLAR_KIND_NAME
    kept.exemplar.text = kept.exemplar.label
    kept.embeddings[0].space = "name"
    return kept


def measure(rows: int = _ROWS) -> str:
    """Return the result as a table."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "bench.parquet"
        made, written, found = (_alone(way, path, rows) for way in _WAYS)
        size = path.stat().st_size
        written = written._replace(seconds=written.seconds - made.seconds)
        path.unlink()
        served = _served(Path(name))
    ways = {f"write, {_DIMENSION} numbers": written, f"read, {_DIMENSION} numbers": found} | served
    head = ("Parquet", "rows", "s", "rows/s", "peak")
    lines = [
        (way, f"{done.rows:,}", f"{done.seconds:.1f}", _rate(done), megabytes(done.peak_bytes))
        for way, done in ways.items()
    ]
    return (
        f"A file of {megabytes(size)}. The peak of import and export is what the server holds behind them.\n"
        + table(head, lines)
    )


def _rate(done: Done) -> str:
    return f"{done.rows / done.seconds:,.0f}"


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in _WAYS:
        way, path, rows = sys.argv[1:]
        print(json.dumps(_WAYS[way](Path(path), int(rows))))
    else:
        print(measure(int(sys.argv[1]) if sys.argv[1:] else _ROWS))
