"""Weights of a graph in a file beside it, as ONNX calls it external data.

A graph in the model store may be without its large weights and say only their names, which are those of a
safetensors file. That file holds each tensor's bytes as ONNX wants them, so the graph is told at which
offset they lie, and the file stays what it is.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from services.kernel.errors import Corrupt

_EXTERNAL: Final = 1
_TYPES: Final = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "int32": FieldDescriptorProto.TYPE_INT32,
}
# The few fields of onnx.proto that are changed; protobuf carries along those it does not know.
_FIELDS: Final = {
    "Entry": {"key": (1, "string"), "value": (2, "string")},
    "Tensor": {"name": (8, "string"), "external_data": (13, "Entry"), "data_location": (14, "int32")},
    "Graph": {"initializer": (5, "Tensor")},
    "Model": {"graph": (7, "Graph")},
}
_SEVERAL: Final = {"external_data", "initializer"}


@dataclass(frozen=True)
class Span:
    """Where a tensor's bytes lie in a file."""

    offset: int
    length: int


def pointed_at(graph: bytes, names: Collection[str], weights: Path, *, location: str) -> bytes:
    """Return the graph with each of its outside weights found in a file.

    Args:
        graph: An ONNX model.
        names: Its weights that are outside.
        weights: The safetensors file that has them.
        location: What the file will be called, in the folder of the graph.

    Raises:
        Corrupt: Graph or file lacks one of them.
    """
    spans = spans_of(weights)
    model = _message("Model")()
    model.ParseFromString(graph)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    missing = set(names) - (tensors.keys() & spans.keys())
    if missing:
        raise Corrupt(f"{min(missing)} is not in the graph, or not in {weights}")
    for name in names:
        _point(tensors[name], spans[name], location)
    return bytes(model.SerializeToString(deterministic=True))


def spans_of(weights: Path) -> dict[str, Span]:
    """Return where each tensor of a safetensors file lies in it."""
    with weights.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    return {
        name: Span(8 + size + entry["data_offsets"][0], entry["data_offsets"][1] - entry["data_offsets"][0])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _point(tensor: Any, span: Span, location: str) -> None:
    del tensor.external_data[:]
    for key, value in (("location", location), ("offset", span.offset), ("length", span.length)):
        tensor.external_data.add(key=key, value=str(value))
    tensor.data_location = _EXTERNAL


@cache
def _message(name: str) -> Any:
    """Return the class of one of the messages above."""
    file = FileDescriptorProto(name="part_of_onnx.proto", package="fovea.onnx", syntax="proto2")
    for message, fields in _FIELDS.items():
        described = file.message_type.add(name=message)
        for field, (number, kind) in fields.items():
            several = field in _SEVERAL
            label = FieldDescriptorProto.LABEL_REPEATED if several else FieldDescriptorProto.LABEL_OPTIONAL
            added = described.field.add(name=field, number=number, label=label)
            if kind in _TYPES:
                added.type = _TYPES[kind]
            else:
                added.type, added.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".fovea.onnx.{kind}"
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"fovea.onnx.{name}"))
