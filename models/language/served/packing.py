"""The packaged weights as the graph is fed with them: still quantised, and exactly what they were.

`MatMulNBits` of onnxruntime wants codes whose zero is 8, two neighbours in a byte. A block of Q4_1 has the
weights `scale * code + minimum`, which is `scale * (code - 8)` and one number more that all its elements
share: `minimum + 8 * scale`, the lift. The graph adds each block's sum of activations times its lift, so
nothing is rounded. The codes of Q8_0, from 0 to 255 with the zero at 128, are 16 times their upper halves
and their lower ones: two matrices of 4 bits, which are quicker than one of 8, and which the words are looked
up in as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32, Int8, UInt8

from models.language import blocks
from models.language.blocks import BLOCK
from models.language.gguf import Gguf, GgufError, Stored
from models.language.weights import EMBEDDING, stored

CODES: Final = ".codes"
UPPER: Final = ".upper"
LOWER: Final = ".lower"
SCALES: Final = ".scales"
LIFTS: Final = ".lifts"
_LOWER: Final = 0x0F
_UPPER: Final = 0xF0
_MIDDLE_OF_4: Final = 8
_MIDDLE_OF_8: Final = 0x80


def packed(path: Path) -> dict[str, np.ndarray]:
    """Return what the graph is fed with, by the names of its initialisers.

    Raises:
        GgufError: The file is damaged, or is not stored as the graph wants it.
        OSError: It cannot be opened.
    """
    found: dict[str, np.ndarray] = {}
    for name, tensor in stored(Gguf.open(path)).items():
        found |= _packed(name, tensor)
    return found


def _packed(name: str, tensor: Stored) -> Mapping[str, np.ndarray]:
    kind = "F32" if len(tensor.shape) == 1 else "Q8_0" if name == EMBEDDING else "Q4_1"
    if tensor.kind.name != kind:
        raise GgufError(f"{name} is stored as {tensor.kind.name}, not {kind}")
    if kind == "F32":
        return {name: blocks.dequantised(tensor)}
    rows, stem = tensor.shape[0], name.removesuffix(".weight")
    scales = blocks.scales(tensor).reshape(rows, -1)
    if kind == "Q8_0":
        upper, lower = (codes.reshape(rows, -1, BLOCK // 2) for codes in planes(blocks.codes(tensor)))
        lifts = _MIDDLE_OF_4 * scales
        found = {stem + UPPER: upper, stem + LOWER: lower}
    else:
        lifts = blocks.minima(tensor).reshape(rows, -1) + _MIDDLE_OF_4 * scales
        found = {stem + CODES: paired(blocks.packed_codes(tensor)).reshape(rows, -1, BLOCK // 2)}
    return {**found, stem + SCALES: scales, stem + LIFTS: np.ascontiguousarray(lifts.T)}


def paired(codes: UInt8[np.ndarray, "block 16"]) -> UInt8[np.ndarray, "block 16"]:
    """Return codes of 4 bits with neighbours in one byte, where element i was with element i + 16."""
    even, odd = codes[:, ::2], codes[:, 1::2]
    first = (even & _LOWER) | ((odd & _LOWER) << 4)
    second = (even >> 4) | (odd & _UPPER)
    return np.concatenate([first, second], axis=1)


def planes(
    codes: Int8[np.ndarray, "block 32"],
) -> tuple[UInt8[np.ndarray, "block 16"], UInt8[np.ndarray, "block 16"]]:
    """Return upper and lower halves of codes of 8 bits, their zero moved to 128, two neighbours in a byte."""
    moved = codes.view(np.uint8) ^ np.uint8(_MIDDLE_OF_8)
    even, odd = moved[:, ::2], moved[:, 1::2]
    upper: UInt8[np.ndarray, "block 16"] = (even >> 4) | (odd & _UPPER)
    lower: UInt8[np.ndarray, "block 16"] = (even & _LOWER) | ((odd & _LOWER) << 4)
    return upper, lower


def lifted(
    codes: UInt8[np.ndarray, "row block half"],
    scales: Float32[np.ndarray, "row block"],
    lifts: Float32[np.ndarray, "block row"],
) -> Float32[np.ndarray, "row column"]:
    """Return the weights that packed ones stand for."""
    elements = np.stack([codes & _LOWER, codes >> 4], axis=-1).reshape(*scales.shape, BLOCK)
    weights: Float32[np.ndarray, "row block 32"] = (elements.astype(np.float32) - _MIDDLE_OF_4) * scales[
        ..., None
    ] + lifts.T[..., None]
    return weights.reshape(len(codes), -1)
