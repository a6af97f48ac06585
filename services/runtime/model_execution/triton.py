"""Models on a Triton server, over gRPC with raw binary tensors."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from prometheus_client import CollectorRegistry
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.grpc.model_config_pb2 import DataType
from tritonclient.utils import InferenceServerException

from services.kernel.errors import (
    DeadlineExceeded,
    FoveaError,
    InvalidInput,
    NotFound,
    Overloaded,
    Unavailable,
)
from services.runtime import deadline, span_names, tracing
from services.runtime.metrics import ModelMetrics
from services.runtime.model_execution.folder import TensorSpec
from services.runtime.model_execution.replicas import Replicas
from services.runtime.model_execution.tensors import check

T = TypeVar("T")

IDENTITY: Final = "fovea_identity_"
"""With a version added, the parameter of a model's configuration that says which model that version is."""
ASKED: Final = "fovea_version"
"""The parameter that says which version is asked; without it, the newest that is ready."""
_ANYTHING: Final = (-float("inf"), float("inf"))
_STATUS: Final = "StatusCode."


@dataclass(frozen=True)
class TritonSettings:
    """Where the server is, or those that have the same models.

    Args:
        address: Host and port of its gRPC door, such as `127.0.0.1:8001`, or of several with commas between
            them; `grpcs://` before the first encrypts.
        timeout_s: The longest that one request may take; a caller with less time is not kept longer.
        fresh_s: How long what the server said about a model is taken as true. A version that went away,
            or a lost connection, is noticed at once.
        ca_file: PEM of who vouches for the server; without it, those that gRPC ships.
    """

    address: str
    timeout_s: float = 10.0
    fresh_s: float = 5.0
    ca_file: Path | None = None


