"""The memory on Milvus beside the segments, against milvus-lite: what the client costs.

milvus-lite is a server in Python for tests. Its own time says nothing about Milvus; the time of this process,
which packs rows and reads answers, is the same whatever serves.

    python -m benchmarks.memory_milvus [--rows 20000]
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import threadpoolctl

from benchmarks.measure import processor_s
from benchmarks.memory_engines import ALL, KEY, change, embedding, numbers, taught
from benchmarks.memory_sets import Vectors, easy
from benchmarks.table import milliseconds, table
from services.kernel.errors import Unavailable
from services.retrieval.adapters.milvus.connection import Address, Connection
from services.retrieval.adapters.milvus.nearest import Tables
from services.retrieval.adapters.milvus.schema import Layout
from services.retrieval.adapters.milvus.state import State
from services.retrieval.adapters.milvus.view import MilvusView
from services.retrieval.adapters.milvus.writer import MilvusWriter
from services.retrieval.ports import MemoryView

_BATCH: Final = 500  # as many as the follower of the log takes at a time
_QUERIES: Final = 20
_PATIENCE_S: Final = 30.0


@contextmanager
def server(folder: Path) -> Iterator[tuple[int, Address]]:
    """Run milvus-lite; give its process and where it is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(folder)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:  # noqa: S603  (named above)
        address = Address(f"http://127.0.0.1:{port}", timeout_s=60.0)
        try:
            _wait(address)
            yield process.pid, address
        finally:
            process.terminate()


def _wait(address: Address) -> None:
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            Connection(Address(address.uri, timeout_s=2.0)).tables()
        except Unavailable:
            if time.monotonic() > end:
                raise
        else:
            return


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000)
    count = parser.parse_args().rows
    draw = easy()
    rows, queries = draw(count), draw(_QUERIES)
    with (
        TemporaryDirectory(prefix="bench-") as folder,
        server(Path(folder) / "lite") as (pid, address),
        threadpoolctl.threadpool_limits(1),
    ):
        connection, layout = Connection(address), Layout(index="FLAT", partitions=4)
        writer = MilvusWriter(connection, layout, fence=lambda: None, keep_s=3_600.0)
        writer.begin(State())
        written = _cost(lambda: _write(writer, rows), pid, count)
        view = MilvusView(Tables(connection, layout), KEY, writer.state, time.monotonic())
        segments = taught(rows, Path(folder) / "segments").view(KEY)
        head = (f"{count:,} x {rows.shape[1]}", "wall ms", "client CPU ms", "server CPU ms", "recall")
        lines = [("write one, of batches of 500", *written, "")]
        for most in (10, 100):
            lines += [
                (f"search {most}, {name}", *_searched(memory, rows, queries, most, pid))
                for name, memory in (("segments", segments), ("milvus-lite", view))
            ]
        print(table(head, lines))
        connection.close()


def _write(writer: MilvusWriter, rows: Vectors) -> None:
    for begin in range(0, len(rows), _BATCH):
        some = rows[begin : begin + _BATCH]
        writer.apply([change(begin + place, row) for place, row in enumerate(some)], {0: begin + len(some)})


def _searched(
    memory: MemoryView, rows: Vectors, queries: Vectors, most: int, pid: int
) -> tuple[str, str, str, str]:
    found: list[Sequence[int]] = []

    def work() -> None:
        found.extend(numbers(memory.nearest([embedding(each)], most=most, scope=ALL)[0]) for each in queries)

    cost = _cost(work, pid, len(queries))
    exact = np.argsort(-(queries @ rows.T), axis=1)[:, :most].tolist()
    right = sum(len(set(ours) & set(theirs)) for ours, theirs in zip(found, exact, strict=True))
    return (*cost, f"{right / (most * len(queries)):.3f}")


def _cost(work: Callable[[], None], pid: int, items: int) -> tuple[str, str, str]:
    there, here, began = processor_s(pid), time.process_time(), time.perf_counter()
    work()
    wall_s, here = time.perf_counter() - began, time.process_time() - here
    shares = (wall_s, here, processor_s(pid) - there)
    wall, client, serving = (milliseconds(each / items) for each in shares)
    return wall, client, serving


if __name__ == "__main__":
    main()
