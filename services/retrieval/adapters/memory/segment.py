"""One segment: a folder of files that never change, mapped into memory.

manifest.json     what is in it; the folder is named by its SHA-256
columns.bin       ids, labels and attributes as arrays
exemplars.bin     each exemplar without its vectors, in order of id
vectors-0.f32     the vectors of each table, in order of id
index-0-*         beside them, no part of the segment: indexes over a table, which may be replaced
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool, Int32, Shaped

from services.kernel.errors import Corrupt, Unavailable
from services.kernel.sharing import Lazy
from services.kernel.vocabulary import CollectionKey, Condition, Embedding, EncodedExemplar, Exemplar
from services.retrieval.adapters.memory import manifest as manifests
from services.retrieval.adapters.memory import records
from services.retrieval.adapters.memory.block import TableKey, TableView
from services.retrieval.adapters.memory.columns import Attributes, Ids, Labels
from services.retrieval.adapters.memory.files import digest_of, mapped
from services.retrieval.adapters.memory.manifest import Manifest
from services.retrieval.adapters.memory.remembering import remember
from services.retrieval.adapters.memory.table_index import TableIndex

COLUMNS: Final = "columns.bin"
DESCRIBED: Final = "exemplars.described"
"""The array of the slots of attribute exemplars; older releases wrote none."""
EXEMPLARS: Final = "exemplars.bin"
_INDEX_FILES: Final = "index-*"
_DECODED: Final = 4096  # exemplars, half a kilobyte each
_FILTERS: Final = 8  # masks, a byte a slot


def vectors_file(table: int) -> str:
    """Return the name of the file with the vectors of a table."""
    return f"vectors-{table}.f32"


class Segment:
    """An opened segment; threads may share it.

    Attributes:
        folder: Its path; the last part is its digest.
        manifest: What it says of itself.
        ids, labels, attributes: Of all its slots.
        tables: The vectors, and for each the slot of its exemplar, rising.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        arrays = _arrays(folder, manifest)
        self.ids = Ids.read(arrays)
        self.labels = Labels.read(arrays)
        self.attributes = Attributes.read(arrays)
        self._ends: memoryview = arrays["exemplars.ends"].data  # its items are quicker to get than an array's
        self._described_slots = arrays.get(DESCRIBED)
        self._records: memoryview = mapped(folder / EXEMPLARS).data
        self._holding: dict[tuple[Condition, ...], Bool[np.ndarray, "slot"]] = {}
        self._decoded: dict[int, Exemplar] = {}
        self._indexes: dict[TableKey, TableIndex] = {}
        self.tables: Mapping[TableKey, TableView] = {
            TableKey(table.space, table.encoder, table.dim): TableView(
                mapped(folder / vectors_file(number)).view(np.float32).reshape(table.rows, table.dim),
                arrays[f"tables.{number}.slots"],
            )
            for number, table in enumerate(manifest.tables)
        }

    @classmethod
    def open(cls, folder: Path, *, thorough: bool = False) -> Segment:
        """Open a segment whose manifest and file sizes agree; `thorough` reads all bytes and checks digests.

        Raises:
            Corrupt: It is not what its manifest says, or the manifest is not what the folder's name says.
            Unsupported: Another release wrote it.
            Unavailable: A file cannot be read.
        """
        try:
            data = (folder / manifests.FILE).read_bytes()
            if hashlib.sha256(data).hexdigest() != folder.name:
                raise Corrupt(f"the manifest of the segment {folder} is not the one it is named by")
            manifest = Manifest.decode(data)
            for name, expected in manifest.files.items():
                found = digest_of(folder / name) if thorough else None
                if (found or expected) != expected or (folder / name).stat().st_size != expected.size_bytes:
                    raise Corrupt(f"{folder / name} is not what the segment's manifest says")
            return cls(folder, manifest)
        except FileNotFoundError as error:
            raise Corrupt(f"the segment {folder} is not whole: {error}") from error
        except OSError as error:
            raise Unavailable(f"the segment {folder} cannot be read: {error}") from error

    @property
    def collection(self) -> CollectionKey:
        """Whose exemplars these are."""
        return self.manifest.collection

    @property
    def rows(self) -> int:
        """How many exemplars were written to it, now dead or not."""
        return self.manifest.rows

    def record(self, slot: int) -> bytes:
        """Return the stored form of an exemplar."""
        return bytes(self._records[self._ends[slot - 1] if slot else 0 : self._ends[slot]])

    def exemplar(self, slot: int) -> Exemplar:
        """Return the exemplar of a slot."""
        return self.exemplars([slot])[0]

    def exemplars(self, slots: Sequence[int]) -> list[Exemplar]:
        """Return the exemplars of some slots; some are remembered, for neighbours come again."""
        known = self._decoded
        if len(known) > _DECODED:
            known = self._decoded = {}
        found = []
        for slot in slots:
            exemplar = known.get(slot)
            if exemplar is None:
                exemplar = known[slot] = records.read(self.record(slot))
            found.append(exemplar)
        return found

    @Lazy
    def described_slots(self) -> Int32[np.ndarray, "n"]:
        """Slots, rising, of attribute exemplars. A segment of an older release is looked through once."""
        if self._described_slots is not None:
            return self._described_slots
        begins = list(records.attribute_exemplars(self._records))
        return np.searchsorted(self._ends, begins, side="right").astype(np.int32)

    @Lazy
    def described(self) -> Mapping[str, Sequence[int]]:
        """Slots of each label's attribute exemplars, in order of id; labels without any are not there."""
        slots = self.described_slots
        by_code: defaultdict[int, list[int]] = defaultdict(list)
        for slot, code in zip(slots.tolist(), self.labels.codes[slots].tolist(), strict=True):
            by_code[code].append(slot)
        return {self.labels.names[code]: each for code, each in by_code.items()}

    def holding(self, conditions: tuple[Condition, ...]) -> Bool[np.ndarray, "slot"]:
        """Return which slots fulfil all conditions; remembered, for filters come again and again."""
        known = self._holding.get(conditions)
        if known is None:
            each = [self.attributes.holding(condition, self.rows) for condition in conditions]
            known = np.logical_and.reduce(each) if each else np.ones(self.rows, np.bool_)
            remember(self._holding, conditions, known, most=_FILTERS)
        return known

    def index_of(self, table: TableKey) -> TableIndex | None:
        """Return the index over a table, if there is one by now."""
        return self._indexes.get(table)

    def use(self, table: TableKey, index: TableIndex) -> None:
        """Search a table through this index from now on; searches under way keep the one they have."""
        self._indexes[table] = index

    def encoded(self, slot: int) -> EncodedExemplar:
        """Return the exemplar of a slot with its embeddings, which share the mapped file."""
        embeddings = []
        for key, table in self.tables.items():
            row = int(np.searchsorted(table.slots, slot))
            if row < len(table.slots) and table.slots[row] == slot:
                embeddings.append(Embedding(table.rows[row], key.encoder, key.space))
        return EncodedExemplar(self.exemplar(slot), tuple(embeddings))

    def indexes(self) -> list[Path]:
        """Return the files of its indexes: worth keeping with it, since they take long to build."""
        return sorted(self.folder.glob(_INDEX_FILES))


def _arrays(folder: Path, manifest: Manifest) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Return the arrays of `columns.bin`, by name."""
    data = mapped(folder / COLUMNS)
    return {
        name: data[offset : offset + length * np.dtype(dtype).itemsize].view(dtype)
        for name, (offset, dtype, length) in manifest.sections.items()
    }
