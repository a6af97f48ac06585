"""How soon a service without weights serves, beside a process that only imports the libraries it needs."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.measure import Cost, processor_s
from benchmarks.table import milliseconds, table
from infra.local import stack

_ROUNDS: Final = 5
_FLOOR: Final = "imports alone"
_SERVICES: Final = ("segmentation", "retrieval", "ranking", "gateway")
_IMPORTS: Final = (
    "import grpc, grpc_health.v1.health, grpc_status.rpc_status, google.protobuf, numpy, onnxruntime, "
    "prometheus_client, pydantic_settings, sqlite3, threadpoolctl"
)


def measure() -> Mapping[str, Cost]:
    """Start everything in turn, several times, and return the medians."""
    taken: dict[str, list[Cost]] = {name: [] for name in (_FLOOR, *_SERVICES)}
    for _ in range(_ROUNDS + 1):
        taken[_FLOOR].append(_imports())
        for name in _SERVICES:
            taken[name].append(_start(name))
    return {name: _median(costs[1:]) for name, costs in taken.items()}  # the first one warms the file cache


def report(found: Mapping[str, Cost]) -> str:
    """Return the result as a table."""
    floor = found[_FLOOR]
    rows = [
        (
            name,
            milliseconds(cost.wall_s),
            milliseconds(cost.cpu_s),
            f"{cost.cpu_s / floor.cpu_s:.2f}",
            "" if name == _FLOOR else "<= 2",
        )
        for name, cost in found.items()
    ]
    head = ("from start to serving", "ms", "CPU ms", "over imports", "goal")
    return f"median of {_ROUNDS}, each with an empty data folder\n{table(head, rows)}"


def _imports() -> Cost:
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", _IMPORTS])  # noqa: S603  (this interpreter)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"python -c {_IMPORTS!r} failed")
    return Cost(time.perf_counter() - began, used.ru_utime + used.ru_stime)


def _start(name: str) -> Cost:
    with tempfile.TemporaryDirectory(prefix="fovea-bench-") as folder:
        program = stack.service(name, Path(folder), {"FOVEA_PORT": "0"})
        began = time.perf_counter()
        daemon = stack.start_service(program)
        try:
            stack.wait_service(daemon)
            return Cost(time.perf_counter() - began, processor_s(daemon.pid))
        finally:
            daemon.stop()


def _median(costs: list[Cost]) -> Cost:
    return Cost(statistics.median(c.wall_s for c in costs), statistics.median(c.cpu_s for c in costs))


if __name__ == "__main__":
    print(report(measure()))
