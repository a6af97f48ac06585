"""What a memory consists of at one moment: segments, what is dead in them, and how far of the log is in them.

Written as JSON with its own digest, so that half a file, or one with a flipped bit, is never believed:

    {"format": 1, "sha256": "...", "content": {"offsets": {"0": 17}, "segments": [...], ...}}

Whatever lies in the log at or beyond the offsets is read again, so it does no harm if a segment holds some of
it, or if a slot is dead because of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Bool

from services.kernel.errors import Corrupt, NotFound, Unavailable, Unsupported
from services.kernel.vocabulary import CollectionKey

FORMAT: Final = 1
_MOST_SLOTS: Final = 1 << 24  # far more than a segment has


@dataclass(frozen=True)
class SegmentState:
    """One segment as a memory uses it.

    Args:
        digest: Of its manifest; it names the segment.
        collection: Whose exemplars it holds.
        slots: How many exemplars were written into it.
        dead: A bitmap, least bit first, of those that were forgotten or replaced since.
    """

    digest: str
    collection: CollectionKey
    slots: int
    dead: bytes = b""

    @classmethod
    def of(cls, digest: str, collection: CollectionKey, alive: Bool[np.ndarray, "slot"]) -> SegmentState:
        """Return the state of a segment of which these slots are alive."""
        dead = b"" if alive.all() else np.packbits(~alive, bitorder="little").tobytes()
        return cls(digest, collection, len(alive), dead)

    def alive(self) -> Bool[np.ndarray, "slot"]:
        """Return which slots are alive."""
        if not self.dead:
            return np.ones(self.slots, np.bool_)
        packed = np.frombuffer(self.dead, np.uint8)
        return ~np.unpackbits(packed, count=self.slots, bitorder="little").astype(np.bool_)


@dataclass(frozen=True)
class Catalogue:
    """A memory at one moment.

    Args:
        offsets: For each partition, up to where the log is in the segments.
        as_of_s: Whatever was published before this moment, in seconds since the epoch, is in the segments.
        segments: In no particular order.
        writer: Which process wrote it.
    """

    offsets: Mapping[int, int]
    as_of_s: float
    segments: tuple[SegmentState, ...] = ()
    writer: str = ""


def encode(catalogue: Catalogue) -> bytes:
    """Return the catalogue as bytes that `decode` can check."""
    content = {
        "offsets": {str(partition): offset for partition, offset in sorted(catalogue.offsets.items())},
        "as_of_s": catalogue.as_of_s,
        "writer": catalogue.writer,
        "segments": [_written(segment) for segment in catalogue.segments],
    }
    return json.dumps({"format": FORMAT, "sha256": _digest(content), "content": content}).encode()


def decode(data: bytes) -> Catalogue:
    """Return the catalogue that was encoded.

    Raises:
        Corrupt: The bytes are not what was written.
        Unsupported: Another release wrote them.
    """
    try:
        found = json.loads(data)
        number, digest, content = found["format"], found["sha256"], found["content"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Corrupt(f"it is no catalogue of a memory: {error!r}") from error
    if number != FORMAT:
        raise Unsupported(
            f"the catalogue has format {number}; this release reads {FORMAT}", reason="FORMAT_UNKNOWN"
        )
    if _digest(content) != digest:
        raise Corrupt("the catalogue's digest is not that of its content", reason="DIGEST_MISMATCH")
    try:
        return _read(content)
    except (KeyError, TypeError, ValueError, AttributeError, zlib.error, binascii.Error) as error:
        raise Corrupt(f"the catalogue cannot be read: {error!r}") from error


class CatalogueFile:
    """The catalogue on a replica's own disk, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Catalogue:
        """Return what was last written. Raises NotFound, Corrupt, Unsupported, Unavailable."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"there is no {self._path}") from error
        except OSError as error:
            raise Unavailable(f"cannot read {self._path}: {error}") from error
        return decode(data)

    def write(self, catalogue: Catalogue) -> None:
        """Put it in place of the one before; durable when it returns. Raises Unavailable."""
        try:
            replace_file(self._path, encode(catalogue))
        except OSError as error:
            raise Unavailable(f"cannot write {self._path}: {error}") from error


def replace_file(path: Path, data: bytes) -> None:
    """Put a file in place of the one before as a whole, durably: a crash leaves the old one or the new one."""
    aside = path.with_name(f"{path.name}.new")
    try:
        write_file(aside, data)
        aside.replace(path)
    except OSError:
        with suppress(OSError):
            aside.unlink()
        raise
    flush_folder(path.parent)


def write_file(path: Path, data: bytes) -> None:
    """Write a file, durably but for its name."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(content: object) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _written(segment: SegmentState) -> dict[str, Any]:
    return {
        "digest": segment.digest,
        "tenant": segment.collection.tenant,
        "collection": segment.collection.collection,
        "slots": segment.slots,
        "dead": base64.b64encode(zlib.compress(segment.dead)).decode() if segment.dead else "",
    }


def _read(content: Mapping[str, Any]) -> Catalogue:
    return Catalogue(
        offsets={int(partition): int(offset) for partition, offset in content["offsets"].items()},
        as_of_s=float(content["as_of_s"]),
        segments=tuple(_segment(row) for row in content["segments"]),
        writer=str(content["writer"]),
    )


def _segment(row: Mapping[str, Any]) -> SegmentState:
    slots = int(row["slots"])
    if not 0 <= slots <= _MOST_SLOTS:
        raise ValueError(f"a segment of {slots} slots")
    dead = _inflated(row["dead"], (slots + 7) // 8) if row["dead"] else b""
    return SegmentState(str(row["digest"]), CollectionKey(row["tenant"], row["collection"]), slots, dead)


def _inflated(text: str, size: int) -> bytes:
    data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), size + 1)
    if len(data) != size:
        raise ValueError(f"a bitmap of {len(data)} bytes in place of {size}")
    return data
