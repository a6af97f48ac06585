"""Replicas over one store, whose objects have times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from services.kernel.errors import Unavailable
from services.retrieval.adapters.memory.snapshots import SnapshotStore
from services.runtime.object_store.ports import ObjectEntry
from tests.fakes.object_store import InMemoryStore
from tests.fakes.segments import write_segment

PART = 10
GRACE_S = 100.0
FILES = {"columns.bin": b"0123456789abcdef", "exemplars.bin": b"", "vectors-0.f32": b"x" * 30}


class TimedStore(InMemoryStore):
    """Has a clock that the test sets, and may break what is stored, or refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.times: dict[str, float] = {}
        self.puts: list[str] = []
        self.gets: list[str] = []
        self.on_get: Callable[[str, bytes], bytes] = lambda _, data: data
        self.puts_left = 1_000

    def put(self, key: str, data: bytes) -> None:
        self._count(key)
        super().put(key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._count(key)
        return super().put_if_absent(key, data)

    def get(self, key: str) -> bytes:
        self.gets.append(key)
        return self.on_get(key, super().get(key))

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        return (replace(each, modified_s=self.times[each.key]) for each in super().list(prefix))

    def stored(self, prefix: str = "") -> Sequence[str]:
        return [each.key for each in self.list(prefix)]

    def _count(self, key: str) -> None:
        self.puts_left -= 1
        if self.puts_left < 0:
            raise Unavailable("the object store is full")
        self.puts.append(key)
        self.times[key] = self.now_s


class Replica:
    """A folder of segments, with the store that all replicas share."""

    def __init__(self, folder: Path, store: TimedStore) -> None:
        self.folder = folder
        folder.mkdir()
        self.snapshots = SnapshotStore(store, part_bytes=PART)

    def segment(self, text: str, **indexes: bytes) -> str:
        digest = write_segment(self.folder, FILES | {"exemplars.bin": text.encode()})
        for name, data in indexes.items():
            (self.folder / digest / name).write_bytes(data)
        return digest

    def files(self, digest: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / digest).iterdir()}
