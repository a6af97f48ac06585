"""A written model run as serving runs it, to compare and to time it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from jaxtyping import Float32

from models.export import GRAPH
from models.importer import description

_BATCH: Final = 4
"""Items of one forward pass when many are asked: what the service sends at most."""
_ROUNDS: Final = 7
_QUIET: Final = 3


class Model:
    """One model folder on one thread.

    Args:
        folder: Has graph, description and weights.
    """

    def __init__(self, folder: Path) -> None:
        self.description = description.read(folder)
        self.folder = folder
        self._weights = description.weights_of(folder, self.description)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _QUIET
        if self._weights:
            values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in self._weights.values()]
            options.add_external_initializers(list(self._weights), values)
        self._session: Any = onnxruntime.InferenceSession(
            str(folder / GRAPH), options, providers=["CPUExecutionProvider"]
        )

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that are embeddings."""
        return tuple(output["name"] for output in self.description["outputs"] if output.get("space"))

    def run(self, inputs: Mapping[str, np.ndarray]) -> Float32[np.ndarray, "n dim"]:
        """Return the first embeddings of a batch of any size."""
        return np.concatenate([found[0] for found in self._batches(inputs, self.outputs[:1])])

    def everything(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return all outputs of a batch of any size, by name."""
        names = [output["name"] for output in self.description["outputs"]]
        parts = zip(*self._batches(inputs, names), strict=True)
        return {name: np.concatenate(part) for name, part in zip(names, parts, strict=True)}

    def _batches(self, inputs: Mapping[str, np.ndarray], names: Sequence[str]) -> Iterator[list[np.ndarray]]:
        count = len(next(iter(inputs.values())))
        for start in range(0, count, _BATCH):
            yield self._session.run(
                names, {name: each[start : start + _BATCH] for name, each in inputs.items()}
            )


def size_of(model: Model) -> int:
    """Return the bytes of a model's graph and weights, wherever they lie."""
    files = [model.folder / GRAPH]
    if model.description["graph"].get("external_initializers"):
        files.append(description.file_of(model.folder, model.description, "weights"))
    return sum(file.stat().st_size for file in files)


def milliseconds(models: Sequence[Model], inputs: Mapping[str, np.ndarray]) -> list[float]:
    """Return the time of one item for each model, taken in turns: a busy machine is busy for all.

    Args:
        models: Are run with the same inputs.
        inputs: At least one item; at most four are used, in one batch.
    """
    few = {name: each[:_BATCH] for name, each in inputs.items()}
    count = len(next(iter(few.values())))
    taken: list[list[float]] = [[] for _ in models]
    for model in models:
        model.everything(few)
    for _ in range(_ROUNDS):
        for model, times in zip(models, taken, strict=True):
            started = time.perf_counter()
            model.everything(few)
            times.append((time.perf_counter() - started) * 1e3 / count)
    return [statistics.median(times) for times in taken]
