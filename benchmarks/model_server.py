"""Triton by the number of callers: how many requests share a forward pass, and what that gives.

The other side of each pair is the same server with batches of one, so what differs is the batching.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tritonclient.grpc import InferenceServerClient

from benchmarks.table import milliseconds, table
from infra.local.server import running
from infra.local.triton import TritonServer
from infra.triton.config import Serving
from services.runtime.model_execution.triton import TritonModels, TritonSettings

_CALLERS = (1, 16)
_BATCHES = (1, 32)
_CALLS = {"conse-imagenet-minilm": 1_600, "efficientnet-lite0": 240}


@dataclass(frozen=True)
class Row:
    """What some callers got, each asking for one item at a time."""

    model: str
    callers: int
    most_batch: int
    items_per_s: float
    p50_s: float
    mean_batch: float


def measure() -> list[Row]:
    """Start a Triton for each largest batch, and let callers ask it."""
    rows = [row for most in _BATCHES for row in _server(most)]
    return sorted(rows, key=lambda row: (row.model, row.callers, row.most_batch))


def report(rows: Sequence[Row]) -> str:
    """Return the result as a table."""
    lines = [
        (
            row.model,
            str(row.callers),
            str(row.most_batch),
            f"{row.mean_batch:.2f}",
            f"{row.items_per_s:,.0f}",
            milliseconds(row.p50_s),
        )
        for row in rows
    ]
    head = ("model", "callers", "batch at most", "mean batch", "items/s", "p50 ms")
    return f"one item a request\n{table(head, lines)}"


def _server(most_batch: int) -> list[Row]:
    serving = Serving(backend="python", most_batch=most_batch)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(TritonServer(serving=serving), Path(folder)) as server,
    ):
        address = server.settings["FOVEA_TRITON_URL"]
        return [_row(address, model, callers, most_batch) for model in _CALLS for callers in _CALLERS]


def _row(address: str, model: str, callers: int, most_batch: int) -> Row:
    with (
        closing(TritonModels(TritonSettings(address), list(_CALLS))) as models,
        closing(InferenceServerClient(address)) as client,
        ThreadPoolExecutor(callers) as pool,
    ):

        def call(_: int) -> float:
            began = time.perf_counter()
            models.run(model, _item(model))
            return time.perf_counter() - began

        list(pool.map(call, range(4 * callers)))
        before = client.get_inference_statistics(model).model_stats[0]
        began = time.perf_counter()
        times = list(pool.map(call, range(_CALLS[model])))
        took_s = time.perf_counter() - began
        after = client.get_inference_statistics(model).model_stats[0]
    passes = after.execution_count - before.execution_count
    mean = (after.inference_count - before.inference_count) / passes
    return Row(model, callers, most_batch, len(times) / took_s, statistics.median(times), mean)


def _item(model: str) -> dict[str, np.ndarray]:
    if model == "efficientnet-lite0":
        return {"crops": np.zeros((1, 224, 224, 3), dtype=np.uint8)}
    return {"logits": np.zeros((1, 1000), dtype=np.float32)}


if __name__ == "__main__":
    print(report(measure()))