class TritonModels:
    """Runs models by name, in the version that their configuration names, and says which that is.

    Needs no server to be made, only to be used. A model's configuration says its identity, so that it is
    the one that the same folder has in process; whoever needs a reply and the identity to belong together
    asks for the identity before and after. Where several servers have the models, one is asked until it is
    Unavailable, then the next.

    Args:
        settings: Where the server is.
        names: The models that it is to have. Another is not found; one of these that is not there is
            not there yet.
        expected: Of some of them, the only identity that will do: the caller's tokenizer goes with it.
        metrics: Where times, batch sizes and errors go.
    """

    def __init__(
        self,
        settings: TritonSettings,
        names: Collection[str],
        *,
        expected: Mapping[str, str] | None = None,
        metrics: ModelMetrics | None = None,
    ) -> None:
        self._settings = settings
        self._names = frozenset(names)
        self._expected = expected or {}
        self._metrics = metrics or ModelMetrics(CollectorRegistry())
        self._known: dict[str, _Model] = {}
        self._replicas = Replicas(settings.address, settings.ca_file)

    def run(self, name: str, tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Run one batch; see the port. One too large for the server goes in parts, one after the other."""
        return self._somewhere(lambda: self._run(name, tensors))

    def _run(self, name: str, tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        try:
            model = self._model(name)
            batch = check(name, model.inputs, tensors)
            deadline.check()
            parts = [
                self._part(model, {key: value[start : start + model.most] for key, value in tensors.items()})
                for start in range(0, batch, model.most)
            ]
        except FoveaError as error:
            self._metrics.errors.labels(name if name in self._names else "", error.reason).inc()
            raise
        self._metrics.batch_size.labels(name).observe(batch)
        return parts[0] if len(parts) == 1 else _joined(parts)

    def identity(self, name: str) -> str:
        """Return `name@digest`. Raises NotFound, Unavailable."""
        return self._somewhere(lambda: self._model(name)).identity

    def check(self) -> None:
        """Do nothing if the server answers and every model is ready. Raises Unavailable."""
        for name in sorted(self._names):
            self._known.pop(name, None)
            self.identity(name)

    def close(self) -> None:
        """Close the connection."""
        self._replicas.close()

    def _somewhere(self, ask: Callable[[], T]) -> T:
        """Return what one of the servers says: who is Unavailable is left for the next, each once."""
        for _ in range(self._replicas.count - 1):
            try:
                return ask()
            except Unavailable:
                continue
        return ask()

    def _model(self, name: str) -> _Model:
        """Return what the server says about a model, if it said so a moment ago; else ask."""
        if name not in self._names:
            known = ", ".join(sorted(self._names)) or "none"
            raise NotFound(f"there is no model {name}; there are: {known}", reason="NO_MODEL")
        model = self._known.get(name)
        if model is None or time.monotonic() > model.until:
            model = self._known[name] = self._asked(name)
            self._metrics.ready.labels(name).set(1)
            self._metrics.info.labels(name, model.identity.partition("@")[2]).set(1)
        return model

    def _asked(self, name: str) -> _Model:
        until = time.monotonic() + self._settings.fresh_s
        with self._call(name) as (client, time_s):
            ready = client.get_model_metadata(name, client_timeout=time_s).versions
            config = client.get_model_config(name, client_timeout=time_s).config
        model = _read_model(name, ready, config, until)
        if model.identity != self._expected.get(name, model.identity):
            raise Unavailable(
                f"Triton has {model.identity}, this process goes with {self._expected[name]}",
                reason="MODEL_OTHER",
            )
        return model

    def _part(self, model: _Model, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        inputs = [_input(spec, tensors[spec.name]) for spec in model.inputs]
        step = tracing.step(*span_names.forward(model.name, "client"))
        started = time.perf_counter()
        with step, self._call(model.name) as (client, time_s):
            reply = client.infer(
                model.name,
                inputs,
                model_version=model.version,
                timeout=max(1, int(time_s * 1e6)),  # in the server's queue, in microseconds
                client_timeout=time_s,
            )
        self._metrics.forward.labels(model.name).observe(time.perf_counter() - started)
        return {name: _output(reply, name, model) for name in model.outputs}

    @contextmanager
    def _call(self, name: str) -> Iterator[tuple[InferenceServerClient, float]]:
        """Give the connection and the time that a request may take; translate what it raises."""
        deadline.check()
        left_s = deadline.remaining_s()
        limited = left_s is not None and left_s < self._settings.timeout_s
        time_s = left_s if left_s is not None and limited else self._settings.timeout_s
        client = self._replicas.client
        try:
            yield client, time_s
        except InferenceServerException as error:
            translated = _translated(error, name, limited=limited)
            if isinstance(translated, Unavailable):
                self._forget(name, client, slow=translated.reason == "MODEL_SLOW")
            raise translated from error

    def _forget(self, name: str, client: InferenceServerClient, *, slow: bool) -> None:
        """Ask again next time, over another connection if there is one or the old one may lead nowhere."""
        self._known.pop(name, None)
        self._metrics.ready.labels(name).set(0)
        if slow or self._replicas.count > 1:
            self._replicas.leave(client)


@dataclass(frozen=True)
class _Model:
    """What the server says about the version of a model that is asked."""

    name: str
    version: str
    identity: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]
    most: int
    until: float


def _read_model(name: str, ready: Collection[str], config: Any, until: float) -> _Model:
    asked = config.parameters[ASKED].string_value if ASKED in config.parameters else ""
    version = asked or max(ready, key=int, default="")
    if version not in ready:
        raise Unavailable(f"{name} has no version {version} on Triton yet", reason="MODEL_DOWN")
    identity = config.parameters[IDENTITY + version].string_value
    if not identity:
        raise Unavailable(f"Triton does not say which model its {name} is", reason="MODEL_UNNAMED")
    return _Model(
        name=name,
        version=version,
        identity=identity,
        inputs=tuple(_spec(tensor) for tensor in config.input),
        outputs=tuple(tensor.name for tensor in config.output),
        most=max(1, config.max_batch_size),
        until=until,
    )


def _spec(tensor: Any) -> TensorSpec:
    return TensorSpec(
        name=tensor.name,
        dtype=DataType.Name(tensor.data_type).removeprefix("TYPE_"),
        shape=(-1, *tensor.dims),
        layout="batch, ...",
        range=_ANYTHING,
    )


def _input(spec: TensorSpec, values: np.ndarray) -> InferInput:
    return InferInput(spec.name, list(values.shape), spec.dtype).set_data_from_numpy(values)


def _output(reply: Any, name: str, model: _Model) -> np.ndarray:
    """Return one output; a server whose Python has numpy 2 gives tensors without their bytes."""
    try:
        values = reply.as_numpy(name)
    except ValueError as error:
        raise FoveaError(f"{model.name} gave {name} in part: {error}", reason="MODEL_FAILED") from error
    if values is None:
        raise FoveaError(f"{model.name} gave no {name}", reason="MODEL_FAILED")
    return np.asarray(values)


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _translated(error: InferenceServerException, name: str, *, limited: bool) -> FoveaError:
    """Return what an error of the server, or its silence, means.

    Args:
        error: The client's.
        name: The model.
        limited: Whether it was the caller's time that was used up, if time was.
    """
    status, said = str(error.status()).removeprefix(_STATUS), f"{name} on Triton: {error.message()}"
    if status == "DEADLINE_EXCEEDED" or "timeout expired" in said:
        if limited:
            return DeadlineExceeded(f"{name} had no answer before the time was used up")
        return Unavailable(f"{said} (no answer in time)", reason="MODEL_SLOW")
    if status == "RESOURCE_EXHAUSTED" or "maximum queue size" in said:
        return Overloaded(said, reason="MODEL_BUSY")
    if status == "INVALID_ARGUMENT":
        return InvalidInput(said, reason="TENSOR_VALUE")
    if status in {"UNAVAILABLE", "NOT_FOUND", "CANCELLED"} or "Stub process" in said:
        return Unavailable(said, reason="MODEL_DOWN")
    return FoveaError(said, reason="MODEL_FAILED")
