"""The gRPC service that keeps, compares and brings back states of a memory."""
# ruff: noqa: ARG002, N802  (names and arguments are gRPC's)

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import grpc

from fovea.gateway.v1 import versions_pb2 as pb
from fovea.gateway.v1 import versions_pb2_grpc
from fovea.kernel.v1 import versions_pb2
from services.gateway.codec.recognition import read_id
from services.gateway.domain.versions import Applied, QueriesWanted, RecognizedQuery
from services.gateway.entrypoints.shared_log import SharedLog
from services.gateway.ports import Collections
from services.gateway.usecases.intake import require_collection
from services.gateway.usecases.versions import ApplyState, CompareStates, KeepQueries, KeepVersion, Shelf
from services.kernel.errors import InvalidInput
from services.kernel.limits import LIMITS
from services.kernel.validation import checked_text
from services.kernel.vocabulary import CollectionKey
from services.runtime.codec.failure import failure_of, write_failure
from services.runtime.codec.recognition import read_collection

_PER_LABEL = 2


@dataclass(frozen=True)
class VersionCases:
    """The use cases behind VersionService."""

    collections: Collections
    shelf: Shelf
    keep_version: KeepVersion
    keep_queries: KeepQueries
    compare: CompareStates
    apply: ApplyState


class VersionServicer(versions_pb2_grpc.VersionServiceServicer):
    """Keeps, compares and brings back states of a memory.

    Args:
        cases: What it calls.
        shared_log: Without one nothing can be brought back.
    """

    def __init__(self, cases: VersionCases, shared_log: SharedLog) -> None:
        self._cases = cases
        self._shared_log = shared_log

    def KeepVersion(
        self, request: pb.KeepVersionRequest, context: grpc.ServicerContext
    ) -> pb.KeepVersionResponse:
        """Keep the memory as it stands under a name."""
        version = self._cases.keep_version(
            read_collection(request.collection),
            name=request.name,
            description=request.description,
            min_memory_version=request.min_memory_version,
        )
        return pb.KeepVersionResponse(version=cast("versions_pb2.MemoryVersion", version))

    def ListVersions(
        self, request: pb.ListVersionsRequest, context: grpc.ServicerContext
    ) -> pb.ListVersionsResponse:
        """List the versions."""
        versions = self._cases.shelf.versions(self._collection(request))
        return pb.ListVersionsResponse(
            versions=[cast("versions_pb2.MemoryVersion", each) for each in versions]
        )

    def DeleteVersion(
        self, request: pb.DeleteVersionRequest, context: grpc.ServicerContext
    ) -> pb.DeleteVersionResponse:
        """Keep a version no longer."""
        self._cases.shelf.delete_version(self._collection(request), request.name)
        return pb.DeleteVersionResponse()

    def KeepQueries(
        self, request: pb.KeepQueriesRequest, context: grpc.ServicerContext
    ) -> pb.KeepQueriesResponse:
        """Keep questions under a name."""
        sample = (request.sample.per_label or _PER_LABEL, request.sample.seed)
        wanted = QueriesWanted(
            read_collection(request.collection),
            request.name,
            request.description,
            request.min_memory_version,
            sample if request.HasField("sample") else None,
            tuple(request.exemplar_ids),
        )
        recognized = [_read_recognized(each, i) for i, each in enumerate(request.recognitions)]
        queries = self._cases.keep_queries(wanted, recognized)
        return pb.KeepQueriesResponse(query_set=cast("versions_pb2.QuerySet", queries))

    def ListQuerySets(
        self, request: pb.ListQuerySetsRequest, context: grpc.ServicerContext
    ) -> pb.ListQuerySetsResponse:
        """List the query sets."""
        sets = self._cases.shelf.query_sets(self._collection(request))
        return pb.ListQuerySetsResponse(query_sets=[cast("versions_pb2.QuerySet", each) for each in sets])

    def DeleteQuerySet(
        self, request: pb.DeleteQuerySetRequest, context: grpc.ServicerContext
    ) -> pb.DeleteQuerySetResponse:
        """Keep a query set no longer."""
        self._cases.shelf.delete_query_set(self._collection(request), request.name)
        return pb.DeleteQuerySetResponse()

    def CompareStates(
        self, request: pb.CompareStatesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.CompareStatesResponse]:
        """Ask two states the same questions."""
        entries = self._cases.compare(
            read_collection(request.collection),
            (request.before, request.after),
            queries=request.queries,
            min_memory_version=request.min_memory_version,
        )
        for entry in entries:
            yield pb.CompareStatesResponse(entry=cast("versions_pb2.ComparisonEntry", entry))

    def ApplyState(
        self, request: pb.ApplyStateRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ApplyStateResponse]:
        """Make the memory another state of it."""
        self._shared_log.require()
        if not request.to.version and not request.to.edits.edits:
            raise InvalidInput("name a version or edits", field="to", reason="STATE_MISSING")
        applied = self._cases.apply(read_collection(request.collection), request.to, dry_run=request.dry_run)
        for each in applied:
            yield _write_applied(each)

    def _collection(
        self,
        request: pb.ListVersionsRequest
        | pb.DeleteVersionRequest
        | pb.ListQuerySetsRequest
        | pb.DeleteQuerySetRequest,
    ) -> CollectionKey:
        collection = read_collection(request.collection)
        require_collection(self._cases.collections, collection)
        return collection


def _read_recognized(message: pb.RecognizedQuery, index: int) -> RecognizedQuery:
    field = f"recognitions[{index}]"
    label = message.right_label
    return RecognizedQuery(
        read_id(message.recognition_id, field=f"{field}.recognition_id"),
        message.region_id or "0",
        label and checked_text(label, field=f"{field}.right_label", most=LIMITS.label_characters),
    )


def _write_applied(applied: Applied) -> pb.ApplyStateResponse:
    return pb.ApplyStateResponse(
        restored=applied.restored,
        forgotten=applied.forgotten,
        failed=applied.failed,
        failure=None if applied.error is None else write_failure(failure_of(applied.error)),
        memory_version=applied.memory_version,
    )
