"""Exemplars as a segment keeps them: as messages, without their vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fovea.kernel.v1 import exemplar_pb2
from services.kernel.vocabulary import AttributeValue, Exemplar, ExemplarKind
from services.runtime.codec.exemplar import write_exemplar
from services.runtime.codec.region import read_image, read_region

_KINDS: Final[Mapping[int, ExemplarKind]] = {
    exemplar_pb2.EXEMPLAR_KIND_IMAGE: ExemplarKind.IMAGE,
    exemplar_pb2.EXEMPLAR_KIND_NAME: ExemplarKind.NAME,
    exemplar_pb2.EXEMPLAR_KIND_ATTRIBUTE: ExemplarKind.ATTRIBUTE,
}


def write(exemplar: Exemplar) -> bytes:
    """Return the record of an exemplar; equal exemplars have equal records."""
    return write_exemplar(exemplar).SerializeToString(deterministic=True)


def read(record: bytes) -> Exemplar:
    """Return the exemplar of a record. It was checked before it was written, and every hit is read."""
    message = exemplar_pb2.Exemplar.FromString(record)
    return Exemplar(
        message.exemplar_id,
        message.label,
        _KINDS[message.kind],
        {name: _value(value) for name, value in message.attributes.items()},
        read_image(message.image) if message.HasField("image") else None,
        read_region(message.region, field="region") if message.HasField("region") else None,
        message.text,
    )


def _value(message: exemplar_pb2.AttributeValue) -> AttributeValue:
    value: AttributeValue = getattr(message, message.WhichOneof("kind") or "number")
    return value
