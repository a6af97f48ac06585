"""A new version of a model on a running Triton: loaded, warmed, compared, and only then given to callers.

Model control is EXPLICIT, so Triton loads what it is told to. Loading runs the warm-up, and a version that
is not ready is not among those that a caller may ask; the one before stays until the new one is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from infra.triton.config import Serving
from infra.triton.repository import number, render_model
from services.kernel.errors import Corrupt, Unavailable
from services.runtime.model_execution.folder import Description, ModelFolder, TensorSpec
from services.runtime.model_execution.onnx import OnnxModels
from services.runtime.model_execution.tensors import DTYPES

_GOLDEN_SIZES: Final = (1, 3)
_FREE_AXIS: Final = 8
_TOLERANCE: Final = 1e-3
"""Absolute; between CPUs, or a CPU and a GPU, results differ in the last digits of single precision."""
_LOAD_S: Final = 600.0


@dataclass(frozen=True)
class Place:
    """A Triton and its repository.

    Args:
        address: Host and port of its gRPC door.
        repository: The folder that it reads.
        serving: How the repository is rendered.
    """

    address: str
    repository: Path
    serving: Serving


def promote(old: ModelFolder, new: ModelFolder, place: Place) -> None:
    """Give callers `new` in place of `old`, which stays loaded for those who are being answered.

    Raises:
        Corrupt: On golden inputs `new` gives there what it does not give here; callers keep `old`.
        Unavailable: Triton cannot be reached, or did not load it; callers keep `old`.
    """
    _render(place, [old, new], asked=old)
    try:
        _load(place, new.name)
        _compare(place, new)
    except (Corrupt, Unavailable):
        _render(place, [old], asked=old)
        _load(place, old.name)
        raise
    _render(place, [old, new], asked=new)
    _load(place, new.name)


def retire(kept: ModelFolder, place: Place) -> None:
    """Unload every version of a model but one, when no caller asks the others any more."""
    _render(place, [kept], asked=kept)
    _load(place, kept.name)


def golden_inputs(description: Description, size: int) -> Mapping[str, np.ndarray]:
    """Return a batch within what the description allows, always the same."""
    random = np.random.default_rng(size)
    return {spec.name: _golden(spec, size, random) for spec in description.inputs}


def _golden(spec: TensorSpec, size: int, random: np.random.Generator) -> np.ndarray:
    shape = [size, *(_FREE_AXIS if axis < 0 else axis for axis in spec.shape[1:])]
    low, high = spec.range
    if spec.dtype == "FP32":
        return np.clip(random.normal(size=shape), low, high).astype(np.float32)
    return random.integers(int(low), int(high), shape, endpoint=True).astype(DTYPES[spec.dtype])


def _render(place: Place, versions: list[ModelFolder], *, asked: ModelFolder) -> None:
    render_model(versions, place.repository / asked.name, place.serving, asked=asked)


def _load(place: Place, name: str) -> None:
    _ask(place, name, lambda client: client.load_model(name, client_timeout=_LOAD_S))


def _compare(place: Place, folder: ModelFolder) -> None:
    here = OnnxModels([folder])
    for size in _GOLDEN_SIZES:
        inputs = golden_inputs(folder.description, size)
        expected = here.run(folder.name, inputs)
        found = _ask(place, folder.name, _inference(folder, inputs))
        for output, values in expected.items():
            given = found.as_numpy(output)
            if (
                given is None
                or given.shape != values.shape
                or not np.allclose(given, values, atol=_TOLERANCE)
            ):
                raise Corrupt(f"{output} of {folder.identity} is not on Triton what it is here")


def _inference(folder: ModelFolder, inputs: Mapping[str, np.ndarray]) -> Callable[[Any], Any]:
    tensors = [
        InferInput(spec.name, list(inputs[spec.name].shape), spec.dtype).set_data_from_numpy(
            inputs[spec.name]
        )
        for spec in folder.description.inputs
    ]
    return lambda client: client.infer(
        folder.name, tensors, model_version=number(folder), client_timeout=_LOAD_S
    )


def _ask(place: Place, name: str, call: Callable[[Any], Any]) -> Any:
    with _client(place) as client:
        try:
            return call(client)
        except InferenceServerException as error:
            raise Unavailable(f"{name} on Triton: {error.message()}", reason="MODEL_DOWN") from error


@contextmanager
def _client(place: Place) -> Iterator[InferenceServerClient]:
    with closing(InferenceServerClient(place.address)) as client:
        yield client
