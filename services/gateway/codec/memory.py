"""Lessons, listings and changes of the memory."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fovea.gateway.v1 import events_pb2
from fovea.gateway.v1 import memory_pb2 as pb
from fovea.retrieval.v1 import retrieval_pb2
from services.gateway.codec.recognition import read_optional_id
from services.gateway.domain.teaching import (
    Change,
    ExemplarPage,
    ExemplarQuery,
    Feedback,
    LabelCounts,
    Lesson,
)
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.validation import checked_id, checked_text
from services.kernel.vocabulary import CollectionKey, EncodedExemplar, ExemplarKind, ImageReference
from services.runtime.codec.candidates import read_filter, write_condition
from services.runtime.codec.exemplar import (
    read_attributes,
    read_encoded_exemplar,
    read_exemplar,
    write_encoded_exemplar,
    write_exemplar,
)
from services.runtime.codec.recognition import read_collection, write_collection
from services.runtime.codec.region import read_shape

_DIGEST = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"(image/[a-z0-9.+-]{1,64})?")
_TEXTS = {"name": ExemplarKind.NAME, "attribute": ExemplarKind.ATTRIBUTE}


def read_lesson(message: pb.RememberRequest) -> Lesson:
    """Read one exemplar that a caller teaches. Raises InvalidInput, naming the field."""
    content = message.WhichOneof("content")
    if content is None:
        raise InvalidInput("send an image, a name or an attribute", field="content", reason="CONTENT_MISSING")
    label = read_label(message.label)
    return Lesson(
        collection=read_collection(message.collection),
        label=label,
        kind=_TEXTS.get(content, ExemplarKind.IMAGE),
        image=message.image if content == "image" else b"",
        text=_read_text(message, content, label) if content in _TEXTS else "",
        exemplar_id=read_optional_id(message.exemplar_id, field="exemplar_id"),
        shape=read_shape(message.shape, field="shape") if message.HasField("shape") else None,
        attributes=read_attributes(message.attributes, field="attributes"),
    )


def _read_text(message: pb.RememberRequest, content: str, label: str) -> str:
    text = message.name if content == "name" else message.attribute
    if content == "name" and not text.strip():
        return label
    return checked_text(text, field=content, most=LIMITS.text_characters)


def read_import(message: pb.ImportExemplarsRequest) -> tuple[CollectionKey, EncodedExemplar]:
    """Read one exemplar that comes with its embeddings. Raises InvalidInput, naming the field."""
    encoded = read_encoded_exemplar(message.exemplar, field="exemplar")
    read_optional_id(encoded.exemplar.exemplar_id, field="exemplar.exemplar.exemplar_id")
    if encoded.exemplar.text or encoded.exemplar.kind is not ExemplarKind.IMAGE:
        checked_text(encoded.exemplar.text, field="exemplar.exemplar.text", most=LIMITS.text_characters)
    if encoded.exemplar.image is not None:
        _require_named(encoded.exemplar.image)
    return read_collection(message.collection), encoded


def _require_named(image: ImageReference) -> None:
    """Raise InvalidInput unless the image is named by a digest and described as images are."""
    if not _DIGEST.fullmatch(image.digest):
        raise InvalidInput(
            "an image's digest must be a SHA-256 of 64 lower-case hexadecimal digits",
            field="exemplar.exemplar.image.digest",
            reason="DIGEST_INVALID",
        )
    if not _MEDIA_TYPE.fullmatch(image.media_type):
        raise InvalidInput(
            f"an image's media type must be such as image/jpeg, not {image.media_type[:40]!r}",
            field="exemplar.exemplar.image.media_type",
            reason="MEDIA_TYPE_INVALID",
        )


def read_label(label: str) -> str:
    """Read a label. Raises InvalidInput for one that is empty, too long or not printable."""
    return checked_text(label, field="label", most=LIMITS.label_characters)


def read_exemplar_ids(ids: Sequence[str]) -> tuple[str, ...]:
    """Read the ids of exemplars to forget."""
    return tuple(checked_id(each, field=f"exemplar_ids[{i}]") for i, each in enumerate(ids))


def write_change(change: Change) -> events_pb2.ExemplarSubmitted:
    """Write what is to happen to one exemplar."""
    message = events_pb2.ExemplarSubmitted(
        collection=write_collection(change.collection),
        exemplar_id=change.exemplar_id,
        spaces=change.spaces,
        unless_changed_since=change.unless_changed_since,
    )
    if change.exemplar is None:
        message.forget = True
    elif change.embeddings:
        message.restore.CopyFrom(write_encoded_exemplar(EncodedExemplar(change.exemplar, change.embeddings)))
    else:
        message.remember.CopyFrom(write_exemplar(change.exemplar))
    return message


def write_feedback(feedback: Feedback) -> events_pb2.FeedbackGiven:
    """Write that a person gave the right label."""
    return events_pb2.FeedbackGiven(
        collection=write_collection(feedback.collection),
        recognition_id=feedback.recognition_id,
        region_id=feedback.region_id,
        answered_label=feedback.answered_label,
        right_label=feedback.right_label,
        exemplar_id=feedback.exemplar_id,
    )


def read_query(message: pb.ListExemplarsRequest) -> ExemplarQuery:
    """Read which exemplars to list; the page is for retrieval to check."""
    return ExemplarQuery(
        collection=read_collection(message.collection),
        label=message.label,
        page_size=message.page_size,
        page_token=message.page_token,
        min_memory_version=message.min_memory_version,
        filter=read_filter(message.filter, field="filter"),
    )


def write_query(query: ExemplarQuery) -> retrieval_pb2.ListExemplarsRequest:
    """Write which exemplars to list, for retrieval."""
    return retrieval_pb2.ListExemplarsRequest(
        collection=write_collection(query.collection),
        label=query.label,
        page_size=query.page_size,
        page_token=query.page_token,
        min_memory_version=query.min_memory_version,
        filter=map(write_condition, query.filter),
        exemplar_ids=query.exemplar_ids,
    )


def read_page(message: retrieval_pb2.ListExemplarsResponse) -> ExemplarPage:
    """Read one page from retrieval."""
    exemplars = tuple(
        read_exemplar(each, field=f"exemplars[{i}]") for i, each in enumerate(message.exemplars)
    )
    return ExemplarPage(exemplars, message.next_page_token, message.memory_version)


def write_page(page: ExemplarPage) -> pb.ListExemplarsResponse:
    """Write one page for the caller."""
    return pb.ListExemplarsResponse(
        exemplars=map(write_exemplar, page.exemplars),
        next_page_token=page.next_page_token,
        memory_version=page.memory_version,
    )


def read_labels(message: retrieval_pb2.ListLabelsResponse) -> LabelCounts:
    """Read the labels from retrieval."""
    return LabelCounts(tuple((each.label, each.exemplars) for each in message.labels), message.memory_version)


def write_labels(counts: LabelCounts) -> pb.ListLabelsResponse:
    """Write the labels for the caller."""
    return pb.ListLabelsResponse(
        labels=[pb.LabelCount(label=label, exemplars=count) for label, count in counts.labels],
        memory_version=counts.memory_version,
    )
