"""The shipped graphs, opened in this process."""

from __future__ import annotations

import importlib.util
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from jaxtyping import Float32, UInt8
from safetensors.numpy import load_file

from models.text.tokenizer import Tokenizer

STORE = Path(__file__).parents[1] / "store"
_BATCH = 32


class Graphs:
    """Image encoder, bridge and text encoder; embeddings are unit-norm rows."""

    def __init__(self) -> None:
        text_files = packaged_files("all-minilm-l6-v2")
        self._weights = load_file(text_files["weights"])  # onnxruntime reads them in place: keep them
        self._image = _open("efficientnet-lite0", {})
        self._bridge = _open("conse-imagenet-minilm", {})
        self._text = _open("all-minilm-l6-v2", self._weights)
        self._tokenize = Tokenizer.from_file(text_files["tokenizer"])

    def see(self, crops: UInt8[np.ndarray, "n 224 224 3"]) -> tuple[np.ndarray, np.ndarray]:
        """Return visual embeddings (n, 2792) and logits (n, 1000)."""
        found = [
            self._image.run(None, {"crops": crops[start : start + _BATCH]})
            for start in range(0, len(crops), _BATCH)
        ]
        return np.concatenate([one[0] for one in found]), np.concatenate([one[1] for one in found])

    def bridge(self, logits: Float32[np.ndarray, "n 1000"]) -> Float32[np.ndarray, "n 384"]:
        """Return where pictures stand in the space of names."""
        return np.asarray(self._bridge.run(None, {"logits": logits})[0])

    def read(self, texts: Sequence[str]) -> Float32[np.ndarray, "n 384"]:
        """Return names in their space."""
        return np.concatenate(
            [
                self._text.run(["embeddings"], self._tokenize(texts[start : start + _BATCH]).tensors())[0]
                for start in range(0, len(texts), _BATCH)
            ]
        )


def _description(name: str) -> dict[str, Any]:
    return tomllib.loads((STORE / name / "1" / "model.toml").read_text(encoding="utf-8"))


def packaged_files(name: str) -> dict[str, Path]:
    """Return where the files of a model that are not in the store are, by role."""
    return {each["role"]: _packaged(each["package"], each["path"]) for each in _description(name)["external"]}


def _open(name: str, weights: Mapping[str, np.ndarray]) -> onnxruntime.InferenceSession:
    graph = _description(name)["graph"]
    options = onnxruntime.SessionOptions()
    fed = graph.get("external_initializers", [])
    if fed:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(weights[key]) for key in fed]
        options.add_external_initializers(fed, values)
    path = str(STORE / name / "1" / graph["file"])
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _packaged(package: str, path: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(f"the package of {package} is not installed")
    return Path(found.submodule_search_locations[0]) / path
