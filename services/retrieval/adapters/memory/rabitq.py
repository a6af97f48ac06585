"""An index of one bit a coordinate over one table of a segment: RaBitQ codes in inverted lists, by faiss.

It only proposes: what it finds likely near is compared with the stored vectors. How many lists are probed
and how many rows compared is found out when it is built, for a recall that holds on this very data.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
from jaxtyping import Float32, Int32, Int64

from services.kernel.errors import Corrupt, Unavailable
from services.retrieval.adapters.memory.block import TableView
from services.retrieval.adapters.memory.effort import MOSTS, Effort, Shape, chosen, neighbours
from services.retrieval.adapters.memory.files import sync_folder
from services.retrieval.adapters.memory.parameters import IndexParameters
from services.retrieval.adapters.memory.rotation import Rotation
from services.retrieval.adapters.memory.table_index import Allowed

KIND: Final = "rabitq"
FORMAT: Final = 1
_ROWS_AT_A_TIME: Final = 8192
_THREAD: Final = threading.local()
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Note:
    """What is written beside an index, after it: with this it is whole."""

    rows: int
    dim: int
    lists: int
    held_out: int
    size_bytes: int
    efforts: tuple[Effort, ...]

    def write(self, path: Path) -> None:
        content = {"format": FORMAT, **self.__dict__, "efforts": [list(each) for each in self.efforts]}
        aside = path.with_suffix(".new")
        with aside.open("w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
        sync_folder(path.parent)

    @classmethod
    def read(cls, path: Path) -> _Note | None:
        """Return the note; None if there is none, or it is another release's."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            content = json.loads(path.read_bytes())
            if content.pop("format") == FORMAT:
                efforts = tuple(Effort(*each) for each in content.pop("efforts"))
                return cls(efforts=efforts, **content)
        return None


def index_file(table: int) -> str:
    """Return the name of the file with the index over a table."""
    return f"index-{table}-{KIND}.faiss"


def _note_file(table: int) -> str:
    return f"index-{table}-{KIND}.json"


def open_index(
    folder: Path, number: int, table: TableView, parameters: IndexParameters
) -> RabitqIndex | None:
    """Return the index over a table if it is there and whole."""
    note = _Note.read(folder / _note_file(number))
    rows, dim = table.rows.shape
    if note is None or (note.rows, note.dim) != (rows, dim):
        return None
    path = folder / index_file(number)
    with suppress(OSError, RuntimeError):
        if path.stat().st_size == note.size_bytes:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
            return RabitqIndex(index, table, note, gathered_bytes=parameters.gathered_bytes)
    return None


def build_index(
    folder: Path, number: int, table: TableView, parameters: IndexParameters, *, go_on: Callable[[], bool]
) -> RabitqIndex | None:
    """Build the index over a table into the segment's folder and return it; None if told not to go on.

    Raises Unavailable if the disk does not take it, or the folder has gone.
    """
    work_alone()
    built = _Building(table, parameters, go_on).build()
    if built is None:
        return None
    index, note = built
    path = folder / index_file(number)
    try:
        aside = path.with_suffix(".new")
        faiss.write_index(index, str(aside))
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        (folder / _note_file(number)).unlink(missing_ok=True)
        aside.rename(path)
        note(path.stat().st_size).write(folder / _note_file(number))
    except (OSError, RuntimeError) as error:
        raise Unavailable(
            f"the index {path} cannot be written: {error}", reason="INDEX_NOT_WRITTEN"
        ) from error
    opened = open_index(folder, number, table, parameters)
    if opened is None:
        raise Corrupt(f"the index {path} cannot be read back")
    found = ", ".join(f"{effort.recall:.3f} at {effort.most}" for effort in opened.efforts)
    _LOG.info("indexed %d vectors; recall of vectors that were held out: %s", len(table.rows), found)
    return opened


