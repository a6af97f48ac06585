"""Exemplars out of a Parquet file that anybody may have written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from fovea.client.errors import FoveaError, InvalidInput
from fovea.client.memory import VectorColumn
from fovea.client.parquet.layout import FIELDS, VECTOR, Source, fits, leaves, read_about
from fovea.client.parquet.rows import Cells, read_row
from fovea.client.parquet.vectors import VectorReader
from fovea.kernel.v1 import exemplar_pb2

_ROWS: Final = 512
_BUFFER_BYTES: Final = 1 << 20
_MOST_VALUES: Final = (4_000_000, 256)
"""Entries of a plain column in one row group: so many, and so many more a row. A mask may have a million."""
_MOST_NUMBERS: Final = (4_000_000, 16_384)
"""The same for a column of vectors."""
_MOST_BYTES: Final = (256 << 20, 128 << 10)
"""Bytes of a column in one row group when it is not compressed, in the same way."""


_Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Row:
    """One row of a file: its exemplar, or what is wrong with it. The first is number 1."""

    number: int
    exemplar: exemplar_pb2.EncodedExemplar | None
    error: FoveaError | None
    columns: Sequence[str]
    """Whence its embeddings come, in order."""


class ExemplarFile:
    """A Parquet file of exemplars, read bit by bit: row groups may be of any size.

    Args:
        path: The file.
        vectors: Who made the vectors, if the file does not say so itself.

    Raises:
        OSError: There is no such file.
        InvalidInput: It is no Parquet file, or has other columns than it should; the message says which.
        Unsupported: A newer release wrote it.
    """

    def __init__(self, path: Path, vectors: VectorColumn | None = None) -> None:
        with path.open("rb"):  # says well why a file cannot be read
            self._path = path
        self._foreign = vectors is not None
        with self._readable("its end, which says what is in it"):
            self._file = pq.ParquetFile(
                path,
                read_dictionary=[leaf for field in FIELDS for leaf in leaves(field.name, field.type)],
                pre_buffer=False,
                buffer_size=_BUFFER_BYTES,
                page_checksum_verification=True,
            )
            self._schema = self._file.schema_arrow
        self._sources = self._whose(vectors)
        self._plain = [field.name for field in FIELDS if field.name in self._schema.names]
        self._require_columns()
        self._require_modest()

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self._file.metadata.num_rows)

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows in order. Raises InvalidInput where the file is damaged."""
        number = 0
        for plain, vectors in self._batches():
            for cells, found in zip(_by_row(plain), _by_row(vectors), strict=True):
                number += 1
                yield self._row(number, cells, found)

    def _row(self, number: int, cells: Cells, vectors: Mapping[str, bytes | str | None]) -> Row:
        there = {column: vector for column, vector in vectors.items() if vector is not None}
        try:
            exemplar = read_row(number, cells, there, self._sources)
        except FoveaError as error:
            return Row(number, None, error, tuple(there))
        return Row(number, exemplar, None, tuple(there))

    def _batches(self) -> Iterator[tuple[_Columns, _Columns]]:
        """Yield the plain columns and those of vectors, some rows at a time."""
        done = 0
        readers = {column: VectorReader(normalise=self._foreign) for column in self._sources}
        batches = self._file.iter_batches(_ROWS, columns=[*self._plain, *self._sources], use_threads=False)
        while True:
            with self._readable(f"what is behind row {done}"):
                batch = next(batches, None)
                if batch is None:
                    return
                batch.validate(full=True)
                plain = {column: batch.column(column).to_pylist() for column in self._plain}
                vectors = {column: reader(batch.column(column)) for column, reader in readers.items()}
            done += len(batch)
            yield plain, vectors

    @contextmanager
    def _readable(self, what: str) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, MemoryError, UnicodeError) as error:
            raise InvalidInput(
                f"{self._path}: {what} cannot be read, the file is damaged or no Parquet file ({error})",
                reason="PARQUET_DAMAGED",
            ) from error

    def _whose(self, vectors: VectorColumn | None) -> dict[str, Source]:
        """Return who made each column of vectors."""
        if vectors is not None:
            return {vectors.column: Source(vectors.space, vectors.encoder)}
        about = read_about(self._file.metadata.metadata)
        if about is None or not about.sources:
            raise InvalidInput(
                f"{self._path} does not say who made its vectors: name their space and encoder, such as "
                "--space visual --encoder NAME@DIGEST",
                reason="PARQUET_ENCODER_UNKNOWN",
            )
        return dict(about.sources)

    def _require_columns(self) -> None:
        wanted = {field.name: field.type for field in FIELDS if field.name in self._plain}
        wanted |= dict.fromkeys(["label"], pa.string()) | dict.fromkeys(self._sources, VECTOR)
        for name, type_ in wanted.items():
            count = self._schema.names.count(name)
            if count != 1:
                found = ", ".join(self._schema.names[:20])
                raise self._wrong(name, f"is there {count} times; the file has {found}", "COLUMN_MISSING")
            if not fits(self._schema.field(name).type, type_):
                raise self._wrong(
                    name, f"has type {self._schema.field(name).type}, not {type_}", "COLUMN_TYPE"
                )

    def _require_modest(self) -> None:
        """Raise InvalidInput for a small file that would become a large one in memory."""
        metadata = self._file.metadata
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            for place in range(group.num_columns):
                self._require_modest_chunk(group.column(place), group.num_rows)

    def _require_modest_chunk(self, chunk: Any, rows: int) -> None:
        column = chunk.path_in_schema.split(".")[0]
        if column not in {*self._plain, *self._sources}:
            return
        values = _MOST_NUMBERS if column in self._sources else _MOST_VALUES
        for found, (most, more), unit in (
            (chunk.num_values, values, "entries"),
            (chunk.total_uncompressed_size, _MOST_BYTES, "bytes"),
        ):
            if found > most + more * rows:
                raise self._wrong(column, f"has {found:,} {unit} in {rows:,} rows", "COLUMN_TOO_LARGE")

    def _wrong(self, column: str, problem: str, reason: str) -> InvalidInput:
        return InvalidInput(f"{self._path}: column {column} {problem}", reason=reason, field=column)


def _by_row(columns: _Columns) -> Iterator[Cells]:
    for cells in zip(*columns.values(), strict=True):
        yield dict(zip(columns, cells, strict=True))
