"""Blocks of quantised weights, as numbers.

A block of Q4_1 is a scale and a minimum of 16 bits, and 32 codes of 4 bits: elements 0 to 15 lie in the lower
halves of its 16 bytes, 16 to 31 in the upper ones. A block of Q8_0 is a scale of 16 bits and 32 codes of 8.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int8, UInt8

from models.language.gguf import Stored

BLOCK = 32
_HALF = BLOCK // 2
_SCALE = slice(0, 2)
_MINIMUM = slice(2, 4)


def dequantised(stored: Stored) -> Float32[np.ndarray, "..."]:
    """Return a tensor's elements."""
    elements: Float32[np.ndarray, "..."] = _DEQUANTISED[stored.kind.name](stored).reshape(stored.shape)
    return elements


def halves(stored: Stored, part: slice) -> Float32[np.ndarray, "block 1"]:
    """Return a number of 16 bits from each block."""
    return np.ascontiguousarray(stored.blocks[:, part]).view(np.float16).astype(np.float32)


def scales(stored: Stored) -> Float32[np.ndarray, "block 1"]:
    """Return each block's scale."""
    return halves(stored, _SCALE)


def minima(stored: Stored) -> Float32[np.ndarray, "block 1"]:
    """Return each block's minimum, of Q4_1."""
    return halves(stored, _MINIMUM)


def packed_codes(stored: Stored) -> UInt8[np.ndarray, "block 16"]:
    """Return the bytes that hold the codes of Q4_1."""
    return stored.blocks[:, 4:]


def codes(stored: Stored) -> Int8[np.ndarray, "block 32"]:
    """Return the codes of Q8_0."""
    return stored.blocks[:, 2:].view(np.int8)


def _full(stored: Stored) -> Float32[np.ndarray, "block 1"]:
    return np.array(stored.blocks).view(np.float32)


def _half(stored: Stored) -> Float32[np.ndarray, "block 1"]:
    return np.array(stored.blocks).view(np.float16).astype(np.float32)


def _four_bits(stored: Stored) -> Float32[np.ndarray, "block 32"]:
    packed = packed_codes(stored)
    elements = np.empty((len(packed), BLOCK), dtype=np.float32)
    elements[:, :_HALF] = packed & 15
    elements[:, _HALF:] = packed >> 4
    elements *= scales(stored)
    elements += minima(stored)
    return elements


def _eight_bits(stored: Stored) -> Float32[np.ndarray, "block 32"]:
    elements = codes(stored).astype(np.float32)
    elements *= scales(stored)
    return elements


_DEQUANTISED = {"F32": _full, "F16": _half, "Q4_1": _four_bits, "Q8_0": _eight_bits}
