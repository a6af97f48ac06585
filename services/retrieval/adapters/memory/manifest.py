"""What a segment says of itself: its collection, its tables, and the digest of each of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from services.kernel.errors import Corrupt, Unsupported
from services.kernel.vocabulary import CollectionKey

FORMAT: Final = 1
FILE: Final = "manifest.json"
COMPARED: Final = {"metric": "cosine", "normalised": True}
"""How vectors are compared, and that each has length 1; a segment that says anything else is refused."""


class FileDigest(NamedTuple):
    """Size and SHA-256, in hexadecimal, of a file."""

    size_bytes: int
    sha256: str


class TableSize(NamedTuple):
    """How many vectors of one encoder a segment holds."""

    space: str
    encoder: str
    dim: int
    rows: int


class Section(NamedTuple):
    """Where in a file an array lies: offset in bytes, NumPy's name of its type, how many items."""

    offset: int
    dtype: str
    length: int


@dataclass(frozen=True)
class Manifest:
    """Everything that makes a segment what it is; the indexes beside it do not."""

    collection: CollectionKey
    rows: int
    tables: tuple[TableSize, ...]
    sections: Mapping[str, Section]
    files: Mapping[str, FileDigest]

    def encode(self) -> bytes:
        """Return the bytes of `manifest.json`; equal manifests have equal bytes."""
        content = {
            "format": FORMAT,
            "collection": list(self.collection),
            "rows": self.rows,
            "vectors": COMPARED,
            "tables": [table._asdict() for table in self.tables],
            "sections": self.sections,
            "files": {name: digest._asdict() for name, digest in self.files.items()},
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()

    @property
    def digest(self) -> str:
        """The name of the segment: the SHA-256 of its manifest, in hexadecimal."""
        return hashlib.sha256(self.encode()).hexdigest()

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Read a manifest. Raises Corrupt, and Unsupported if another release wrote it."""
        try:
            content = json.loads(data)
            if content["format"] != FORMAT:
                raise Unsupported(
                    f"a segment of format {content['format']} cannot be read; it is {FORMAT} here"
                )
            if content["vectors"] != COMPARED:
                raise Unsupported(f"vectors are compared by {COMPARED} here, not by {content['vectors']}")
            return _read(content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Corrupt(f"the manifest of a segment cannot be read: {error!r}") from error


def _read(content: Any) -> Manifest:
    tenant, collection = content["collection"]
    files = {str(name): FileDigest(**digest) for name, digest in content["files"].items()}
    if strange := [name for name in files if "/" in name or name.startswith(".")]:
        raise Corrupt(f"the manifest of a segment names files outside it: {strange}")
    return Manifest(
        CollectionKey(tenant, collection),
        int(content["rows"]),
        tuple(TableSize(**table) for table in content["tables"]),
        {str(name): Section(*section) for name, section in content["sections"].items()},
        files,
    )
