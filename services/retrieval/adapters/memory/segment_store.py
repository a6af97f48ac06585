"""Segments in the object store: what is read back is what was written, or is not used.

<prefix>/segments/<digest>/manifest.json             stored last: what files there are, with their digests
<prefix>/segments/<digest>/columns.bin.00000         a part of a file
<prefix>/indexes/<digest>/<sha256>/index-0.x.00000   a part of an index beside it, which may be replaced
<prefix>/damaged/<digest>                            somebody found it damaged; whoever has it stores it again

A segment's name is the digest of its manifest, which has those of its files.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from services.kernel.errors import Corrupt, NotFound, Unavailable
from services.retrieval.adapters.memory.catalogue import flush_folder, write_file
from services.retrieval.adapters.memory.manifest import FILE, FileDigest, Manifest
from services.runtime.object_store.ports import ObjectEntry, ObjectStore

PART_BYTES: Final = 8 << 20
"""Files are stored in parts that fit in memory, and through a slow line within the time of one call.

It belongs to the layout: a release with another size would not find the parts."""
INCOMING: Final = ".incoming-"
"""What the name of a folder begins with that is being fetched."""
_BEING_WRITTEN: Final = ".new"
_TRIES: Final = 2  # of reading a file: damage on the way is not damage in the store
_LOG = logging.getLogger(__name__)


class SegmentStore:
    """Stores and fetches segments, for any number of replicas at once.

    Args:
        store: Where.
        prefix: What its keys begin with.
        part_bytes: Size of a part.
    """

    def __init__(self, store: ObjectStore, *, prefix: str, part_bytes: int = PART_BYTES) -> None:
        self._store = store
        self._prefix = prefix
        self._part_bytes = part_bytes
        self._known: dict[Path, tuple[tuple[int, int, int], str]] = {}  # digests of index files

    def upload(self, folder: Path) -> None:
        """Store what is missing of a segment and its indexes, the manifest last.

        The manifest is stored in any case: its new time tells those who collect that the segment is in use.

        Raises:
            Corrupt: A file is not what its digest says; it is not stored.
            NotFound: There is no such segment on disk.
            Unavailable: The object store or the disk cannot be used.
        """
        digest = folder.name
        with _disk(f"store segment {digest}"):
            manifest = (folder / FILE).read_bytes()
            files = _files(manifest, digest)
            damaged = self._is_marked(digest)
            stored = {} if damaged else self._sizes(self._segment(digest))
            for name, file in files.items():
                parts = self._parts(self._segment(digest) + name, file.size_bytes)
                if any(stored.get(key) != size for key, size in parts):
                    _check(folder / name, file)
                    self._upload_parts(folder / name, parts)
            self._upload_indexes(folder, files)
        self._store.put(self._segment(digest) + FILE, manifest)
        if damaged:
            self._store.delete(self._mark(digest))

    def fetch(self, digest: str, folder: Path) -> None:
        """Bring a segment into a folder, checked, whole or not at all, in place of what has its name there.

        Raises:
            Corrupt: What is stored is not what the digest says; it is marked, for its owner to store again.
            NotFound: It is not stored, or not all of it.
            Unavailable: The object store or the disk cannot be used.
        """
        if self._is_marked(digest):
            raise Corrupt(f"segment {digest} is marked as damaged", reason="SEGMENT_DAMAGED")
        aside, target = folder / f"{INCOMING}{digest}", folder / digest
        with _disk(f"fetch segment {digest}"):
            _remove(aside)
            try:
                aside.mkdir()
                self._download(digest, aside)
                flush_folder(aside)
                _remove(target)
                aside.rename(target)
            except Corrupt:
                self._store.put(self._mark(digest), b"")
                raise
            finally:
                shutil.rmtree(aside, ignore_errors=True)
            flush_folder(folder)

    def collect(self, named: Collection[str], before_s: float) -> int:
        """Delete segments that are not named and were last stored before then; return how many went.

        The time is by the object store's clock. Raises Unavailable.
        """
        gone = 0
        for digest in sorted(self._digests().difference(named)):
            entries = self._objects(digest)  # looked at only now: it may be in use again
            if max((entry.modified_s for entry in entries), default=0.0) < before_s:
                self._store.delete(self._segment(digest) + FILE)  # first: half a segment is none
                for entry in entries:
                    self._store.delete(entry.key)
                gone += 1
        return gone

    def _upload_indexes(self, folder: Path, files: Mapping[str, FileDigest]) -> None:
        prefix = self._indexes(folder.name)
        stored = self._sizes(prefix)
        current: set[str] = set()
        for path in sorted(folder.iterdir()):
            if path.name in files or path.name == FILE or path.suffix == _BEING_WRITTEN:
                continue
            key = f"{prefix}{self._digest_of(path)}/{path.name}"
            parts = self._parts(key, path.stat().st_size)
            if any(stored.get(key) != size for key, size in parts):
                self._upload_parts(path, parts)
            current |= {key for key, _ in parts}
        for key in stored.keys() - current:
            self._store.delete(key)

    def _upload_parts(self, path: Path, parts: Sequence[tuple[str, int]]) -> None:
        with path.open("rb") as file:
            for key, size in parts:
                self._store.put(key, file.read(size))

    def _digest_of(self, path: Path) -> str:
        """Return a file's digest; what was not replaced since is not read again."""
        state = path.stat()
        seen = (state.st_ino, state.st_mtime_ns, state.st_size)
        if path not in self._known or self._known[path][0] != seen:
            self._known[path] = (seen, _sha256(path))
        return self._known[path][1]

    def _download(self, digest: str, target: Path) -> None:
        manifest = self._store.get(self._segment(digest) + FILE)
        for name, file in _files(manifest, digest).items():
            keys = [key for key, _ in self._parts(self._segment(digest) + name, file.size_bytes)]
            if not any(self._download_file(keys, target / name, file.sha256) for _ in range(_TRIES)):
                raise Corrupt(f"{name} of segment {digest} is damaged", reason="DIGEST_MISMATCH")
        self._download_indexes(digest, target)
        write_file(target / FILE, manifest)

    def _download_indexes(self, digest: str, target: Path) -> None:
        """Fetch the indexes; one that is damaged, or replaced meanwhile, is left out and built anew."""
        found: dict[tuple[str, str], list[str]] = {}
        for entry in self._store.list(self._indexes(digest)):
            sha256, part = entry.key.split("/")[-2:]
            found.setdefault((sha256, part.rpartition(".")[0]), []).append(entry.key)
        for (sha256, name), keys in found.items():
            try:
                whole = self._download_file(keys, target / name, sha256)
            except NotFound:
                whole = False
            if not whole:
                _LOG.warning("%s of segment %s is damaged and will be built anew", name, digest)
                (target / name).unlink(missing_ok=True)

    def _download_file(self, keys: Sequence[str], path: Path, sha256: str) -> bool:
        """Write a file from its parts, and say whether it is what its digest says."""
        found = hashlib.sha256()
        with path.open("wb") as file:
            for key in keys:
                data = self._store.get(key)
                found.update(data)
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return found.hexdigest() == sha256

    def _parts(self, key: str, size: int) -> list[tuple[str, int]]:
        """Return key and size of each part of a file."""
        step = self._part_bytes
        starts = range(0, max(size, 1), step)
        return [(f"{key}.{number:05d}", min(step, size - start)) for number, start in enumerate(starts)]

    def _sizes(self, prefix: str) -> dict[str, int]:
        return {entry.key: entry.size_bytes for entry in self._store.list(prefix)}

    def _digests(self) -> set[str]:
        """Return the segments of which there is anything."""
        prefixes = [f"{self._prefix}/{kind}/" for kind in ("segments", "indexes", "damaged")]
        return {
            entry.key.removeprefix(prefix).partition("/")[0]
            for prefix in prefixes
            for entry in self._store.list(prefix)
        }

    def _objects(self, digest: str) -> list[ObjectEntry]:
        prefixes = (self._segment(digest), self._indexes(digest), self._mark(digest))
        return [entry for prefix in prefixes for entry in self._store.list(prefix)]

    def _is_marked(self, digest: str) -> bool:
        return self._mark(digest) in self._sizes(self._mark(digest))

    def _segment(self, digest: str) -> str:
        return f"{self._prefix}/segments/{digest}/"

    def _indexes(self, digest: str) -> str:
        return f"{self._prefix}/indexes/{digest}/"

    def _mark(self, digest: str) -> str:
        return f"{self._prefix}/damaged/{digest}"


def _files(manifest: bytes, digest: str) -> Mapping[str, FileDigest]:
    """Return what files a segment has. Raises Corrupt if the manifest is not the one of that digest."""
    if hashlib.sha256(manifest).hexdigest() != digest:
        raise Corrupt(f"the manifest of segment {digest} is damaged", reason="DIGEST_MISMATCH")
    return Manifest.decode(manifest).files


def _check(path: Path, file: FileDigest) -> None:
    """Raise Corrupt unless a file on disk is what the manifest says: damage must not be stored as well."""
    if _sha256(path) != file.sha256:
        raise Corrupt(f"{path} is damaged", reason="DIGEST_MISMATCH")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


@contextmanager
def _disk(action: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"cannot {action}: {error}") from error
    except OSError as error:
        raise Unavailable(f"cannot {action}: {error}") from error
