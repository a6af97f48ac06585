"""What Triton is told about a model: the text of its `config.pbtxt`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from services.runtime.model_execution.folder import Description, ModelFolder, TensorSpec
from services.runtime.model_execution.triton import ASKED, IDENTITY

Backend = Literal["onnxruntime", "python"]
_WARM_UP_SIZE: Final = 8
"""What an axis of any size is in the warm-up."""


@dataclass(frozen=True)
class Serving:
    """How a model is served.

    Args:
        backend: `onnxruntime` in the vendor's container, `python` where there is only that one.
        most_batch: Items of one forward pass.
        wait_us: How long the first item of a batch waits for others, in microseconds.
        most_queued: Requests that may wait; more are refused.
        instances: Copies of a model, each running one batch at a time.
        kind: Where: KIND_AUTO takes a GPU if there is one.
        threads: Of one forward pass on a CPU.
        versions: How many of each model are served at a time; callers get the newest.
    """

    backend: Backend = "onnxruntime"
    most_batch: int = 32
    wait_us: int = 500
    most_queued: int = 256
    instances: int = 1
    kind: Literal["KIND_AUTO", "KIND_CPU", "KIND_GPU"] = "KIND_AUTO"
    threads: int = 1
    versions: int = 1


@dataclass(frozen=True)
class Versions:
    """What there is of one model.

    Args:
        identities: Of each version that is served.
        asked: The one that callers get; the others are being tried, or on their way out.
    """

    identities: Mapping[str, str]
    asked: str


def config_of(folder: ModelFolder, versions: Versions, serving: Serving) -> str:
    """Return the text.

    Args:
        folder: The newest version of the model; all have its inputs and outputs.
        versions: All of them.
        serving: How it is served.
    """
    description = folder.description
    kind = "KIND_CPU" if serving.backend == "python" else serving.kind
    identities = {IDENTITY + version: identity for version, identity in versions.identities.items()}
    parameters = {**identities, ASKED: versions.asked, **_thread_parameters(serving)}
    return "\n".join(
        [
            "# Rendered from the model store by infra.triton; change it there.",
            f"name: {_text(folder.name)}",
            f"backend: {_text(serving.backend)}",
            f"max_batch_size: {serving.most_batch}",
            *(_tensor("input", spec) for spec in description.inputs),
            *(_tensor("output", spec) for spec in description.outputs),
            "dynamic_batching {",
            f"  max_queue_delay_microseconds: {serving.wait_us}",
            "  default_queue_policy {",
            "    timeout_action: REJECT",
            "    allow_timeout_override: true",
            f"    max_queue_size: {serving.most_queued}",
            "  }",
            "}",
            f"instance_group [ {{ count: {serving.instances} kind: {kind} }} ]",
            f"version_policy {{ specific {{ versions: [ {', '.join(versions.identities)} ] }} }}",
            *(_warm_up(description, size) for size in sorted({1, serving.most_batch})),
            *_parameters(parameters),
            "",
        ]
    )


def _thread_parameters(serving: Serving) -> dict[str, str]:
    if serving.backend == "python":
        return {"threads": str(serving.threads)}
    return {"intra_op_thread_count": str(serving.threads), "inter_op_thread_count": "1"}


def _tensor(kind: str, spec: TensorSpec) -> str:
    return f"{kind} [ {{ name: {_text(spec.name)} data_type: TYPE_{spec.dtype} dims: {_dims(spec)} }} ]"


def _dims(spec: TensorSpec, free: int = -1) -> str:
    """Return the shape without its first axis, which is the batch."""
    return f"[ {', '.join(str(free if size < 0 else size) for size in spec.shape[1:])} ]"


def _warm_up(description: Description, size: int) -> str:
    """Return a batch of zeros that runs before the model is ready."""
    inputs = " ".join(
        f"inputs {{ key: {_text(spec.name)} value {{ data_type: TYPE_{spec.dtype} "
        f"dims: {_dims(spec, _WARM_UP_SIZE)} zero_data: true }} }}"
        for spec in description.inputs
    )
    return f'model_warmup [ {{ name: "batch-of-{size}" batch_size: {size} {inputs} }} ]'


def _parameters(values: Mapping[str, str]) -> Iterable[str]:
    for key, value in values.items():
        yield f"parameters {{ key: {_text(key)} value {{ string_value: {_text(value)} }} }}"


def _text(value: str) -> str:
    return json.dumps(value)
