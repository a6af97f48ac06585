"""`make bench`: every benchmark, one after the other."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable

from benchmarks import (
    anyres,
    claim_check,
    classes,
    cold_start,
    decoding,
    dense,
    encoding,
    finding,
    grpc_hop,
    kafka_hop,
    memory,
    model_server,
    parquet,
    pipeline,
    ranking_model,
    ranking_overhead,
    readiness,
    recognize,
    recovery,
    search,
    teaching,
    telemetry,
    visibility,
)

_BENCHMARKS: dict[str, Callable[[], str]] = {
    "readiness": lambda: readiness.report(readiness.measure()),
    "cold_start": lambda: cold_start.report(cold_start.measure()),
    "recognize": lambda: recognize.report(recognize.measure()),
    "teaching": lambda: teaching.report(teaching.measure()),
    "grpc_hop": lambda: grpc_hop.report(grpc_hop.measure()),
    "telemetry": lambda: telemetry.report(telemetry.measure()),
    "decoding": lambda: decoding.report(decoding.measure()),
    "encoding": lambda: encoding.report(encoding.measure()),
    "anyres": lambda: anyres.report(anyres.measure()),
    "dense": lambda: dense.report(dense.measure()),
    "finding": lambda: finding.report(finding.measure()),
    "ranking_overhead": lambda: ranking_overhead.report(ranking_overhead.measure()),
    "ranking_model": lambda: ranking_model.report(ranking_model.measure()),
    "memory": memory.measure,
    "parquet": parquet.measure,
    "classes": classes.measure,
    "search": lambda: search.report(search.measure()),
    "kafka_hop": lambda: kafka_hop.report(kafka_hop.measure()),
    "pipeline": lambda: pipeline.report(pipeline.measure()),
    "claim_check": lambda: claim_check.report(claim_check.measure()),
    "visibility": lambda: visibility.report(visibility.measure()),
    "recovery": lambda: recovery.report(recovery.measure()),
    "model_server": lambda: model_server.report(model_server.measure()),
}


def main() -> int:
    """Print every benchmark's table; one that cannot run does not keep the others from it."""
    print(_machine())
    failed = [name for name, run in _BENCHMARKS.items() if not _ran(name, run)]
    if failed:
        print(f"\nnot measured: {', '.join(failed)}")
    return 1 if failed else 0


def _ran(name: str, run: Callable[[], str]) -> bool:
    began = time.perf_counter()
    try:
        found = run()
    except Exception as error:  # noqa: BLE001  (printed, and the exit code says so)
        print(f"\n## {name}\nfailed: {error}")
        return False
    print(f"\n## {name} ({time.perf_counter() - began:.0f} s)\n{found}", flush=True)
    return True


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    busy = os.getloadavg()[0]
    return (
        f"Python {platform.python_version()}, {cores} processors, load {busy:.1f} at the start.\n"
        "Both sides of a ratio take turns in one run; medians of rounds; spread is that of the rounds, "
        "highest less lowest over the median. A spread above 10 % says that the machine was busy."
    )


if __name__ == "__main__":
    sys.exit(main())
