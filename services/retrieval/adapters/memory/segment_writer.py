"""Writes exemplars, from the buffer or from other segments, as one new segment."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Int32, Int64, Shaped

from services.kernel.errors import Unavailable
from services.kernel.vocabulary import CollectionKey
from services.retrieval.adapters.memory import manifest as manifests
from services.retrieval.adapters.memory.block import TableKey
from services.retrieval.adapters.memory.columns import Ids
from services.retrieval.adapters.memory.files import DigestedFile, sync_folder
from services.retrieval.adapters.memory.manifest import FileDigest, Manifest, Section, TableSize
from services.retrieval.adapters.memory.segment import COLUMNS, DESCRIBED, EXEMPLARS, vectors_file
from services.retrieval.adapters.memory.sources import (
    Source,
    merged_attributes,
    merged_described,
    merged_labels,
)

_ALIGNMENT: Final = 64
_ROWS_AT_A_TIME: Final = 4096


def write_segment(folder: Path, collection: CollectionKey, sources: Sequence[Source]) -> Path:
    """Write what the sources keep as a segment in `folder`, durably and whole, and return its path.

    No two sources keep the same id, and together they keep something.

    Raises:
        Unavailable: The disk does not take it; nothing is left of the attempt.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
        try:
            manifest = _Writing(aside, collection, sources).write()
            sync_folder(aside)
            return _named(aside, folder / manifest.digest)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise Unavailable(
            f"a segment of {collection} cannot be written: {error}", reason="SEGMENT_NOT_WRITTEN"
        ) from error


def _named(aside: Path, path: Path) -> Path:
    """Give the segment its name; the same one may be there already, and then stays."""
    if not path.exists():
        aside.rename(path)
    sync_folder(path.parent)
    return path


@dataclass
class _Writing:
    """One segment on its way to disk."""

    folder: Path
    collection: CollectionKey
    sources: Sequence[Source]
    files: dict[str, FileDigest] = field(default_factory=dict)

    def write(self) -> Manifest:
        names = [name for source in self.sources for name in source.names]
        order = sorted(range(len(names)), key=names.__getitem__)
        slots = _new_slots(self.sources, np.array(order, np.int64))
        arrays: dict[str, Shaped[np.ndarray, "..."]] = {
            **Ids.of([names[place] for place in order]).arrays(),
            **merged_labels(self.sources, slots).arrays(),
            **merged_attributes(self.sources, slots).arrays(),
            DESCRIBED: merged_described(self.sources, slots),
            "exemplars.ends": self._write_exemplars(order),
        }
        tables = []
        for number, key in enumerate(dict.fromkeys(key for each in self.sources for key in each.tables)):
            taken = self._write_vectors(vectors_file(number), key, slots)
            arrays[f"tables.{number}.slots"] = taken
            tables.append(TableSize(*key, len(taken)))
        sections = self._write_columns(arrays)
        manifest = Manifest(self.collection, len(names), tuple(tables), sections, dict(self.files))
        self._put(manifests.FILE, [manifest.encode()])
        return manifest

    def _write_exemplars(self, order: Sequence[int]) -> Int64[np.ndarray, "slot"]:
        places = [(source, slot) for source in self.sources for slot in source.kept.tolist()]
        sizes = np.empty(len(order), np.int64)

        def pieces() -> Iterator[bytes]:
            for begin in range(0, len(order), _ROWS_AT_A_TIME):
                some = [places[place] for place in order[begin : begin + _ROWS_AT_A_TIME]]
                written = [source.record(slot) for source, slot in some]
                sizes[begin : begin + len(some)] = [len(each) for each in written]
                yield b"".join(written)

        self._put(EXEMPLARS, pieces())
        return np.cumsum(sizes)

    def _write_vectors(
        self, name: str, key: TableKey, slots: Sequence[Int32[np.ndarray, "_"]]
    ) -> Int32[np.ndarray, "row"]:
        tables = [source.tables[key] for source in self.sources if key in source.tables]
        new = [
            each[source.tables[key].slots]
            for source, each in zip(self.sources, slots, strict=True)
            if key in source.tables
        ]
        owner = np.repeat(np.arange(len(new)), [len(each) for each in new])
        row = np.concatenate([np.arange(len(each)) for each in new])
        all_new = np.concatenate(new)
        order = np.argsort(all_new, kind="stable")
        order = order[np.searchsorted(all_new[order], 0) :]  # the dead have no slot

        def pieces() -> Iterator[Shaped[np.ndarray, "..."]]:
            for begin in range(0, len(order), _ROWS_AT_A_TIME):
                some = order[begin : begin + _ROWS_AT_A_TIME]
                gathered = np.empty((len(some), key.dim), np.float32)
                for place, table in enumerate(tables):
                    mine = owner[some] == place
                    gathered[mine] = table.rows[row[some[mine]]]
                yield gathered

        self._put(name, pieces())
        return all_new[order].astype(np.int32)

    def _write_columns(self, arrays: Mapping[str, Shaped[np.ndarray, "..."]]) -> dict[str, Section]:
        sections: dict[str, Section] = {}

        def pieces() -> Iterator[bytes | Shaped[np.ndarray, "..."]]:
            offset = 0
            for name, array in arrays.items():
                sections[name] = Section(offset, array.dtype.str, len(array))
                padding = -array.nbytes % _ALIGNMENT
                yield array
                yield bytes(padding)
                offset += array.nbytes + padding

        self._put(COLUMNS, pieces())
        return sections

    def _put(self, name: str, pieces: Iterator[Any] | Sequence[bytes]) -> None:
        file = DigestedFile(self.folder / name)
        try:
            for piece in pieces:
                file.write(piece)
        except BaseException:
            file.abandon()
            raise
        self.files[name] = file.close()


def _new_slots(sources: Sequence[Source], order: Int64[np.ndarray, "n"]) -> list[Int32[np.ndarray, "_"]]:
    """Return for each source where its slots go; -1 for those that it does not keep."""
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    slots, begin = [], 0
    for source in sources:
        new = np.full(source.slots, -1, np.int32)
        new[source.kept] = place[begin : begin + len(source.kept)]
        slots.append(new)
        begin += len(source.kept)
    return slots
