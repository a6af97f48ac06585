"""Whether tensors are what a model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from services.kernel.errors import InvalidInput
from services.runtime.model_execution.folder import DType, TensorSpec

DTYPES: Final[Mapping[DType, np.dtype[Any]]] = MappingProxyType(
    {
        "UINT8": np.dtype(np.uint8),
        "INT64": np.dtype(np.int64),
        "FP32": np.dtype(np.float32),
        "BOOL": np.dtype(np.bool_),
    }
)
ANY: Final = -1


def check(model: str, specs: Sequence[TensorSpec], tensors: Mapping[str, np.ndarray]) -> int:
    """Return the size of the batch.

    Raises:
        InvalidInput: Names, dtype, shape or batch do not fit; the field is the tensor's name.
    """
    names = {spec.name for spec in specs}
    if tensors.keys() != names:
        raise InvalidInput(
            f"{model} takes the tensors {sorted(names)} and was given {sorted(tensors)}",
            reason="TENSOR_NAMES",
        )
    for spec in specs:
        _check_one(model, spec, tensors[spec.name])
    sizes = {spec.name: len(tensors[spec.name]) for spec in specs}
    batch = sizes[specs[0].name]
    if batch == 0 or len(set(sizes.values())) > 1:
        raise InvalidInput(
            f"{model} takes one batch of at least 1 and was given the sizes {sizes}", reason="TENSOR_BATCH"
        )
    return batch


def _check_one(model: str, spec: TensorSpec, tensor: np.ndarray) -> None:
    dtype = DTYPES[spec.dtype]
    if tensor.dtype != dtype:
        raise InvalidInput(
            f"{spec.name} of {model} is {spec.dtype} and was given as {tensor.dtype}",
            field=spec.name,
            reason="TENSOR_DTYPE",
        )
    fits = tensor.ndim == len(spec.shape) and all(
        wanted in (ANY, size) for wanted, size in zip(spec.shape, tensor.shape, strict=True)
    )
    if not fits:
        raise InvalidInput(
            f"{spec.name} of {model} has the shape {list(spec.shape)} ({spec.layout}) "
            f"and was given as {list(tensor.shape)}",
            field=spec.name,
            reason="TENSOR_SHAPE",
        )
