"""Weights that a graph is fed with from outside: from a safetensors file, or from a packaged GGUF file.

A safetensors file has each tensor as the graph wants it. A GGUF file has the blocks of a language model's
matrices; they are put into the order that the graph wants, and stay quantised.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import numpy as np

SAFETENSORS: Final = ".safetensors"
GGUF: Final = ".gguf"


class WeightsError(ValueError):
    """The file is damaged, of a kind that is not read here, or lacks a weight."""


def fed(path: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """Return weights by the names of the graph's initialisers; onnxruntime reads them in place: keep them.

    Raises:
        WeightsError: They are not there, or the file is not what it says.
    """
    read = {SAFETENSORS: _tensors, GGUF: _blocks}.get(path.suffix)
    if read is None:
        raise WeightsError(f"{path} is neither {SAFETENSORS} nor {GGUF}")
    found = read(path, names)
    missing = set(names) - found.keys()
    if missing:
        raise WeightsError(f"{path} lacks {min(missing)}")
    return {name: found[name] for name in names}


def _tensors(path: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415  (who has no such weights pays nothing)

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in names if name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise WeightsError(f"{path} is damaged: {error}") from error


def _blocks(path: Path, _names: Collection[str]) -> dict[str, np.ndarray]:
    from models.language.gguf import GgufError  # noqa: PLC0415  (as above)
    from models.language.served.packing import packed  # noqa: PLC0415

    try:
        return packed(path)
    except GgufError as error:
        raise WeightsError(str(error)) from error
