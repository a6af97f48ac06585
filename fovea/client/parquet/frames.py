"""What the process that reads a file tells the one that wants its rows.

A frame is the length of a header, the length of a serialised exemplar, the header in JSON, and the exemplar.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from fovea.client import errors
from fovea.client.errors import FoveaError
from fovea.kernel.v1 import exemplar_pb2

_LENGTHS: Final = struct.Struct("<II")


@dataclass(frozen=True)
class Row:
    """One row of a file: its exemplar, or what is wrong with it. The first is number 1.

    Attributes:
        number: Which.
        columns: Whence its embeddings come, in order.
        exemplar: None if it could not be read.
        error: Why not.
    """

    number: int
    columns: Sequence[str]
    exemplar: exemplar_pb2.EncodedExemplar | None = None
    error: FoveaError | None = None


def write_rows(out: BinaryIO, rows: int) -> None:
    """Say how many rows there are."""
    _write(out, {"rows": rows})


def write_row(out: BinaryIO, row: Row) -> None:
    """Hand a row over."""
    raw = row.exemplar.SerializeToString() if row.exemplar else b""
    _write(out, {"number": row.number, "columns": row.columns, "error": _told(row.error)}, raw)


def write_error(out: BinaryIO, error: FoveaError) -> None:
    """Say why there is nothing more."""
    _write(out, {"error": _told(error)})


def write_end(out: BinaryIO) -> None:
    """Say that this was all."""
    _write(out, {"end": True})


def read_frames(source: BinaryIO) -> Iterator[int | Row]:
    """Yield the number of rows, then each row. Raises what was wrong, and EOFError if the end is missing."""
    while True:
        header_size, size = _LENGTHS.unpack(_read(source, _LENGTHS.size))
        header = json.loads(_read(source, header_size))
        raw = _read(source, size)
        if "rows" in header:
            yield header["rows"]
        elif "number" in header:
            error = _error(header["error"])
            exemplar = None if error else exemplar_pb2.EncodedExemplar.FromString(raw)
            yield Row(header["number"], header["columns"], exemplar, error)
        elif "end" in header:
            return
        else:
            raise _error(header["error"]) or EOFError


def _write(out: BinaryIO, header: dict[str, Any], raw: bytes = b"") -> None:
    told = json.dumps(header).encode()
    out.write(_LENGTHS.pack(len(told), len(raw)) + told + raw)


def _read(source: BinaryIO, size: int) -> bytes:
    raw = source.read(size)
    if len(raw) < size:
        raise EOFError
    return raw


def _told(error: FoveaError | None) -> dict[str, str] | None:
    if error is None:
        return None
    named = {"kind": type(error).__name__, "reason": error.reason, "field": error.field}
    return named | {"message": error.message}


def _error(told: dict[str, str] | None) -> FoveaError | None:
    if told is None:
        return None
    kind: type[FoveaError] = getattr(errors, told["kind"])
    return kind(told["message"], reason=told["reason"], field=told["field"])
