"""`model.toml`, written and read where serving's own reader is out of reach."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from safetensors.numpy import load_file, save_file

from models.export import DESCRIPTION, GRAPH
from models.files import digest

WEIGHTS: Final = "weights.safetensors"
MOST_INSIDE_BYTES: Final = 20 << 20
"""Weights above this lie beside the graph."""
MOST_BYTES: Final = 2_000_000_000
"""Of one graph with its weights inside: a protobuf message holds 2 GiB."""


def toml_of(description: Mapping[str, Any]) -> str:
    """Return the text of a description: values first, then tables, then lists of tables."""
    lines = [*_values(description)]
    for key, value in description.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{key}]", *_values(value)]
    for key, value in description.items():
        if _are_tables(value):
            for table in value:
                lines += ["", f"[[{key}]]", *_values(table)]
    return "\n".join(lines) + "\n"


def read(folder: Path) -> dict[str, Any]:
    """Return what a folder's `model.toml` says."""
    return tomllib.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))


def weights_of(folder: Path, description: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the weights that a model has outside its graph, by name.

    Raises:
        FileNotFoundError: The package with them is not installed.
    """
    names = description["graph"].get("external_initializers", ())
    if not names:
        return {}
    held = load_file(file_of(folder, description, "weights"))
    return {name: held[name] for name in names}


def file_of(folder: Path, description: Mapping[str, Any], role: str) -> Path:
    """Return the file of a role, from the folder or from an installed package.

    Raises:
        FileNotFoundError: There is none.
    """
    for file in description.get("files", ()):
        if file["role"] == role:
            return folder / str(file["file"])
    for file in description.get("external", ()):
        spec = find_spec(file["package"]) if file["role"] == role else None
        for root in (spec.submodule_search_locations or ()) if spec else ():
            return Path(root) / str(file["path"])
    raise FileNotFoundError(f"{folder} has no {role}, or its package is not installed")


def described_file(path: Path, *, role: str) -> dict[str, Any]:
    """Return what `[[files]]` says of a file."""
    return {
        "role": role,
        "file": path.name,
        "sha256": digest(path),
        "size_bytes": path.stat().st_size,
    }


def write_model(
    folder: Path,
    description: Mapping[str, Any],
    model: onnx.ModelProto | None,
    weights: Mapping[str, np.ndarray],
) -> None:
    """Complete a folder whose other files are there: graph, weights, digests, description.

    Args:
        folder: Has the files of `[[files]]` already.
        description: Without digests and weights.
        model: The graph; None if it is written already.
        weights: What the graph is fed from outside.
    """
    files = list(description.get("files", ()))
    if model is not None:
        (folder / GRAPH).write_bytes(model.SerializeToString(deterministic=True))
    if weights:
        save_file(dict(weights), folder / WEIGHTS)
        files.append(described_file(folder / WEIGHTS, role="weights"))
    graph = {"file": GRAPH, "sha256": digest(folder / GRAPH)}
    outside = {"external_initializers": sorted(weights)} if weights else {}
    whole = {**description, "graph": {**graph, **outside}, "files": files}
    (folder / DESCRIPTION).write_text(toml_of(whole), encoding="utf-8")


def _values(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        if not isinstance(value, Mapping) and not _are_tables(value):
            yield f"{key} = {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    return "[" + ", ".join(map(_value, value)) + "]"


def _are_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, Mapping) for each in value)
