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
import re
import zlib
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from services.kernel.errors import Corrupt, NotFound, Unavailable, Unsupported
from services.kernel.vocabulary import CollectionKey
from services.retrieval.adapters.memory.state import SegmentState, State

FORMAT: Final = 1
_MOST_DEAD_BYTES: Final = 1 << 26  # far more than a segment has slots
_DIGEST: Final = re.compile("[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Entry:
    """One segment as a memory uses it.

    Args:
        digest: Of its manifest; it names the segment.
        collection: Whose exemplars it holds.
        dead: The slots, rising, of those that were forgotten or replaced since, as little-endian int32.
    """

    digest: str
    collection: CollectionKey
    dead: bytes = b""


@dataclass(frozen=True)
class Catalogue:
    """A memory at one moment.

    Args:
        offsets: For each partition, up to where the log is in the segments.
        as_of_s: Whatever was published before this moment, in seconds since the epoch, is in the segments.
        entries: The segments; those of a collection in the order of its state.
        writer: Which replica wrote it.
        log: The identity of the log that the offsets are of.
    """

    offsets: Mapping[int, int]
    as_of_s: float
    entries: tuple[Entry, ...] = ()
    writer: str = ""
    log: str = ""

    @classmethod
    def of(cls, state: State, *, as_of_s: float, writer: str, log: str) -> Catalogue:
        """Return the catalogue of a state."""
        entries = tuple(
            Entry(segment.folder.name, collection, segment.dead.astype("<i4").tobytes())
            for collection, segments in state.collections.items()
            for segment in segments
        )
        return cls(dict(state.offsets), as_of_s, entries, writer, log)

    def state(self, folder: Path) -> State:
        """Return the state whose segments have their folders in `folder`."""
        collections: defaultdict[CollectionKey, tuple[SegmentState, ...]] = defaultdict(tuple)
        for entry in self.entries:
            dead = np.frombuffer(entry.dead, "<i4").astype(np.int32)
            collections[entry.collection] += (SegmentState(folder / entry.digest, dead),)
        return State(self.offsets, dict(collections))

    @property
    def digests(self) -> frozenset[str]:
        """The names of its segments."""
        return frozenset(entry.digest for entry in self.entries)


def encode(catalogue: Catalogue) -> bytes:
    """Return the catalogue as bytes that `decode` can check."""
    content = {
        "offsets": {str(partition): offset for partition, offset in sorted(catalogue.offsets.items())},
        "as_of_s": catalogue.as_of_s,
        "writer": catalogue.writer,
        "log": catalogue.log,
        "segments": [_written(entry) for entry in catalogue.entries],
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
    """Put a file in place of the one before, durably and whole: a crash leaves the old or the new one."""
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


def _written(entry: Entry) -> dict[str, Any]:
    return {
        "digest": entry.digest,
        "tenant": entry.collection.tenant,
        "collection": entry.collection.collection,
        "dead": base64.b64encode(zlib.compress(entry.dead)).decode() if entry.dead else "",
    }


def _read(content: Mapping[str, Any]) -> Catalogue:
    return Catalogue(
        offsets={int(partition): int(offset) for partition, offset in content["offsets"].items()},
        as_of_s=float(content["as_of_s"]),
        entries=tuple(_entry(row) for row in content["segments"]),
        writer=str(content["writer"]),
        log=str(content["log"]),
    )


def _entry(row: Mapping[str, Any]) -> Entry:
    digest = str(row["digest"])
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"a segment named {digest!r}")
    dead = _inflated(row["dead"]) if row["dead"] else b""
    return Entry(digest, CollectionKey(row["tenant"], row["collection"]), dead)


def _inflated(text: str) -> bytes:
    data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), _MOST_DEAD_BYTES + 1)
    if len(data) > _MOST_DEAD_BYTES or len(data) % 4:
        raise ValueError(f"{len(data)} bytes of dead slots")
    return data
