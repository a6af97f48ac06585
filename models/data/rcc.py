"""Reads Qt's binary resource bundles (.rcc), in which GCompris ships its pictures.

Big-endian: the magic `qres`, then version and the offsets of tree, data and names. An entry of the tree has
14 bytes, 22 from version 2 on. Source: the layout that Qt's `rcc --binary` writes, format versions 1 to 3.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

_COMPRESSED: Final = 1
_FOLDER: Final = 2
_ZSTANDARD: Final = 4


class BadBundle(ValueError):
    """The bytes are no bundle, or one that is compressed in a way not read here."""


def files(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of every file. Raises BadBundle."""
    try:
        magic, version, tree, data, names = struct.unpack_from(">4sIIII", bundle)
        if magic != b"qres":
            raise BadBundle("the bytes do not begin with qres")
        yield from _Bundle(bundle, version, (tree, data, names)).below(0, "")
    except (struct.error, zlib.error, UnicodeDecodeError) as error:
        raise BadBundle(f"the bundle is damaged ({error})") from error


class _Bundle:
    def __init__(self, content: bytes, version: int, offsets: tuple[int, int, int]) -> None:
        self._content = content
        self._entry_bytes = 14 if version == 1 else 22
        self._tree, self._data, self._names = offsets

    def below(self, node: int, path: str) -> Iterator[tuple[str, bytes]]:
        """Yield the files of an entry of the tree, which is a folder."""
        count, first = struct.unpack_from(">II", self._content, self._place(node) + 6)
        if first <= node:
            raise BadBundle("a folder lies in itself")
        for child in range(first, first + count):
            name, flags = struct.unpack_from(">IH", self._content, self._place(child))
            inside = f"{path}/{self._name(name)}"
            if flags & _FOLDER:
                yield from self.below(child, inside)
            else:
                yield inside.lstrip("/"), self._file(self._place(child), flags)

    def _place(self, node: int) -> int:
        return self._tree + node * self._entry_bytes

    def _name(self, offset: int) -> str:
        (length,) = struct.unpack_from(">H", self._content, self._names + offset)
        start = self._names + offset + 6  # behind the length and a hash
        return self._content[start : start + 2 * length].decode("utf-16-be")

    def _file(self, place: int, flags: int) -> bytes:
        if flags & _ZSTANDARD:
            raise BadBundle("a file is compressed with Zstandard")
        (offset,) = struct.unpack_from(">I", self._content, place + 10)
        start = self._data + offset
        (size,) = struct.unpack_from(">I", self._content, start)
        content = self._content[start + 4 : start + 4 + size]
        return zlib.decompress(content[4:]) if flags & _COMPRESSED else content
