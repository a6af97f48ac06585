"""Tiny ONNX graphs and model folders, written byte by byte: no `onnx`, no torch.

The graph `scale` gives `scaled` = `values` x `weight`, with `values` (batch, 3). The weight (3,) is inside
the graph, or it is fed from outside.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

FLOAT = 1
EXTERNAL = 1

TOML = """\
format = 1
name = "{name}"
version = "{version}"
title = "Scales rows"
licence = "Apache-2.0"
source = "tests"
preprocessing = "None."

[graph]
file = "model.onnx"
sha256 = "{sha256}"
{graph_extra}

[[inputs]]
name = "values"
dtype = "FP32"
shape = [-1, 3]
layout = "batch, value"
range = [-inf, inf]

[[outputs]]
name = "scaled"
dtype = "FP32"
shape = [-1, 3]
layout = "batch, value"
range = [-inf, inf]
space = "test"
{extra}
"""

EXTERNAL_TOML = """
[[external]]
role = "weights"
distribution = "test-weights"
distribution_version = "1.0"
package = "{package}"
path = "weights.safetensors"
sha256 = "{sha256}"
size_bytes = {size}
"""


def scale(weight: tuple[float, float, float] | None) -> bytes:
    """Return the graph, with its weight or without."""
    dims = field(1, 3)
    named = dims + field(2, FLOAT) + field(8, b"weight")
    if weight is None:
        location = field(1, b"location") + field(2, b"outside")
        initializer = named + field(13, location) + field(14, EXTERNAL)
    else:
        initializer = named + field(9, np.array(weight, dtype=np.float32).tobytes())
    node = field(1, b"values") + field(1, b"weight") + field(2, b"scaled") + field(4, b"Mul")
    graph = b"".join(
        [
            field(1, node),
            field(2, b"scale"),
            field(5, initializer),
            field(11, _value(b"values")),
            field(12, _value(b"scaled")),
        ]
    )
    return field(1, 8) + field(7, graph) + field(8, field(2, 17))


def write_model(root: Path, *, name: str = "scale", version: str = "1", weight: float = 2.0) -> Path:
    """Write a folder whose weight is inside the graph, and return it."""
    graph = scale((weight, weight, weight))
    return _write(root / name / version, graph, name=name, version=version)


def write_model_with_outside_weights(root: Path, package: Path) -> Path:
    """Write a folder whose weight is in a package, and the package."""
    weights = _safetensors(np.array([5, 6, 7], dtype=np.float32))
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('a model package is never imported')\n")
    (package / "weights.safetensors").write_bytes(weights)
    digest = hashlib.sha256(weights).hexdigest()
    return _write(
        root / "outside" / "1",
        scale(None),
        name="outside",
        version="1",
        graph_extra='external_initializers = ["weight"]',
        extra=EXTERNAL_TOML.format(package=package.name, sha256=digest, size=len(weights)),
    )


def _write(folder: Path, graph: bytes, *, graph_extra: str = "", extra: str = "", **words: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(graph)
    sha256 = hashlib.sha256(graph).hexdigest()
    text = TOML.format(sha256=sha256, graph_extra=graph_extra, extra=extra, **words)
    (folder / "model.toml").write_text(text)
    return folder


def _safetensors(weight: np.ndarray) -> bytes:
    header = b'{"weight":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}'
    return len(header).to_bytes(8, "little") + header + weight.tobytes()


def _value(name: bytes) -> bytes:
    """Return a ValueInfo of FP32 (batch, 3)."""
    batch, three = field(2, b"batch"), field(1, 3)
    tensor = field(1, FLOAT) + field(2, field(1, batch) + field(1, three))
    return field(1, name) + field(2, field(1, tensor))


def field(number: int, value: int | bytes) -> bytes:
    """Return one protobuf field: a number as a varint, bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
