"""A column of vectors, whatever sort of list it is, as bytes."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

_FLOAT_BYTES: Final = 4

Vector = bytes | str | None
"""Little-endian 32-bit floats, or what is wrong with them; None where there is no vector."""


class VectorReader:
    """Reads one column, batch by batch; all its vectors have as many numbers as the first.

    Args:
        normalise: Whether a vector may have any length; otherwise it is left as it is.
    """

    def __init__(self, *, normalise: bool) -> None:
        self._normalise = normalise
        self._size: int | None = None

    def __call__(self, column: Any) -> Sequence[Vector]:
        """Return the vector of each row."""
        lengths = pc.list_value_length(column).to_pylist()
        return [None if raw is None else self._checked(raw) for raw in _raw(column.flatten(), lengths)]

    def _checked(self, raw: bytes | str) -> bytes | str:
        if isinstance(raw, str):
            return raw
        size = len(raw) // _FLOAT_BYTES
        if self._size is None:
            self._size = size
        if size != self._size:
            return f"has {size} numbers, the first vector {self._size}"
        return _normalised(raw, size) if self._normalise else raw


def _raw(flat: Any, lengths: Sequence[int | None]) -> Iterator[Vector]:
    """Yield the bytes of each row, out of the numbers of all rows that are not null."""
    numbers = flat.cast(pa.float32())
    holes = numbers.is_null().to_pylist() if numbers.null_count else None
    _, buffer = numbers.buffers()
    raw = memoryview(buffer or b"").cast("B")[numbers.offset * _FLOAT_BYTES :]
    ends = itertools.accumulate(length or 0 for length in lengths)
    for length, end in zip(lengths, ends, strict=True):
        if length is None:
            yield None
        elif length == 0:
            yield "is empty"
        elif holes and any(holes[end - length : end]):
            yield "has a null among its numbers"
        else:
            yield bytes(raw[(end - length) * _FLOAT_BYTES : end * _FLOAT_BYTES])


def _normalised(raw: bytes, size: int) -> bytes | str:
    vector = struct.unpack(f"<{size}f", raw)
    length = math.hypot(*vector)
    if not 0 < length < math.inf:  # a NaN fails every comparison
        return f"has length {length}: look for zeros, NaN or infinity"
    return struct.pack(f"<{size}f", *(number / length for number in vector))
