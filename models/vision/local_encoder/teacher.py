"""An encoder of the store as a teacher: its graph, run with onnxruntime."""

from __future__ import annotations

import hashlib
import tomllib

import numpy as np
import onnxruntime
from jaxtyping import Float32, UInt8

from models.evaluation.encoders import STORE

DESCRIPTION = "model.toml"
_BATCH = 32
_DIGITS = 12


class StoredTeacher:
    """Crops to the embeddings of space `visual` of an encoder in the store.

    Attributes:
        identity: `name@digest` of graph and description, by which services know whose vectors these are.
        graph: Which changes only when what it sees may.
    """

    def __init__(self, name: str) -> None:
        folder = STORE / name / "1"
        said = (folder / DESCRIPTION).read_bytes()
        description = tomllib.loads(said.decode())
        path = folder / description["graph"]["file"]
        parts = (hashlib.sha256(said).hexdigest(), description["graph"]["sha256"])
        whole = hashlib.sha256("".join(part + "\n" for part in parts).encode()).hexdigest()
        self.identity = f"{name}@{whole[:_DIGITS]}"
        self.graph = f"{name}-{hashlib.sha256(path.read_bytes()).hexdigest()[:_DIGITS]}"
        self._output = next(each["name"] for each in description["outputs"] if each.get("space") == "visual")
        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def __call__(self, crops: UInt8[np.ndarray, "n 224 224 3"]) -> Float32[np.ndarray, "n dim"]:
        """Return unit-norm embeddings in the order of the crops."""
        found = [
            self._session.run([self._output], {"crops": crops[start : start + _BATCH]})[0]
            for start in range(0, len(crops), _BATCH)
        ]
        return np.concatenate(found)
