"""Model folders opened in this process: whatever encodes pictures or texts into named spaces."""

from __future__ import annotations

import hashlib
import importlib.util
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from jaxtyping import Float32, UInt8

from models.text.tokenizer import Tokenizer
from models.weights import fed

STORE: Final = Path(__file__).parents[1] / "store"
NAMES: Final = "name"
VISUAL: Final = "visual"
_BATCH: Final = 16
_VERSION: Final = "1"
_ROWS: Final = 2
"""Axes of embeddings."""


class NoSuchModel(FileNotFoundError):
    """A store has no model of that name, or a package that it needs is not installed."""


class Model:
    """One model folder: its graph, and what its description says.

    Args:
        name: Folder of the model in its store.
        store: Where models are.

    Raises:
        NoSuchModel: If it or what it needs is not there.
    """

    def __init__(self, name: str, store: Path = STORE) -> None:
        self._description = _described(name, store)
        self.name = name
        self.files = packaged_files(name, store)
        self._weights: dict[str, np.ndarray] = {}  # onnxruntime reads them in place: keep them
        self._graph = store / name / _VERSION / self._description["graph"]["file"]
        if not self._graph.is_file():
            raise NoSuchModel(f"{self._graph} is not there")
        self._session = self._open()
        self._outputs = [output.name for output in self._session.get_outputs()]

    @property
    def digest(self) -> str:
        """SHA-256 of the graph as it is, whatever its description says, and of what else it needs."""
        graph = hashlib.sha256(self._graph.read_bytes()).hexdigest()
        parts = [graph, *(each["sha256"] for each in self._description.get("external", ()))]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()

    @property
    def spaces(self) -> dict[str, str]:
        """Which outputs are embeddings, one row for each input: the space of each."""
        outputs = self._description["outputs"]
        return {
            each["name"]: each["space"]
            for each in outputs
            if each.get("space") and len(each["shape"]) == _ROWS
        }

    def table(self, name: str) -> Mapping[str, Any]:
        """Return what else the model's description says under a heading. Raises NoSuchModel if nothing."""
        found = self._description.get(name)
        if not isinstance(found, dict):
            raise NoSuchModel(f"the description of {self.name} has no table {name}")
        return found

    def dim(self, space: str) -> int:
        """Return how many numbers the model's embeddings have in a space, whatever their other axes."""
        return int(
            next(each["shape"][-1] for each in self._description["outputs"] if each.get("space") == space)
        )

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output by name."""
        found = self._session.run(None, dict(inputs))
        return dict(zip(self._outputs, found, strict=True))

    def _open(self) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", "0"
        )  # spinning doubles the CPU time
        names = self._description["graph"].get("external_initializers", [])
        if names:
            self._weights = fed(self.files["weights"], names)
            values = [onnxruntime.OrtValue.ortvalue_from_numpy(each) for each in self._weights.values()]
            options.add_external_initializers(names, values)
        return onnxruntime.InferenceSession(str(self._graph), options, providers=["CPUExecutionProvider"])


class Encoder:
    """Pictures and texts in the same spaces.

    Args:
        images: Reads `crops`; its outputs with a space are embeddings.
        texts: Reads tokens; its embeddings stand in the space `name`.
        bridge: Reads the image model's `logits` where that has no `name` of its own.
    """

    def __init__(self, images: Model, texts: Model, bridge: Model | None = None) -> None:
        self._images = images
        self._texts = texts
        self._bridge = bridge
        self._tokenize = Tokenizer.from_file(texts.files["tokenizer"])
        self.digest = hashlib.sha256(
            " ".join(model.digest for model in (images, texts, bridge) if model is not None).encode()
        ).hexdigest()

    def see(self, crops: UInt8[np.ndarray, "n size size 3"]) -> dict[str, Float32[np.ndarray, "n dim"]]:
        """Return the embeddings of each space, unit-norm rows."""
        parts = [self._part(crops[start : start + _BATCH]) for start in range(0, len(crops), _BATCH)]
        return {space: np.concatenate([part[space] for part in parts]) for space in parts[0]}

    def read(self, texts: Sequence[str]) -> Float32[np.ndarray, "n dim"]:
        """Return names in their space, unit-norm rows."""
        return np.concatenate(list(self._read(texts)))

    def _read(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        output = next(output for output, space in self._texts.spaces.items() if space == NAMES)
        for start in range(0, len(texts), _BATCH):
            yield self._texts.run(self._tokenize(texts[start : start + _BATCH]).tensors())[output]

    def _part(self, crops: UInt8[np.ndarray, "n size size 3"]) -> dict[str, np.ndarray]:
        found = self._images.run({"crops": crops})
        seen = {space: found[output] for output, space in self._images.spaces.items()}
        if self._bridge is not None:
            bridged = self._bridge.run({"logits": found["logits"]})
            seen |= {space: bridged[output] for output, space in self._bridge.spaces.items()}
        return seen


def raw() -> Encoder:
    """Return the packaged models that nothing was trained on top of."""
    bridge = Model("conse-imagenet-minilm")
    return Encoder(Model("efficientnet-lite0"), Model("all-minilm-l6-v2"), bridge)


def trained(store: Path = STORE) -> Encoder:
    """Return Fovea's own encoders, those that ship or those of a fold. Raises NoSuchModel."""
    return Encoder(Model("fovea-global", store), Model("fovea-text", store))


def packaged_files(name: str, store: Path = STORE) -> dict[str, Path]:
    """Return where the files of a model that are not in its store are, by role. Raises NoSuchModel."""
    return {each["role"]: _packaged(each) for each in _described(name, store).get("external", ())}


def _described(name: str, store: Path) -> dict[str, Any]:
    path = store / name / _VERSION / "model.toml"
    if not path.is_file():
        raise NoSuchModel(f"{store} has no model {name}")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _packaged(external: Mapping[str, Any]) -> Path:
    found = importlib.util.find_spec(external["package"])
    if found is None or not found.submodule_search_locations:
        raise NoSuchModel(f"the package of {external['package']} is not installed")
    return Path(found.submodule_search_locations[0]) / str(external["path"])
