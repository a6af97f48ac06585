"""Kept versions, query sets, edits and comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from fovea.kernel.v1 import versions_pb2
from fovea.retrieval.v1 import versions_pb2 as pb
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.validation import checked_id, checked_name, checked_text
from services.retrieval.domain.comparing import Answer, Changed, ComparisonSummary, Share
from services.retrieval.domain.versions import (
    Drop,
    Edit,
    Query,
    QuerySet,
    Restore,
    StateName,
    VersionInfo,
)
from services.runtime.codec.exemplar import read_embedding, write_embedding, write_encoded_exemplar


def read_name(name: str, *, field: str = "name") -> str:
    """Read the name of a version or a query set. Raises InvalidInput."""
    return checked_name(name, field=field)


def read_description(text: str) -> str:
    """Read what people say of a version; empty if nothing. Raises InvalidInput."""
    return text and checked_text(text, field="description", most=LIMITS.text_characters)


def read_state(message: versions_pb2.MemoryState, *, field: str) -> StateName:
    """Read which state is meant. Raises InvalidInput."""
    if message.WhichOneof("state") == "version":
        return StateName(version=read_name(message.version, field=f"{field}.version"))
    edits = message.edits.edits
    if len(edits) > LIMITS.edits_per_request:
        raise InvalidInput(
            f"{field}.edits has {len(edits)} entries, at most {LIMITS.edits_per_request} are allowed",
            field=f"{field}.edits",
            reason="TOO_MANY_EDITS",
        )
    return StateName(edits=tuple(_read_edit(edit, f"{field}.edits[{i}]") for i, edit in enumerate(edits)))


def _read_edit(message: versions_pb2.Edit, field: str) -> Edit:
    exemplar_id = checked_id(message.exemplar_id, field=f"{field}.exemplar_id")
    if message.WhichOneof("change") == "label":
        label = checked_text(message.label, field=f"{field}.label", most=LIMITS.label_characters)
        return Edit(exemplar_id, label)
    if not message.forget:
        raise InvalidInput(f"{field} says neither forget nor a label", field=field, reason="EDIT_EMPTY")
    return Edit(exemplar_id)


def write_version(info: VersionInfo) -> versions_pb2.MemoryVersion:
    """Write what people want to know of a version."""
    return versions_pb2.MemoryVersion(
        name=info.name,
        description=info.description,
        created_at=_timestamp(info.created_s),
        exemplars=info.exemplars,
        labels=info.labels,
        memory_version=info.memory_version,
    )


def write_query_set(queries: QuerySet) -> versions_pb2.QuerySet:
    """Write what people want to know of a query set."""
    return versions_pb2.QuerySet(
        name=queries.name,
        description=queries.description,
        created_at=_timestamp(queries.created_s),
        queries=len(queries.queries),
        labelled=queries.labelled,
        memory_version=queries.memory_version,
    )


def read_queries(messages: Sequence[versions_pb2.MemoryQuery], *, field: str) -> tuple[Query, ...]:
    """Read questions. Raises InvalidInput."""
    return tuple(_read_query(message, f"{field}[{i}]") for i, message in enumerate(messages))


def _read_query(message: versions_pb2.MemoryQuery, field: str) -> Query:
    embeddings = tuple(
        read_embedding(each, field=f"{field}.embeddings[{i}]") for i, each in enumerate(message.embeddings)
    )
    return Query(message.query_id, embeddings, message.right_label, message.exemplar_id)


def _write_query(query: Query) -> versions_pb2.MemoryQuery:
    return versions_pb2.MemoryQuery(
        query_id=query.query_id,
        embeddings=map(write_embedding, query.embeddings),
        right_label=query.right_label,
        exemplar_id=query.exemplar_id,
    )


def write_kept_queries(queries: QuerySet, *, log: str) -> bytes:
    """Write a query set as it is stored, with the identity of the log that its memory version is of."""
    message = pb.KeptQueries(
        info=write_query_set(queries), queries=map(_write_query, queries.queries), log=log
    )
    return message.SerializeToString(deterministic=True)


def read_kept_queries(data: bytes) -> tuple[QuerySet, str]:
    """Read a query set as it is stored, and the identity of its log. Raises InvalidInput, DecodeError."""
    message = pb.KeptQueries.FromString(data)
    info = message.info
    queries = QuerySet(
        info.name,
        info.description,
        info.created_at.ToDatetime(UTC).timestamp(),
        read_queries(message.queries, field="queries"),
        info.memory_version,
    )
    return queries, message.log


def write_comparison(entry: Changed | ComparisonSummary) -> pb.CompareStatesResponse:
    """Write one line of a comparison."""
    if isinstance(entry, Changed):
        changed = versions_pb2.ChangedAnswer(
            query_id=entry.query_id,
            right_label=entry.right_label,
            before=_write_answer(entry.before),
            after=_write_answer(entry.after),
        )
        return pb.CompareStatesResponse(entry=versions_pb2.ComparisonEntry(changed=changed))
    summary = versions_pb2.ComparisonSummary(
        before_memory_version=entry.before_version,
        after_memory_version=entry.after_version,
        same=_write_share(entry.same),
        right_before=_write_share(entry.right_before),
        right_after=_write_share(entry.right_after),
        mended=entry.mended,
        broken=entry.broken,
    )
    return pb.CompareStatesResponse(entry=versions_pb2.ComparisonEntry(summary=summary))


def write_difference(
    version: str, changes: Iterable[Restore | Drop]
) -> Iterator[pb.StreamDifferenceResponse]:
    """Write what makes the memory another state of it: first the memory version that state is of."""
    yield pb.StreamDifferenceResponse(memory_version=version)
    for change in changes:
        if isinstance(change, Restore):
            yield pb.StreamDifferenceResponse(restore=write_encoded_exemplar(change.encoded))
        else:
            yield pb.StreamDifferenceResponse(forget=change.exemplar_id)


def _write_answer(answer: Answer) -> versions_pb2.QueryAnswer:
    return versions_pb2.QueryAnswer(
        label=answer.label, score=answer.score, unknown_score=answer.unknown_score
    )


def _write_share(share: Share) -> versions_pb2.Share:
    low, high = share.interval
    return versions_pb2.Share(count=share.count, of=share.of, low=low, high=high)


def _timestamp(seconds: float) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(datetime.fromtimestamp(seconds, UTC))
    return message
