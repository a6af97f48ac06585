"""Files that are written once: durable, with the digest of what was written, and mapped when read."""

from __future__ import annotations

import hashlib
import mmap
import os
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Shaped, UInt8

from services.retrieval.adapters.memory.manifest import FileDigest

_MAPPED_BYTES: Final = 1 << 20  # smaller files are read: a map costs a descriptor and a whole page table
_PIECE_BYTES: Final = 1 << 20


class DigestedFile:
    """A new file; what is written to it is digested on the way. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=_PIECE_BYTES)
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: bytes | Shaped[np.ndarray, "..."]) -> None:
        """Append bytes, or those of an array."""
        piece = (
            data if isinstance(data, bytes) else np.ascontiguousarray(data).reshape(-1).view(np.uint8).data
        )
        self._file.write(piece)
        self._digest.update(piece)
        self.size_bytes += len(piece)

    def close(self) -> FileDigest:
        """Make it durable and return what was written."""
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())
        return FileDigest(self.size_bytes, self._digest.hexdigest())

    def abandon(self) -> None:
        """Close it as it is."""
        self._file.close()


def digest_of(path: Path) -> FileDigest:
    """Read a file and return its size and digest. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return FileDigest(file.tell(), digest.hexdigest())


def mapped(path: Path) -> UInt8[np.ndarray, "byte"]:
    """Return the bytes of a file that nobody will change, in memory if they are few. Raises OSError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < _MAPPED_BYTES:
            return np.frombuffer(file.read(), np.uint8)
        return np.frombuffer(mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ), np.uint8)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
