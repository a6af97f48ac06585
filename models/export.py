"""What every export script does: torch module to ONNX graph, parity check, digests.

Needs torch and onnx; serving never imports it.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxscript.optimizer import fold_constants, remove_unused_nodes
from torch import nn

from models.files import digest

STORE = Path(__file__).parent / "store"
GRAPH = "model.onnx"
DESCRIPTION = "model.toml"
_OPSET = 20
_PLACE = "external"
HALVED = ".half"
"""End of the name of a weight that is stored in 16 bits."""
_HALVED_FROM = 1024
"""Smaller weights stay as they are: offsets, whose rounding would be felt."""


def packaged(package: str, path: str, *, sha256: str) -> Path:
    """Return a file of an installed package without importing the package.

    Raises:
        FileNotFoundError: If the package is not installed.
        ValueError: If the file is not the one that was measured.
    """
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(f"install the package of {package} first, with --no-deps")
    file = Path(found.submodule_search_locations[0]) / path
    if digest(file) != sha256:
        raise ValueError(f"{file} has another SHA-256 than expected")
    return file


def write_graph(  # noqa: PLR0913  (an export is its inputs, outputs and axes)
    module: nn.Module,
    inputs: Mapping[str, torch.Tensor],
    *,
    folder: Path,
    outputs: Sequence[str],
    dynamic_axes: Mapping[str, Sequence[str]],
    external: Sequence[str] = (),
    optimize: bool = True,
    operators: Mapping[Callable[..., Any], Callable[..., Any]] | None = None,
) -> tuple[str, ...]:
    """Write `model.onnx`, with the same bytes for the same weights and versions.

    Return the initialisers that were left out: of weights under two names, only one is the graph's.

    Args:
        module: In evaluation mode; its forward takes the inputs in order.
        inputs: Examples by name.
        folder: Where the graph goes.
        outputs: Names, in the order that forward returns them.
        dynamic_axes: For each input the names of its leading axes, which may have any size.
        external: Initialisers that are left out and fed when the graph is opened.
        optimize: Whether norms are folded into the weights before them, which changes those.
        operators: For those that the exporter does not know, how they are written.
    """
    axes = {name: torch.export.Dim(name) for names in dynamic_axes.values() for name in names}
    program = torch.onnx.export(
        module,
        tuple(inputs.values()),
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_shapes=tuple(
            {position: axes[name] for position, name in enumerate(dynamic_axes[key])} for key in inputs
        ),
        opset_version=_OPSET,
        dynamo=True,
        optimize=optimize and not external,  # optimising would fold, and so rename, what shall be fed
        verbose=False,
        custom_translation_table=dict(operators or {}),
    )
    module.eval()  # the exporter may have put it into training mode
    if program is None:
        raise RuntimeError("the exporter returned nothing")
    model = program.model_proto
    bound(model)
    _anonymise(model)
    onnx.checker.check_model(model)
    left_out = _leave_out(model, external)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / GRAPH).write_bytes(model.SerializeToString(deterministic=True))
    return left_out


def bound(model: onnx.ModelProto) -> None:
    """Write constants that are cast to the type of something as what they are then.

    The exporter writes the bounds of a ReLU6 as casts, and a convolution takes the ReLU6 behind it into
    itself only if its bounds are constants: EfficientNet runs a third longer otherwise.
    """
    fold_constants(model, should_fold=lambda node: node.op_type == "CastLike")
    remove_unused_nodes(model)


def compare(
    folder: Path,
    inputs: Mapping[str, np.ndarray],
    expected: Sequence[np.ndarray],
    *,
    tolerance: float,
    external: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Run the written graph and raise AssertionError where it differs from torch."""
    options = onnxruntime.SessionOptions()
    fed = dict(external or {})
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in fed.values()]
    if fed:
        options.add_external_initializers(list(fed), values)
    session = onnxruntime.InferenceSession(str(folder / GRAPH), options, providers=["CPUExecutionProvider"])
    for output, found, wanted in zip(
        session.get_outputs(), session.run(None, dict(inputs)), expected, strict=True
    ):
        difference = float(np.abs(found - wanted).max())
        print(f"{folder.parent.name} {output.name} {found.shape}: {difference:.1e} from torch")
        if not difference <= tolerance:  # also where it is no number
            raise AssertionError(f"{output.name} is {difference} from torch")


def halve(path: Path) -> None:
    """Store a graph's large weights in 16 bits and cast them back in it; smaller ones and fed ones stay."""
    model = onnx.load_model(path, load_external_data=False)
    casts = []
    for tensor in model.graph.initializer:
        is_fed = tensor.data_location == TensorProto.EXTERNAL
        if is_fed or tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _HALVED_FROM:
            continue
        name = tensor.name
        halved = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}{HALVED}")
        tensor.CopyFrom(halved)
        casts.append(
            helper.make_node("Cast", [f"{name}{HALVED}"], [name], f"{name}.cast", to=TensorProto.FLOAT)
        )
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    path.write_bytes(model.SerializeToString(deterministic=True))


def round_as_halved(module: nn.Module) -> None:
    """Round the weights that `halve` will store in 16 bits, so that module and graph compute the same."""
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point() and tensor.numel() >= _HALVED_FROM:
                tensor.copy_(tensor.half().float())


def stamp(folder: Path) -> None:
    """Write the graph's SHA-256 into the description beside it."""
    path = folder / DESCRIPTION
    text = path.read_text(encoding="utf-8")
    line = f'sha256 = "{digest(folder / GRAPH)}"'
    stamped, count = re.subn(r'(\[graph\][^\[]*?)sha256 = "[0-9a-f]*"', rf"\g<1>{line}", text, count=1)
    if count != 1:
        raise ValueError(f"{path} has no [graph] with a sha256")
    path.write_text(stamped, encoding="utf-8")


def _anonymise(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes about the machine: paths, stack traces."""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for entries in (model.graph.node, model.graph.value_info, model.graph.initializer):
        for entry in entries:
            del entry.metadata_props[:]
            entry.doc_string = ""
    for entry in (*model.graph.input, *model.graph.output):
        del entry.metadata_props[:]


def _leave_out(model: onnx.ModelProto, names: Sequence[str]) -> tuple[str, ...]:
    initialisers = {initialiser.name: initialiser for initialiser in model.graph.initializer}
    there = tuple(name for name in names if name in initialisers)
    for name in there:
        tensor = initialisers[name]
        tensor.ClearField("raw_data")
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=_PLACE)
    return there
