"""GGUF files: fields and tensors, mapped and not copied, and refused where they are not what they say.

Only what the packaged language model needs is understood: version 3, little-endian, a few kinds of tensors.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import UInt8

MAGIC: Final = b"GGUF"
VERSION: Final = 3
_MOST_ENTRIES: Final = 1 << 16
_MOST_AXES: Final = 4
_ALIGNMENT: Final = 32
_SCALARS: Final = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_U32: Final = _SCALARS[4]
_U64: Final = _SCALARS[10]
_STRING: Final = 8
_ARRAY: Final = 9

Scalar = bool | int | float | str
Field = Scalar | tuple[Scalar, ...]


class GgufError(ValueError):
    """The file is damaged, or is one that is not understood here."""


@dataclass(frozen=True)
class Kind:
    """How elements are stored: so many of them in a block of so many bytes."""

    name: str
    elements: int
    size: int


KINDS: Final[Mapping[int, Kind]] = {
    0: Kind("F32", 1, 4),
    1: Kind("F16", 1, 2),
    3: Kind("Q4_1", 32, 20),
    8: Kind("Q8_0", 32, 34),
}


@dataclass(frozen=True, eq=False)
class Stored:
    """A tensor as it lies in the file.

    Attributes:
        kind: How its elements are stored.
        shape: Of the elements, slowest axis first.
        blocks: A read-only view of the file, one row a block.
    """

    kind: Kind
    shape: tuple[int, ...]
    blocks: UInt8[np.ndarray, "block byte"]


@dataclass(frozen=True, eq=False)
class Gguf:
    """A file that was read. The file stays mapped as long as one of its tensors lives."""

    fields: Mapping[str, Field]
    tensors: Mapping[str, Stored]

    @classmethod
    def open(cls, path: Path) -> Gguf:
        """Read the fields and find the tensors.

        Raises:
            GgufError: It is no such file, or is damaged.
            OSError: It cannot be opened.
        """
        if path.stat().st_size == 0:
            raise GgufError(f"{path} is empty")
        try:
            return _parsed(np.memmap(path, dtype=np.uint8, mode="r").view(np.ndarray))
        except GgufError as error:
            raise GgufError(f"{path}: {error}") from error

    def text(self, name: str) -> str:
        """Return a field that is text. Raises GgufError."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise GgufError(f"the field {name} is missing, or is no text")
        return value

    def number(self, name: str) -> float:
        """Return a field that is a number. Raises GgufError."""
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise GgufError(f"the field {name} is missing, or is no number")
        return float(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a field that is a list of texts. Raises GgufError."""
        value = self.fields.get(name)
        if not isinstance(value, tuple) or not all(isinstance(each, str) for each in value):
            raise GgufError(f"the field {name} is missing, or is no list of texts")
        return value  # type: ignore[return-value]  # they were looked at

    def numbers(self, name: str) -> tuple[int, ...]:
        """Return a field that is a list of whole numbers. Raises GgufError."""
        value = self.fields.get(name)
        if not isinstance(value, tuple) or not all(isinstance(each, int) for each in value):
            raise GgufError(f"the field {name} is missing, or is no list of whole numbers")
        return value  # type: ignore[return-value]  # they were looked at


class _Cursor:
    """Reads on from a place, and never behind the end."""

    def __init__(self, data: UInt8[np.ndarray, "byte"]) -> None:
        self._data = memoryview(data)  # type: ignore[arg-type]  # an array is a buffer
        self.place = 0

    def scalar(self, form: struct.Struct) -> bool | int | float:
        start = self._passed(form.size)
        (value,) = form.unpack_from(self._data, start)
        return value  # type: ignore[no-any-return]  # struct does not say what it unpacks

    def count(self, most: int) -> int:
        value = int(self.scalar(_U64))
        if value > most:
            raise GgufError(f"{value} entries at byte {self.place}, where {most} are the most")
        return value

    def text(self) -> str:
        (value,) = self.texts(1)
        return value

    def value(self) -> Field:
        kind = int(self.scalar(_U32))
        if kind != _ARRAY:
            (value,) = self._elements(kind, 1)
            return value
        kind = int(self.scalar(_U32))
        return self._elements(kind, self.count(len(self._data)))

    def texts(self, count: int) -> tuple[str, ...]:
        """Return some texts; there are many in a vocabulary, so this is one plain loop."""
        data, place, end = self._data, self.place, len(self._data)
        found = []
        for _ in range(count):
            size = _U64.unpack_from(data, place)[0] if place + _U64.size <= end else end
            start = place + _U64.size
            if size > end - start:
                raise GgufError(f"it ends inside the text at byte {place}")
            place = start + size
            found.append(data[start:place])
        self.place = place
        try:
            return tuple(str(text, "utf-8") for text in found)
        except UnicodeDecodeError as error:
            raise GgufError(f"a text before byte {place} is no UTF-8") from error

    def _elements(self, kind: int, count: int) -> tuple[Scalar, ...]:
        if kind == _STRING:
            return self.texts(count)
        if kind not in _SCALARS:
            raise GgufError(f"a field of the type {kind} at byte {self.place}")
        form = _SCALARS[kind]
        start = self._passed(count * form.size)
        return tuple(value for (value,) in form.iter_unpack(self._data[start : self.place]))

    def _passed(self, size: int) -> int:
        start = self.place
        if size > len(self._data) - start:
            raise GgufError(f"it ends at byte {len(self._data)}, where {size} more than {start} are wanted")
        self.place = start + size
        return start


def _parsed(data: UInt8[np.ndarray, "byte"]) -> Gguf:
    if bytes(data[:4]) != MAGIC:
        raise GgufError("it does not begin as a GGUF file")
    cursor = _Cursor(data)
    cursor.scalar(_U32)
    version = int(cursor.scalar(_U32))
    if version != VERSION:
        raise GgufError(f"it has version {version}; {VERSION} is read here")
    tensors, entries = cursor.count(_MOST_ENTRIES), cursor.count(_MOST_ENTRIES)
    fields = {cursor.text(): cursor.value() for _ in range(entries)}
    described = [_described(cursor) for _ in range(tensors)]
    alignment = fields.get("general.alignment", _ALIGNMENT)
    if not isinstance(alignment, int) or not 1 <= alignment <= len(data):
        raise GgufError(f"it is aligned to {alignment}")
    start = -(-cursor.place // alignment) * alignment
    found = {name: _found(data[start:], name, kind, shape, at) for name, kind, shape, at in described}
    if len(fields) != entries or len(found) != tensors:
        raise GgufError("two fields, or two tensors, have one name")
    return Gguf(fields, found)


def _described(cursor: _Cursor) -> tuple[str, int, tuple[int, ...], int]:
    name = cursor.text()
    axes = int(cursor.scalar(_U32))
    if not 1 <= axes <= _MOST_AXES:
        raise GgufError(f"{name} has {axes} axes")
    shape = tuple(int(cursor.scalar(_U64)) for _ in range(axes))[::-1]
    return name, int(cursor.scalar(_U32)), shape, int(cursor.scalar(_U64))


def _found(
    data: UInt8[np.ndarray, "byte"], name: str, kind_id: int, shape: tuple[int, ...], offset: int
) -> Stored:
    kind = KINDS.get(kind_id)
    if kind is None:
        raise GgufError(f"{name} is stored as type {kind_id}, which is not read here")
    if shape[-1] % kind.elements:
        raise GgufError(f"rows of {name} are no whole blocks")
    size = math.prod(shape) // kind.elements * kind.size
    if offset > len(data) or size > len(data) - offset:
        raise GgufError(f"{name} does not lie in the file")
    return Stored(kind, shape, data[offset : offset + size].reshape(-1, kind.size))
