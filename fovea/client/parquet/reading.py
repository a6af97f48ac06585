"""Exemplars out of a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from fovea.client.errors import FoveaError, InvalidInput
from fovea.client.memory import VectorColumn
from fovea.client.parquet.frames import Row
from fovea.client.parquet.layout import FIELDS, VECTOR, Source, fits, read_about
from fovea.client.parquet.rows import Cells, read_row
from fovea.client.parquet.vectors import VectorReader

_ROWS: Final = 512
_BUFFER_BYTES: Final = 1 << 20
_Columns = Mapping[str, Sequence[Any]]


class FileReader:
    """A Parquet file of exemplars, read bit by bit: row groups may be of any size.

    Args:
        path: The file.
        vectors: Who made the vectors, if the file does not say so itself.

    Raises:
        InvalidInput: It is no Parquet file, or has other columns than it should; the message says which.
        Unsupported: A newer release wrote it.
    """

    def __init__(self, path: Path, vectors: VectorColumn | None = None) -> None:
        self._path = path
        self._foreign = vectors is not None
        with self._readable("its end, which says what is in it"):
            self._file = pq.ParquetFile(
                path,
                pre_buffer=False,
                buffer_size=_BUFFER_BYTES,
                page_checksum_verification=True,
            )
            self._schema = self._file.schema_arrow
            self._sources = self._whose(vectors)
            self._plain = [field.name for field in FIELDS if field.name in self._schema.names]
            self._require_columns()

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
            return Row(number, tuple(there), error=error)
        return Row(number, tuple(there), exemplar)

    def _batches(self) -> Iterator[tuple[_Columns, _Columns]]:
        """Yield the plain columns and those of vectors, some rows at a time."""
        done = 0
        readers = {column: VectorReader(normalise=self._foreign) for column in self._sources}
        batches = self._file.iter_batches(_ROWS, columns=[*self._plain, *self._sources], use_threads=False)
        while True:
            with self._readable(f"what is behind row {done}"):
                batch = next(batches, None)
                if batch is None and done != self.rows:
                    raise ValueError(f"its end promises {self.rows} rows")
                if batch is None:
                    return
                plain = {column: batch.column(column).to_pylist() for column in self._plain}
                vectors = {column: reader(batch.column(column)) for column, reader in readers.items()}
            done += len(batch)
            yield plain, vectors

    @contextmanager
    def _readable(self, what: str) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, LookupError, MemoryError, OSError, ValueError) as error:
            raise InvalidInput(
                f"{self._path}: {what} cannot be read, the file is damaged or no Parquet file ({error})",
                reason="PARQUET_DAMAGED",
            ) from error

    def _whose(self, vectors: VectorColumn | None) -> dict[str, Source]:
        """Return who made each column of vectors."""
        if vectors is not None:
            return {vectors.column: Source(vectors.space, vectors.encoder)}
        about = read_about(self._file.metadata.metadata)
        if about is None or (self.rows and not about.sources):
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

    def _wrong(self, column: str, problem: str, reason: str) -> InvalidInput:
        return InvalidInput(f"{self._path}: column {column} {problem}", reason=reason, field=column)


def _by_row(columns: _Columns) -> Iterator[Cells]:
    for cells in zip(*columns.values(), strict=True):
        yield dict(zip(columns, cells, strict=True))
