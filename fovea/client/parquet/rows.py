"""The cells of one row to an exemplar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fovea.client.errors import InvalidInput
from fovea.client.parquet.layout import Source
from fovea.kernel.v1 import embedding_pb2, exemplar_pb2, image_pb2, region_pb2

Cells = Mapping[str, Any]
_NAME_SPACE: Final = "name"


def read_row(
    number: int, cells: Cells, vectors: Mapping[str, bytes | str], sources: Mapping[str, Source]
) -> exemplar_pb2.EncodedExemplar:
    """Return the exemplar of one row. Raises InvalidInput, naming row and column."""
    exemplar = exemplar_pb2.Exemplar(kind=_default_kind(vectors, sources))
    for column, read in _READERS.items():
        cell = cells.get(column)
        try:
            read(exemplar, cell)
        except (TypeError, ValueError) as error:  # protobuf's, of a number out of range
            raise _wrong(number, column, str(error)) from error
    if exemplar.kind == exemplar_pb2.EXEMPLAR_KIND_NAME and not exemplar.text:
        exemplar.text = exemplar.label
    if not vectors:
        raise _wrong(number, ", ".join(sources), "no vector is there")
    encoded = exemplar_pb2.EncodedExemplar(exemplar=exemplar)
    for column, vector in vectors.items():
        if isinstance(vector, str):
            raise _wrong(number, column, vector)
        source = sources[column]
        encoded.embeddings.append(
            embedding_pb2.Embedding(vector=vector, space=source.space, encoder=source.encoder)
        )
    return encoded


def _default_kind(
    vectors: Mapping[str, object], sources: Mapping[str, Source]
) -> exemplar_pb2.ExemplarKind.ValueType:
    """Return what an exemplar is of which only the vectors are known."""
    if vectors and all(sources[column].space == _NAME_SPACE for column in vectors):
        return exemplar_pb2.EXEMPLAR_KIND_NAME
    return exemplar_pb2.EXEMPLAR_KIND_IMAGE


def _id(exemplar: exemplar_pb2.Exemplar, cell: Any) -> None:
    exemplar.exemplar_id = cell or ""  # without: derived by the server


def _label(exemplar: exemplar_pb2.Exemplar, cell: Any) -> None:
    if not cell:
        raise ValueError("is missing")
    exemplar.label = cell


def _kind(exemplar: exemplar_pb2.Exemplar, cell: Any) -> None:
    if cell is not None:
        exemplar.kind = _named(exemplar_pb2.ExemplarKind, "EXEMPLAR_KIND_", cell)


def _text(exemplar: exemplar_pb2.Exemplar, cell: Any) -> None:
    exemplar.text = cell or ""


def _attributes(exemplar: exemplar_pb2.Exemplar, cell: Any) -> None:
    for name, value in cell or ():
        told = {kind: each for kind, each in (value or {}).items() if each is not None}
        if len(told) != 1:
            raise ValueError(f"attribute {name!r} must have one of text, number and flag")
        exemplar.attributes[name].CopyFrom(exemplar_pb2.AttributeValue(**told))


def _image(exemplar: exemplar_pb2.Exemplar, cell: Any) -> None:
    if cell is not None:
        exemplar.image.CopyFrom(_filled(image_pb2.ImageReference, cell))


def _region(exemplar: exemplar_pb2.Exemplar, cell: Any) -> None:
    if cell is None:
        return
    edges = {edge: cell.get(edge) for edge in ("left", "top", "right", "bottom")}
    for edge, where in edges.items():
        if where is None:
            raise ValueError(f"{edge} is missing")
    origin = cell.get("origin") or "caller"
    exemplar.region.CopyFrom(
        region_pb2.Region(
            region_id=cell.get("region_id") or "0",
            box=region_pb2.Box(**edges),
            origin=_named(region_pb2.RegionOrigin, "REGION_ORIGIN_", origin),
        )
    )
    if cell.get("mask") is not None:
        exemplar.region.mask.CopyFrom(_filled(region_pb2.Mask, cell["mask"]))


_READERS: Final[Mapping[str, Callable[[exemplar_pb2.Exemplar, Any], None]]] = {
    "exemplar_id": _id,
    "label": _label,
    "kind": _kind,
    "text": _text,
    "attributes": _attributes,
    "image": _image,
    "region": _region,
}


def _named(enum: Any, prefix: str, name: str) -> Any:
    """Return the value of an enum by the name that people see."""
    try:
        return enum.Value(prefix + name.upper())
    except ValueError:
        known = ", ".join(each.removeprefix(prefix).lower() for each in enum.keys()[1:])
        raise ValueError(f"is {name[:40]!r}, not one of {known}") from None


def _filled(message: Any, cell: Cells) -> Any:
    """Return a message with the fields that are there; a struct may have others, for its owner."""
    known = message.DESCRIPTOR.fields_by_name
    return message(**{name: value for name, value in cell.items() if value is not None and name in known})


def _wrong(number: int, column: str, problem: str) -> InvalidInput:
    return InvalidInput(f"row {number}, column {column}: {problem}", reason="ROW_INVALID", field=column)
