"""Segments as far as their files go: what keeps and carries them does not look inside."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from services.kernel.vocabulary import CollectionKey
from services.retrieval.adapters.memory.catalogue import Catalogue, Entry
from services.retrieval.adapters.memory.manifest import FILE, FileDigest, Manifest
from tests.fakes.exemplars import BIRDS


def write_segment(
    folder: Path, files: Mapping[str, bytes], *, collection: CollectionKey = BIRDS, rows: int = 4
) -> str:
    """Write a segment that has these files, and return its digest."""
    digests = {name: FileDigest(len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()}
    manifest = Manifest(collection, rows, (), {}, digests)
    own = folder / manifest.digest
    own.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (own / name).write_bytes(data)
    (own / FILE).write_bytes(manifest.encode())
    return manifest.digest


def entry(digest: str, *dead: int, collection: CollectionKey = BIRDS) -> Entry:
    return Entry(digest, collection, np.array(dead, "<i4").tobytes())


def catalogue(*digests: str, offset: int = 7, as_of_s: float = 1_000.0) -> Catalogue:
    return Catalogue({0: offset}, as_of_s, tuple(entry(digest) for digest in digests), "one", "this log")
