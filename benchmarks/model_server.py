"""Triton by the number of callers: how many requests share a forward pass, and what that gives.

The other side of each pair is the same server with batches of one: each request is a forward pass of its own,
as where batches are made of one caller's items alone. So what differs is the batching.
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
from infra.local.triton import SHIPPED_MODELS, TritonServer
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
    alone = {(row.model, row.callers): row for row in rows if row.most_batch == 1}
    lines = [_line(row, alone[row.model, row.callers]) for row in rows]
    head = (
        "model",
        "callers",
        "batch at most",
        "mean batch",
        "items/s",
        "over alone",
        "p50 ms",
        "over alone",
    )
    goal = "goal, at 16 callers of a model that batches help: over 2 times the items at 1.3 times the p50"
    return f"one item a request; {goal}\n{table(head, lines)}"


def _line(row: Row, alone: Row) -> tuple[str, ...]:
    return (
        row.model,
        str(row.callers),
        str(row.most_batch),
        f"{row.mean_batch:.2f}",
        f"{row.items_per_s:,.0f}",
        f"{row.items_per_s / alone.items_per_s:.2f}",
        milliseconds(row.p50_s),
        f"{row.p50_s / alone.p50_s:.2f}",
    )


def _server(most_batch: int) -> list[Row]:
    serving = Serving(backend="python", most_batch=most_batch)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running(TritonServer(_store(folder / "store"), serving=serving), folder) as server:
            address = server.settings["FOVEA_TRITON_URL"]
            return [_row(address, model, callers, most_batch) for model in _CALLS for callers in _CALLERS]


def _store(folder: Path) -> Path:
    """Return a store of the models that are measured: the others only take memory."""
    folder.mkdir()
    for name in _CALLS:
        (folder / name).symlink_to(SHIPPED_MODELS / name)
    return folder


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
