"""Protobuf messages as the client's frozen values."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from google.protobuf.timestamp_pb2 import Timestamp

from fovea.client.calibration import Calibrating, Calibration, read_calibration
from fovea.client.judgements import RankedLabel, read_judgement
from fovea.client.memory import (
    Collection,
    Embedding,
    Exemplar,
    Retention,
)
from fovea.client.options import AttributeValue, Prompt, SpaceVote
from fovea.client.results import (
    Ancestor,
    BroaderLabel,
    Candidate,
    FoundBy,
    Gate,
    ImageInfo,
    Neighbour,
    Recognition,
    Region,
    Stage,
    Status,
)
from fovea.client.shapes import Box, Corners, Mask
from fovea.client.statuses import from_failure
from fovea.gateway.v1 import collections_pb2
from fovea.kernel.v1 import (
    candidates_pb2,
    embedding_pb2,
    envelope_pb2,
    exemplar_pb2,
    image_pb2,
    prompt_pb2,
    ranking_pb2,
    recognition_pb2,
    region_pb2,
)

_STATUSES: Final = {
    ranking_pb2.RANKING_STATUS_RANKED: Status.RANKED,
    ranking_pb2.RANKING_STATUS_TRUSTED_RETRIEVAL: Status.TRUSTED_RETRIEVAL,
    ranking_pb2.RANKING_STATUS_UNKNOWN: Status.UNKNOWN,
}
_PROMPT_KINDS: Final[Mapping[str, Literal["name", "phrase", "sentence", "exemplar"]]] = {
    "name": "name",
    "phrase": "phrase",
    "sentence": "sentence",
    "exemplar_id": "exemplar",
}
_FLOAT_BYTES: Final = 4


def read_recognition(
    message: recognition_pb2.Recognition, *, source: str = "", resume_token: str = ""
) -> Recognition:
    """Read a record."""
    envelope = message.envelope
    prompts = tuple(map(_prompt, envelope.options.prompts))
    return Recognition(
        recognition_id=envelope.recognition_id,
        regions=tuple(read_region(each, prompts) for each in message.regions),
        failure=from_failure(message.failure) if _has_failed(message) else None,
        source=source,
        image=read_image_info(envelope.image) if envelope.HasField("image") else None,
        stages=tuple(map(_stage, envelope.stages)),
        accepted_at=read_time(envelope.accepted_at) if envelope.HasField("accepted_at") else None,
        ended_at=read_time(message.ended_at) if message.HasField("ended_at") else None,
        submission_id=envelope.submission_id,
        tenant=envelope.collection.tenant,
        collection=envelope.collection.collection,
        resume_token=resume_token,
        prompts=prompts,
        raw=message,
    )


def read_region(message: recognition_pb2.RecognizedRegion, prompts: Sequence[Prompt] = ()) -> Region:
    """Read what was found in one region; `prompts` are those of the record."""
    where, ranking, found = message.region, message.ranking, message.candidates
    return Region(
        region_id=where.region_id,
        box=_box(where.box),
        labels=tuple(RankedLabel(entry.label, entry.probability) for entry in ranking.labels),
        probability_unknown=ranking.probability_unknown,
        status=_STATUSES.get(ranking.status, Status.DEGRADED),
        rung=ranking.rung,
        candidates=tuple(map(_candidate, found.candidates)),
        margin=found.margin,
        entropy=found.entropy,
        gates=tuple(map(_gate, ranking.gates)),
        broader=_broader(ranking.broader) if ranking.HasField("broader") else None,
        votes=tuple(map(_vote, found.votes)),
        origin=region_pb2.RegionOrigin.Name(where.origin).removeprefix("REGION_ORIGIN_").lower(),
        mask=_mask(where.mask) if where.HasField("mask") else None,
        polygons=tuple(map(_corners, where.polygons)),
        found_by=_found_by(where.found_by, prompts) if where.HasField("found_by") else None,
        judgement=read_judgement(ranking.judgement, found) if ranking.HasField("judgement") else None,
    )


def read_exemplar(message: exemplar_pb2.Exemplar) -> Exemplar:
    """Read an exemplar without its embeddings."""
    part = message.region.origin in {region_pb2.REGION_ORIGIN_CALLER, region_pb2.REGION_ORIGIN_PROMPT}
    return Exemplar(
        exemplar_id=message.exemplar_id,
        label=message.label,
        kind=_kind(message.kind),
        attributes=_attributes(message.attributes),
        image=read_image_info(message.image) if message.HasField("image") else None,
        box=_box(message.region.box) if part else None,
        text=message.text,
        raw=message,
    )


def read_embedding(message: embedding_pb2.Embedding) -> Embedding:
    """Read a vector of little-endian 32-bit floats."""
    count = len(message.vector) // _FLOAT_BYTES
    vector = struct.unpack(f"<{count}f", message.vector[: count * _FLOAT_BYTES])
    return Embedding(message.space, message.encoder, vector)


def read_collection(message: collections_pb2.Collection) -> Collection:
    """Read a collection's settings."""
    return Collection(
        name=message.key.collection,
        description=message.description,
        retention=_retention(message.image_retention),
        trust_threshold=message.trust_threshold if message.HasField("trust_threshold") else None,
        unknown_threshold=message.unknown_threshold if message.HasField("unknown_threshold") else None,
        level_threshold=message.level_threshold if message.HasField("level_threshold") else None,
        neighbours_per_label=(
            message.neighbours_per_label if message.HasField("neighbours_per_label") else None
        ),
        hierarchy={each.label: each.parent for each in message.hierarchy},
        votes=tuple(map(_vote, message.votes)),
        tenant=message.key.tenant,
        calibration=_calibration(message.calibration) if message.HasField("calibration") else None,
    )


