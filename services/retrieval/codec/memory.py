"""Questions, listings and records of the memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fovea.encoding.v1 import events_pb2 as encoding_events
from fovea.kernel.v1 import embedding_pb2
from fovea.retrieval.v1 import events_pb2 as events
from fovea.retrieval.v1 import retrieval_pb2 as pb
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.vocabulary import (
    CollectionKey,
    EncodedExemplar,
    Envelope,
    RecognitionOptions,
    RegionEmbeddings,
)
from services.retrieval.usecases import LabelCounts, Listing, Page, Recalled
from services.runtime.codec import candidates, exemplar, recognition


@dataclass(frozen=True)
class Question:
    """What is to be recalled."""

    collection: CollectionKey
    regions: tuple[RegionEmbeddings, ...]
    options: RecognitionOptions


def read_recall(message: pb.RecallRequest) -> Question:
    """Read the question of the waiting door. Raises InvalidInput."""
    return Question(
        recognition.read_collection(message.collection),
        _read_regions(message.regions, field="regions"),
        recognition.read_options(message.options),
    )


def write_recalled(recalled: Recalled) -> pb.RecallResponse:
    """Write the answer of the waiting door."""
    return pb.RecallResponse(
        regions=map(candidates.write_candidates, recalled.candidates),
        stage=recognition.write_stage(recalled.stage),
    )


def read_event(message: encoding_events.RegionsEncoded) -> tuple[Envelope, Question]:
    """Read the question of the streaming door. Raises InvalidInput."""
    envelope = recognition.read_envelope(message.envelope)
    regions = _read_regions(message.embeddings, field="embeddings")
    if [each.region_id for each in message.regions] != [each.region_id for each in regions]:
        raise InvalidInput(
            "embeddings belong to other regions than the event names, or come in another order",
            field="embeddings",
            reason="REGIONS_MISMATCH",
        )
    return envelope, Question(envelope.collection, regions, envelope.options)


def write_event(message: encoding_events.RegionsEncoded, recalled: Recalled) -> events.CandidatesRetrieved:
    """Write the answer of the streaming door; the regions stay as they came."""
    return events.CandidatesRetrieved(
        envelope=recognition.passed_on(message.envelope, recalled.stage),
        regions=message.regions,
        candidates=map(candidates.write_candidates, recalled.candidates),
    )


def _read_regions(
    messages: Sequence[embedding_pb2.RegionEmbeddings], *, field: str
) -> tuple[RegionEmbeddings, ...]:
    if len(messages) > LIMITS.regions_per_image:
        raise InvalidInput(
            f"{field} has {len(messages)} entries, at most {LIMITS.regions_per_image} are allowed",
            field=field,
            reason="TOO_MANY_REGIONS",
        )
    return tuple(_read_region(message, field=f"{field}[{i}]") for i, message in enumerate(messages))


def _read_region(message: embedding_pb2.RegionEmbeddings, *, field: str) -> RegionEmbeddings:
    region = exemplar.read_region_embeddings(message, field=field)
    if len({each.space for each in region.embeddings}) != len(region.embeddings):
        raise InvalidInput(
            f"{field}.embeddings has two of one space", field=f"{field}.embeddings", reason="SPACE_TWICE"
        )
    return region


def read_listing(message: pb.ListExemplarsRequest) -> tuple[CollectionKey, Listing]:
    """Read which exemplars to list. Raises InvalidInput."""
    conditions = candidates.read_filter(message.filter, field="filter")
    wanted = Listing(message.label, conditions, frozenset(message.exemplar_ids))
    return recognition.read_collection(message.collection), wanted


def write_page(page: Page) -> pb.ListExemplarsResponse:
    """Write one page of a listing."""
    return pb.ListExemplarsResponse(
        exemplars=map(exemplar.write_exemplar, page.exemplars),
        next_page_token=page.next_token,
        memory_version=page.memory_version,
    )


def write_exported(encoded: EncodedExemplar) -> pb.ExportExemplarsResponse:
    """Write one exemplar of an export."""
    return pb.ExportExemplarsResponse(exemplar=exemplar.write_encoded_exemplar(encoded))


def write_labels(counts: LabelCounts) -> pb.ListLabelsResponse:
    """Write how many exemplars each label has."""
    return pb.ListLabelsResponse(
        labels=[pb.LabelCount(label=label, exemplars=count) for label, count in counts.exemplars],
        memory_version=counts.memory_version,
    )


def read_encoded(message: encoding_events.ExemplarEncoded) -> EncodedExemplar:
    """Read an exemplar as the memory keeps it. Raises InvalidInput."""
    return exemplar.read_encoded_exemplar(message.exemplar, field="exemplar")


def read_key(key: str) -> tuple[CollectionKey, str]:
    """Read the key of the memory's topic, tenant/collection/exemplar. Raises InvalidInput."""
    parts = key.split("/")
    if len(parts) != 3 or not all(parts):  # noqa: PLR2004  (tenant, collection, exemplar)
        raise InvalidInput(
            f"the key {key[:200]!r} is not of the form tenant/collection/exemplar", field="key"
        )
    tenant, collection, exemplar_id = parts
    return CollectionKey(tenant, collection), exemplar_id
