"""Embeddings, attributes and exemplars."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from fovea.kernel.v1 import embedding_pb2, exemplar_pb2
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.validation import checked_text
from services.kernel.vocabulary import (
    AttributeValue,
    Embedding,
    EncodedExemplar,
    Exemplar,
    ExemplarKind,
    RegionEmbeddings,
)
from services.runtime.codec.region import read_image, read_region, write_image, write_region

_FLOAT_BYTES = 4
_LENGTH_TOLERANCE = 1e-3
_KINDS = {
    ExemplarKind.IMAGE: exemplar_pb2.EXEMPLAR_KIND_IMAGE,
    ExemplarKind.NAME: exemplar_pb2.EXEMPLAR_KIND_NAME,
    ExemplarKind.ATTRIBUTE: exemplar_pb2.EXEMPLAR_KIND_ATTRIBUTE,
}
_KINDS_READ = {message: value for value, message in _KINDS.items()}


def read_embedding(message: embedding_pb2.Embedding, *, field: str) -> Embedding:
    """Read an embedding: whole 32-bit floats, finite, of unit length."""
    if not message.vector or len(message.vector) % _FLOAT_BYTES:
        raise InvalidInput(
            f"{field}.vector has {len(message.vector)} bytes, not a positive multiple of {_FLOAT_BYTES}",
            field=f"{field}.vector",
            reason="EMBEDDING_INVALID",
        )
    vector = np.frombuffer(message.vector, dtype="<f4")
    with np.errstate(over="ignore", invalid="ignore"):  # such a length is refused below
        length = float(np.sqrt(np.dot(vector, vector)))
    if not abs(length - 1) <= _LENGTH_TOLERANCE:  # a NaN fails every comparison
        raise InvalidInput(
            f"{field}.vector has length {length}, not 1: normalise it, and look for NaN or infinity",
            field=f"{field}.vector",
            reason="EMBEDDING_INVALID",
        )
    return Embedding(vector, encoder=message.encoder, space=message.space)


def write_embedding(embedding: Embedding) -> embedding_pb2.Embedding:
    """Write an embedding."""
    return embedding_pb2.Embedding(
        vector=embedding.vector.astype("<f4", copy=False).tobytes(),
        encoder=embedding.encoder,
        space=embedding.space,
    )


def read_region_embeddings(message: embedding_pb2.RegionEmbeddings, *, field: str) -> RegionEmbeddings:
    """Read the embeddings of one region."""
    return RegionEmbeddings(
        message.region_id,
        tuple(
            read_embedding(embedding, field=f"{field}.embeddings[{i}]")
            for i, embedding in enumerate(message.embeddings)
        ),
    )


def write_region_embeddings(region: RegionEmbeddings) -> embedding_pb2.RegionEmbeddings:
    """Write the embeddings of one region."""
    return embedding_pb2.RegionEmbeddings(
        region_id=region.region_id, embeddings=map(write_embedding, region.embeddings)
    )


def read_value(message: exemplar_pb2.AttributeValue, *, field: str) -> AttributeValue:
    """Read the value of one attribute."""
    kind = message.WhichOneof("kind")
    if kind == "text":
        return checked_text(message.text, field=field, most=LIMITS.text_characters)
    if kind == "flag":
        return message.flag
    if kind == "number" and math.isfinite(message.number):
        return message.number
    raise InvalidInput(
        f"{field} must be a text, a finite number or a flag", field=field, reason="ATTRIBUTE_INVALID"
    )


def write_value(value: AttributeValue) -> exemplar_pb2.AttributeValue:
    """Write the value of one attribute."""
    if isinstance(value, bool):
        return exemplar_pb2.AttributeValue(flag=value)
    if isinstance(value, str):
        return exemplar_pb2.AttributeValue(text=value)
    return exemplar_pb2.AttributeValue(number=value)


def read_attributes(
    messages: Mapping[str, exemplar_pb2.AttributeValue], *, field: str
) -> dict[str, AttributeValue]:
    """Read the attributes of one exemplar."""
    if len(messages) > LIMITS.attributes_per_exemplar:
        raise InvalidInput(
            f"{field} has {len(messages)} entries, at most {LIMITS.attributes_per_exemplar} are allowed",
            field=field,
            reason="TOO_MANY_ATTRIBUTES",
        )
    return {
        checked_text(name, field=field, most=LIMITS.label_characters): read_value(
            value, field=f"{field}[{name}]"
        )
        for name, value in messages.items()
    }


def read_exemplar(message: exemplar_pb2.Exemplar, *, field: str) -> Exemplar:
    """Read an exemplar without its embeddings."""
    return Exemplar(
        exemplar_id=message.exemplar_id,
        label=checked_text(message.label, field=f"{field}.label", most=LIMITS.label_characters),
        kind=_KINDS_READ.get(message.kind, ExemplarKind.IMAGE),
        attributes=read_attributes(message.attributes, field=f"{field}.attributes"),
        image=read_image(message.image) if message.HasField("image") else None,
        region=read_region(message.region, field=f"{field}.region") if message.HasField("region") else None,
        text=message.text,
    )


def write_exemplar(exemplar: Exemplar) -> exemplar_pb2.Exemplar:
    """Write an exemplar without its embeddings."""
    return exemplar_pb2.Exemplar(
        exemplar_id=exemplar.exemplar_id,
        label=exemplar.label,
        kind=_KINDS[exemplar.kind],
        attributes={name: write_value(value) for name, value in exemplar.attributes.items()},
        image=None if exemplar.image is None else write_image(exemplar.image),
        region=None if exemplar.region is None else write_region(exemplar.region),
        text=exemplar.text,
    )


def read_encoded_exemplar(message: exemplar_pb2.EncodedExemplar, *, field: str) -> EncodedExemplar:
    """Read an exemplar with its embeddings."""
    return EncodedExemplar(
        read_exemplar(message.exemplar, field=f"{field}.exemplar"),
        tuple(
            read_embedding(embedding, field=f"{field}.embeddings[{i}]")
            for i, embedding in enumerate(message.embeddings)
        ),
    )


def write_encoded_exemplar(encoded: EncodedExemplar) -> exemplar_pb2.EncodedExemplar:
    """Write an exemplar with its embeddings."""
    return exemplar_pb2.EncodedExemplar(
        exemplar=write_exemplar(encoded.exemplar), embeddings=map(write_embedding, encoded.embeddings)
    )


def read_kind(kind: exemplar_pb2.ExemplarKind.ValueType) -> ExemplarKind:
    """Read the kind of an exemplar."""
    return _KINDS_READ.get(kind, ExemplarKind.IMAGE)


def write_kind(kind: ExemplarKind) -> exemplar_pb2.ExemplarKind.ValueType:
    """Write the kind of an exemplar."""
    return _KINDS[kind]