def _calibration(message: collections_pb2.Calibration) -> Calibration:
    return read_calibration(message, read_time(message.calibrated_at))


def read_calibrating(message: collections_pb2.CalibrateCollectionResponse) -> Calibrating:
    """Read how far a calibration is."""
    found = _calibration(message.calibration) if message.HasField("calibration") else None
    return Calibrating(message.done, message.all, found)


def read_image_info(message: image_pb2.ImageReference) -> ImageInfo:
    """Read what is known of a stored picture."""
    return ImageInfo(
        digest=message.digest,
        key=message.key,
        media_type=message.media_type,
        size_bytes=message.size_bytes,
        width_px=message.width_px,
        height_px=message.height_px,
    )


def read_time(message: Timestamp) -> datetime:
    """Read a moment, in UTC."""
    return message.ToDatetime(tzinfo=UTC)


def _has_failed(message: recognition_pb2.Recognition) -> bool:
    return message.HasField("failure") or message.state == recognition_pb2.RECOGNITION_STATE_FAILED


def _retention(message: collections_pb2.ImageRetention) -> Retention:
    if message.policy == collections_pb2.RETENTION_POLICY_DAYS:
        return Retention("days", message.days)
    if message.policy == collections_pb2.RETENTION_POLICY_NONE:
        return Retention("none")
    return Retention("keep")


def _kind(kind: exemplar_pb2.ExemplarKind.ValueType) -> str:
    return exemplar_pb2.ExemplarKind.Name(kind).removeprefix("EXEMPLAR_KIND_").lower()


def _attributes(messages: Mapping[str, exemplar_pb2.AttributeValue]) -> dict[str, AttributeValue]:
    read: dict[str, AttributeValue] = {}
    for name in sorted(messages):
        value = messages[name]
        if value.HasField("flag"):
            read[name] = value.flag
        else:
            read[name] = value.number if value.HasField("number") else value.text
    return read


def _box(message: region_pb2.Box) -> Box:
    return Box(message.left, message.top, message.right, message.bottom)


def _corners(message: region_pb2.Polygon) -> Corners:
    return tuple((point.x, point.y) for point in message.points)


def _mask(message: region_pb2.Mask) -> Mask:
    return Mask(message.height_px, message.width_px, tuple(message.counts))


def _prompt(message: prompt_pb2.Prompt) -> Prompt:
    field = message.WhichOneof("kind") or "name"
    return Prompt(getattr(message, field), _PROMPT_KINDS[field])


def _found_by(message: region_pb2.FoundBy, prompts: Sequence[Prompt]) -> FoundBy:
    prompt = prompts[message.prompt] if message.prompt < len(prompts) else Prompt("")
    return FoundBy(prompt, message.score, message.threshold)


def _gate(message: ranking_pb2.Gate) -> Gate:
    return Gate(message.name, message.value, message.threshold, message.open, message.calibrated)


def _vote(message: candidates_pb2.SpaceVote) -> SpaceVote:
    return SpaceVote(message.space, message.weight, message.temperature, message.reference)


def _candidate(message: candidates_pb2.Candidate) -> Candidate:
    return Candidate(
        message.label,
        message.score,
        tuple(map(_neighbour, message.neighbours)),
        tuple(Ancestor(each.label, each.score) for each in message.ancestors),
        tuple(message.descriptions),
    )


def _broader(message: ranking_pb2.BroaderLabel) -> BroaderLabel:
    return BroaderLabel(message.label, message.probability, message.steps)


def _neighbour(message: candidates_pb2.Neighbour) -> Neighbour:
    return Neighbour(
        exemplar_id=message.exemplar_id,
        kind=_kind(message.kind),
        space=message.space,
        similarity=message.similarity,
        share=message.share,
        image_key=message.image_key,
        box=_box(message.box) if message.HasField("box") else None,
    )


def _stage(message: envelope_pb2.Stage) -> Stage:
    return Stage(
        name=message.name,
        version=message.version,
        models=tuple(message.models),
        memory_version=message.memory_version,
        duration_s=message.duration_s,
        rungs=tuple(message.rungs),
        reading=message.reading,
    )
