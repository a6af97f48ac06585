"""Models on onnxruntime, in this process."""

from __future__ import annotations

import contextvars
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from prometheus_client import CollectorRegistry

from services.kernel.errors import Corrupt, DeadlineExceeded, FoveaError, InvalidInput, NotFound
from services.runtime import deadline, span_names, tracing
from services.runtime.metrics import ModelMetrics
from services.runtime.model_execution.folder import ModelFolder, TensorSpec
from services.runtime.model_execution.tensors import ANY, DTYPES, check
from services.runtime.model_execution.weights import weights_of

_QUIET: Final = 4  # what fails is raised; onnxruntime would write it to stderr as well, and not as JSON


@dataclass(frozen=True)
class OnnxSettings:
    """How much of the machine models may use.

    Args:
        threads: Inside one forward pass. More than one spins and rarely pays in a service.
        concurrent: Forward passes at a time in this process; the others wait. 0: as many as there are CPUs.
    """

    threads: int = 1
    concurrent: int = 0


_LEAST_PART_S: Final = 2e-3
"""What a part of a batch takes at least if it is given to another core: handing it over takes a tenth."""


class OnnxModels:
    """Runs models from their folders, each loaded when it is first needed, or all by `warm_up`.

    Cores for which nobody waits take their share of a batch's rows, which do not depend on each other.

    Args:
        folders: The models there are.
        names: What to call each; without, as it calls itself. Two versions of one model need two names.
        settings: How much of the machine they may use.
        metrics: Where times, batch sizes and errors go.
    """

    def __init__(
        self,
        folders: Iterable[ModelFolder],
        *,
        names: Iterable[str] | None = None,
        settings: OnnxSettings | None = None,
        metrics: ModelMetrics | None = None,
    ) -> None:
        settings = settings or OnnxSettings()
        folders = tuple(folders)
        names = [folder.name for folder in folders] if names is None else names
        self._metrics = metrics or ModelMetrics(CollectorRegistry())
        self._models = {
            name: _Model(name, folder, settings.threads, self._metrics)
            for name, folder in zip(names, folders, strict=True)
        }
        concurrent = settings.concurrent or len(os.sched_getaffinity(0))
        self._turns = threading.BoundedSemaphore(concurrent)
        self._helpers = ThreadPoolExecutor(max(1, concurrent - 1), thread_name_prefix="forward")

    def run(self, name: str, tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Run one batch; see the port. Waits for its turn no longer than the call has time."""
        model = self._model(name)
        try:
            batch = check(name, model.folder.description.inputs, tensors)
            deadline.check()
            with model.turn(self._turns), self._idle(model.parts(batch) - 1) as helpers:
                return self._spread(model, tensors, batch, helpers)
        except FoveaError as error:
            self._metrics.errors.labels(name, error.reason).inc()
            raise

    def identity(self, name: str) -> str:
        """Return `name@digest`. Raises NotFound."""
        return self._model(name).folder.identity

    def folder(self, name: str) -> ModelFolder:
        """Return the folder that a model is run from. Raises NotFound."""
        return self._model(name).folder

    def warm_up(self) -> None:
        """Load every model and run it once, so that no caller waits for that."""
        for name, model in self._models.items():
            self.run(name, {spec.name: _blank(spec) for spec in model.folder.description.inputs})

    @contextmanager
    def _idle(self, most: int) -> Iterator[int]:
        """Take up to so many more turns, if they are free, and say how many."""
        with ExitStack() as taken:
            count = 0
            while count < most and self._turns.acquire(blocking=False):
                taken.callback(self._turns.release)
                count += 1
            yield count

    def _spread(
        self, model: _Model, tensors: Mapping[str, np.ndarray], batch: int, helpers: int
    ) -> Mapping[str, np.ndarray]:
        """Run a batch, with helpers in about equal parts at the same time."""
        if not helpers:
            return model.run(tensors, batch)
        split = [np.array_split(tensor, helpers + 1) for tensor in tensors.values()]
        mine, *others = (dict(zip(tensors, rows, strict=True)) for rows in zip(*split, strict=True))
        futures = [
            self._helpers.submit(contextvars.copy_context().run, model.run, part, _rows(part))
            for part in others
        ]
        try:
            first = model.run(mine, _rows(mine))
        finally:
            wait(futures)  # their turns are not free before
        found = [first, *(future.result() for future in futures)]
        return {name: np.concatenate([part[name] for part in found]) for name in first}

    def _model(self, name: str) -> _Model:
        if name not in self._models:
            known = ", ".join(sorted(self._models)) or "none"
            raise NotFound(f"there is no model {name}; there are: {known}", reason="NO_MODEL")
        return self._models[name]


class _Model:
    """One model, loaded when it is first run."""

    def __init__(self, name: str, folder: ModelFolder, threads: int, metrics: ModelMetrics) -> None:
        self.folder = folder
        self._threads = threads
        self._ready = metrics.ready.labels(name)
        self._forward = metrics.forward.labels(name)
        self._batch_size = metrics.batch_size.labels(name)
        self._wait = metrics.wait.labels(name)
        self._queue = metrics.queue.labels(name)
        self._step = span_names.forward(name, "internal")
        self._loading = threading.Lock()
        self._loaded: _Loaded | None = None
        self._row_s = 0.0
        metrics.info.labels(name, folder.digest).set(1)

    @contextmanager
    def turn(self, turns: threading.Semaphore) -> Iterator[None]:
        """Wait for one of the turns that all models share, no longer than the call has time."""
        started = time.perf_counter()
        with self._queue.track_inprogress():
            if not turns.acquire(timeout=deadline.remaining_s()):
                raise DeadlineExceeded(f"{self.folder.name} was busy until the time was used up")
        try:
            self._wait.observe(time.perf_counter() - started)
            yield
        finally:
            turns.release()

    def parts(self, batch: int) -> int:
        """Return in how many parts a batch is worth being run, by what its rows took the last time."""
        return max(1, min(batch, int(batch * self._row_s / _LEAST_PART_S)))

    def run(self, tensors: Mapping[str, np.ndarray], batch: int) -> Mapping[str, np.ndarray]:
        """Run one checked batch."""
        session = self._session()
        names = [output.name for output in self.folder.description.outputs]
        started = time.perf_counter()
        try:
            with tracing.step(*self._step):
                values = session.run(names, dict(tensors))
        except InvalidArgument as error:
            raise InvalidInput(
                f"{self.folder.name} refused its input: {error}", reason="TENSOR_VALUE"
            ) from error
        except Exception as error:
            raise FoveaError(f"{self.folder.name} failed: {error}", reason="MODEL_FAILED") from error
        taken_s = time.perf_counter() - started
        self._row_s = taken_s / batch
        self._forward.observe(taken_s)
        self._batch_size.observe(batch)
        return dict(zip(names, values, strict=True))

    def _session(self) -> Any:
        if self._loaded is None:
            with self._loading:
                if self._loaded is None:
                    self._loaded = _load(self.folder, self._threads)
                    self._ready.set(1)
        return self._loaded.session


@dataclass(frozen=True)
class _Loaded:
    """A session, and the weights that it reads as long as it lives."""

    session: Any
    weights: Mapping[str, np.ndarray]


def _rows(tensors: Mapping[str, np.ndarray]) -> int:
    return len(next(iter(tensors.values())))


def _load(folder: ModelFolder, threads: int) -> _Loaded:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _QUIET
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    weights = weights_of(folder)
    if weights:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in weights.values()]
        options.add_external_initializers(list(weights), values)
    graph = folder.read_graph()
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise Corrupt(f"the graph of {folder.name} cannot be loaded: {error}") from error
    _compare(folder, session)
    return _Loaded(session, weights)


def _compare(folder: ModelFolder, session: Any) -> None:
    """Hold the description against the graph."""
    description = folder.description
    for kind, specs, values in (
        ("inputs", description.inputs, session.get_inputs()),
        ("outputs", description.outputs, session.get_outputs()),
    ):
        described, found = {spec.name for spec in specs}, {value.name for value in values}
        if described - found or (kind == "inputs" and found - described):
            raise Corrupt(
                f"the {kind} of {folder.name} are {sorted(found)}, model.toml says {sorted(described)}"
            )


def _blank(spec: TensorSpec) -> np.ndarray:
    """Return the smallest tensor that fits, all zeros."""
    shape = [1 if size == ANY else size for size in spec.shape]
    return np.zeros(shape, dtype=DTYPES[spec.dtype])