class _Building:
    """One index on its way."""

    def __init__(self, table: TableView, parameters: IndexParameters, go_on: Callable[[], bool]) -> None:
        self._table = table
        self._parameters = parameters
        self._go_on = go_on
        rows, self._dim = table.rows.shape
        self._order = row_order(rows, parameters.held_out)
        self._held = self._order[rows - parameters.held_out :]
        self._lists = lists_of(rows, parameters.lists_per_root)
        self._rotation = Rotation(self._dim)

    def build(self) -> tuple[Any, Callable[[int], _Note]] | None:
        quantiser = faiss.IndexFlatIP(self._dim)
        index = faiss.IndexIVFRaBitQFastScan(quantiser, self._dim, self._lists, faiss.METRIC_INNER_PRODUCT)
        index.train(self._turned(self._sample()))
        seen = self._order[: len(self._order) - len(self._held)]
        if not self._added(index, seen):
            return None
        efforts = self._efforts(index, seen)
        if not self._added(index, self._held):
            return None
        rows = len(self._order)
        return index, lambda size: _Note(rows, self._dim, self._lists, len(self._held), size, efforts)

    def _sample(self) -> Int32[np.ndarray, "n"]:
        wanted = self._lists * self._parameters.training_rows_per_list
        step = max(1, len(self._order) // wanted)
        return np.arange(0, len(self._order), step, dtype=np.int32)[:wanted]

    def _turned(self, rows: Int32[np.ndarray, "n"]) -> Float32[np.ndarray, "n dim"]:
        return self._rotation(self._table.rows[rows])

    def _added(self, index: Any, rows: Int32[np.ndarray, "n"]) -> bool:
        for begin in range(0, len(rows), _ROWS_AT_A_TIME):
            if not self._go_on():
                return False
            index.add(self._turned(rows[begin : begin + _ROWS_AT_A_TIME]))
        return True

    def _efforts(self, index: Any, seen: Int32[np.ndarray, "n"]) -> tuple[Effort, ...]:
        """Find out how hard to try, with vectors that are not in the index yet."""
        queries = self._table.rows[self._held]
        turned = self._rotation(queries)
        truth = neighbours(queries, self._table.rows, seen.astype(np.int64), MOSTS[-1])
        shape = Shape(len(self._order), self._dim, self._lists)

        def search(lists: int, depth: int) -> Int64[np.ndarray, "query depth"]:
            found = index.search(turned, depth, params=faiss.SearchParametersIVF(nprobe=lists))
            return np.asarray(found[1], np.int64)

        return chosen(search, shape, truth, recall=self._parameters.recall)


class RabitqIndex:
    """An opened index; threads may share it. It is mapped, not read."""

    kind = KIND

    def __init__(self, index: Any, table: TableView, note: _Note, *, gathered_bytes: int) -> None:
        self._index = index
        self._table = table
        self._order = row_order(note.rows, note.held_out)
        self._lists = note.lists
        self._rotation = Rotation(note.dim)
        self.efforts = note.efforts
        self.gathered = gathered_bytes // (note.dim * table.rows.itemsize)

    def shortlist(
        self, vectors: Float32[np.ndarray, "query dim"], *, most: int, allowed: Allowed | None
    ) -> Int64[np.ndarray, "query depth"]:
        """Return rows likely to hold the `most` nearest to each query; -1 where there is none."""
        work_alone()
        effort = self._effort(most)
        parameters = faiss.SearchParametersIVF(nprobe=effort.lists)
        if allowed is not None:
            selector, share = self._selector(allowed)
            wider = min(self._lists, int(np.ceil(effort.lists / np.sqrt(share))))
            parameters = faiss.SearchParametersIVF(nprobe=wider, sel=selector)
        turned = self._rotation(vectors)
        found = np.empty((len(vectors), effort.depth), np.int64)
        estimates = np.empty((len(vectors), effort.depth), np.float32)
        swig = faiss.swig_ptr
        self._index.search_c(
            len(turned), swig(turned), effort.depth, swig(estimates), swig(found), parameters
        )
        return np.where(found >= 0, self._order[found], -1).astype(np.int64, copy=False)

    def _effort(self, most: int) -> Effort:
        """Return the effort for so many neighbours: beyond what was tried, in proportion."""
        for effort in self.efforts:
            if most <= effort.most:
                return effort
        last, times = self.efforts[-1], most / self.efforts[-1].most
        depth = min(int(last.depth * times), len(self._order))
        return Effort(most, min(self._lists, int(np.ceil(last.lists * times))), depth, last.recall)

    def _selector(self, allowed: Allowed) -> tuple[Any, float]:
        """Return the allowed rows as faiss wants them, and what share of all they are; made once."""
        made = allowed.made.get(self)
        if made is None:
            bits = allowed.slots[self._table.slots][self._order]
            share = max(1, int(np.count_nonzero(bits))) / len(bits)
            made = faiss.IDSelectorBitmap(np.packbits(bits, bitorder="little")), share
            allowed.made[self] = made
        return made


def row_order(rows: int, held_out: int) -> Int32[np.ndarray, "row"]:
    """Return the rows in the order in which an index has them: those held out at first come last."""
    held = np.linspace(0, rows - 1, held_out).astype(np.int32)
    return np.concatenate([np.delete(np.arange(rows, dtype=np.int32), held), held])


def lists_of(rows: int, per_root: float) -> int:
    """Return how many lists an index has: a power of two."""
    return int(2 ** max(0, round(np.log2(per_root * np.sqrt(rows)))))


def work_alone() -> None:
    """Keep faiss from starting threads of its own in this thread: they spin, and searches have theirs."""
    if not getattr(_THREAD, "alone", False):
        faiss.omp_set_num_threads(1)
        _THREAD.alone = True
