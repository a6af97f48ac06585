"""One model on Triton's Python backend: runs the graph beside it with onnxruntime.

Triton copies nothing of Fovea into its environment, so this file imports nothing of it. Triton gives the
requests of one dynamic batch together; they are one forward pass here too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument


class TritonPythonModel:
    """What the Python backend looks for."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph; the model is not ready before this returns."""
        config = json.loads(args["model_config"])
        folder = Path(args["model_repository"]) / args["model_version"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(config["parameters"]["threads"]["string_value"])
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._inputs = [spec["name"] for spec in config["input"]]
        self._outputs = [spec["name"] for spec in config["output"]]
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer all requests from one forward pass; if it fails, each alone, so that one fails alone."""
        given = [
            {name: triton.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs}
            for request in requests
        ]
        try:
            return self._answers(given)
        except Exception as error:  # noqa: BLE001  (whatever it is, its caller is to hear of it)
            if len(given) > 1:
                return [self._alone(tensors) for tensors in given]
            return [_failed(error)]

    def _alone(self, tensors: dict[str, np.ndarray]) -> Any:
        try:
            return self._answers([tensors])[0]
        except Exception as error:  # noqa: BLE001  (as above)
            return _failed(error)

    def _answers(self, given: list[dict[str, np.ndarray]]) -> list[Any]:
        batch = {name: np.concatenate([tensors[name] for tensors in given]) for name in self._inputs}
        values = self._session.run(self._outputs, batch)
        ends = np.cumsum([len(tensors[self._inputs[0]]) for tensors in given])[:-1]
        parts = zip(*(np.split(value, ends) for value in values), strict=True)
        return [self._answer(part) for part in parts]

    def _answer(self, values: tuple[np.ndarray, ...]) -> Any:
        tensors = [triton.Tensor(name, value) for name, value in zip(self._outputs, values, strict=True)]
        return triton.InferenceResponse(tensors)


def _failed(error: Exception) -> Any:
    code = (
        triton.TritonError.INVALID_ARG if isinstance(error, InvalidArgument) else triton.TritonError.INTERNAL
    )
    return triton.InferenceResponse(error=triton.TritonError(str(error), code))
