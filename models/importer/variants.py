"""Smaller variants of a model: weights in half precision, or arithmetic in 8 bits.

`fp16` halves what is stored; the graph casts it back, so that it runs everywhere and as fast as before.
`int8` computes with bytes: convolutions with ranges measured on calibration pictures (static, QDQ), matrix
products with ranges of each batch (dynamic), as onnxruntime's quantisation does both.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from jaxtyping import UInt8
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from models.export import GRAPH
from models.importer import description as toml
from models.importer.refusal import Refused

KINDS: Final = ("fp16", "int8")
_LEAST_HALVED: Final = 4096
_HALF: Final = ".half"
_CONVOLUTIONS: Final = ("Conv", "Clip", "Add")
"""What runs in bytes in a convolutional net: also what stands between two convolutions."""
_PRODUCTS: Final = ("MatMul", "Gemm", "Gather")
"""In a transformer; a table of tokens is looked up in bytes, too."""


def write_variant(
    source: Path, target: Path, kind: str, *, calibration: UInt8[np.ndarray, "n size size 3"] | None = None
) -> None:
    """Write a variant of a model as a model of its own.

    Args:
        source: The model's folder.
        target: An empty folder.
        kind: `fp16` or `int8`.
        calibration: Crops that `int8` of a convolutional net is calibrated with; not those it is judged by.

    Raises:
        Refused: There is nothing to make smaller, or no calibration.
    """
    said = toml.read(source)
    weights = toml.weights_of(source, said)
    model = onnx.load(source / GRAPH, load_external_data=False)
    outside = _halved(model, weights) if kind == "fp16" else {}
    if kind == "int8":
        _fill_in(model, weights)
        model = _in_bytes(model, calibration)
    name = f"{said['name']}-{kind}"
    kept = [file for file in said.get("files", ()) if file["role"] != "weights"]
    packaged = [file for file in said.get("external", ()) if file["role"] != "weights"]
    for file in kept:
        (target / file["file"]).write_bytes((source / file["file"]).read_bytes())
    description = {
        **said,
        "name": name,
        "title": f"{said['title']} ({kind})",
        "source": f"{said['source']}; {kind} variant of {said['name']} by models/importer",
        "files": kept,
        "external": packaged,
    }
    toml.write_model(
        target, {key: value for key, value in description.items() if key != "graph"}, model, outside
    )


def _halved(model: onnx.ModelProto, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Store the large weights in half precision, and return those that are outside the graph."""
    outside: dict[str, np.ndarray] = {}
    for tensor in list(model.graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _LEAST_HALVED:
            _fill_in_one(tensor, weights)
            continue
        name = tensor.name
        tensor.name = name + _HALF
        if name in weights:
            tensor.data_type = TensorProto.FLOAT16
            outside[tensor.name] = _half(weights[name])
        else:
            tensor.CopyFrom(numpy_helper.from_array(_half(numpy_helper.to_array(tensor)), tensor.name))
        model.graph.node.insert(0, helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    return outside


def _half(array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    if not np.isfinite(half).all():
        raise Refused("a weight is larger than half precision holds (65,504)")
    return half


def _fill_in(model: onnx.ModelProto, weights: Mapping[str, np.ndarray]) -> None:
    """Put the weights that are outside into the graph."""
    if sum(array.nbytes for array in weights.values()) > toml.MOST_BYTES:
        raise Refused("with its weights inside the graph would be larger than a graph can be")
    for tensor in model.graph.initializer:
        _fill_in_one(tensor, weights)


def _fill_in_one(tensor: onnx.TensorProto, weights: Mapping[str, np.ndarray]) -> None:
    if tensor.name in weights:
        tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name].astype(np.float32), tensor.name))


def _in_bytes(
    model: onnx.ModelProto, calibration: UInt8[np.ndarray, "n size size 3"] | None
) -> onnx.ModelProto:
    # Patches are cut by one convolution in a transformer; a net of convolutions has many.
    is_net = sum(node.op_type == "Conv" for node in model.graph.node) > 1
    if is_net and calibration is None:
        raise Refused("int8 of a convolutional net needs pictures that it is calibrated with")
    quiet = logging.getLogger()
    level = quiet.level
    quiet.setLevel(logging.ERROR)  # it advises what is done here already
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            del model.graph.value_info[:]  # what the exporter noted of shapes is in quantisation's way
            onnx.save(model, path / "model.onnx")
            quant_pre_process(path / "model.onnx", path / "ready.onnx", skip_symbolic_shape=True)
            if is_net:
                _static(path, _Crops(model, calibration))
            else:
                quantize_dynamic(
                    path / "ready.onnx",
                    path / "small.onnx",
                    op_types_to_quantize=list(_PRODUCTS),
                    per_channel=True,
                    weight_type=QuantType.QInt8,
                )
            small = onnx.load(path / "small.onnx")
    finally:
        quiet.setLevel(level)
    del small.metadata_props[:]
    return small


def _static(path: Path, reader: CalibrationDataReader) -> None:
    quantize_static(
        path / "ready.onnx",
        path / "small.onnx",
        reader,
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=list(_CONVOLUTIONS),
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


class _Crops(CalibrationDataReader):
    """Gives calibration one crop at a time."""

    def __init__(self, model: onnx.ModelProto, crops: Any) -> None:
        name = model.graph.input[0].name
        self._crops: Iterator[Mapping[str, np.ndarray]] = ({name: crop[np.newaxis]} for crop in crops)

    def get_next(self) -> Mapping[str, np.ndarray] | None:
        """Return the next crop, or None behind the last."""
        return next(self._crops, None)
