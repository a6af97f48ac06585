"""What the models that ship see of pictures that something is learned from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

import numpy as np
import onnxruntime
from jaxtyping import UInt8

from models.export import GRAPH, STORE
from models.ranking.pairs.looks import look

Crop = UInt8[np.ndarray, "224 224 3"]
_AT_ONCE: Final = 8
_LOCAL: Final = "fovea-local"
_GLOBAL: Final = "fovea-global"
_NOTHING: Final = np.zeros(0, np.float32)


def maps(crops: Iterable[Crop]) -> dict[str, np.ndarray]:
    """Return `patches`, `odd` and `pixels` of crops, as looks have them but for bytes and 16 bits."""
    local = session(_LOCAL)
    return _joined(_maps(block, local) for block in _blocks(crops))


def looks(crops: Iterable[Crop]) -> dict[str, np.ndarray]:
    """Return the maps of crops with `embeddings` and `names` by fovea-global, which shall not know them."""
    local, whole = session(_LOCAL), session(_GLOBAL)
    return _joined(_maps(block, local) | _spaces(block, whole) for block in _blocks(crops))


def _maps(
    block: UInt8[np.ndarray, "n 224 224 3"], local: onnxruntime.InferenceSession
) -> dict[str, np.ndarray]:
    seen = [
        look(crop, embeddings=_NOTHING, names=_NOTHING, patches=found)
        for crop, found in zip(block, local.run(["patches"], {"tiles": block})[0], strict=True)
    ]
    return {
        "patches": np.stack([each.patches for each in seen]).astype(np.float16),
        "odd": np.stack([each.odd for each in seen]).astype(np.float16),
        "pixels": np.stack([255 * (1 - each.pixels) for each in seen]).round().astype(np.uint8),
    }


def _spaces(
    block: UInt8[np.ndarray, "n 224 224 3"], whole: onnxruntime.InferenceSession
) -> dict[str, np.ndarray]:
    embeddings, names = whole.run(["embeddings", "names"], {"crops": block})
    return {"embeddings": embeddings.astype(np.float16), "names": names.astype(np.float16)}


def _blocks(crops: Iterable[Crop]) -> Iterator[UInt8[np.ndarray, "n 224 224 3"]]:
    left = iter(crops)
    while block := list(islice(left, _AT_ONCE)):
        yield np.stack(block)


def _joined(blocks: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    every = list(blocks)
    return {name: np.concatenate([each[name] for each in every]) for name in every[0]}


def session(name: str) -> onnxruntime.InferenceSession:
    """Return a model that ships, on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = str(STORE / name / "1" / GRAPH)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
