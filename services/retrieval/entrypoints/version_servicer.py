"""The waiting door to what is kept under names."""
# ruff: noqa: ARG002, N802  (names and arguments are gRPC's)

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import grpc

from fovea.retrieval.v1 import versions_pb2 as pb
from fovea.retrieval.v1 import versions_pb2_grpc
from services.kernel.errors import Unsupported
from services.kernel.limits import LIMITS
from services.kernel.validation import checked_id
from services.retrieval.codec import versions as codec
from services.retrieval.ports import Erasures, QuerySets, Versions
from services.retrieval.usecases.versions import (
    CompareStates,
    FindDifference,
    KeepQueries,
    KeepVersion,
    Wanted,
)
from services.runtime.codec.recognition import read_collection, read_options

_PER_LABEL = 2


@dataclass(frozen=True)
class VersionCases:
    """What the servicer offers."""

    versions: Versions
    query_sets: QuerySets
    erasures: Erasures
    keep_version: KeepVersion
    keep_queries: KeepQueries
    compare: CompareStates
    difference: FindDifference


class VersionServicer(versions_pb2_grpc.VersionServiceServicer):
    """Errors pass through: the server's interceptor gives them a status.

    Args:
        cases: What it calls; None where no object store is shared by all replicas.
    """

    def __init__(self, cases: VersionCases | None) -> None:
        self._kept = cases

    @property
    def _cases(self) -> VersionCases:
        if self._kept is None:
            raise Unsupported(
                "versions are kept of memories in segments (FOVEA_MEMORY_ENGINE), in an object store that "
                "all replicas share (FOVEA_S3_ENDPOINT or FOVEA_OBJECT_FOLDER); here is no such, so nothing "
                "can be erased either: forget it",
                reason="NO_SHARED_STORE",
            )
        return self._kept

    def KeepVersion(
        self, request: pb.KeepVersionRequest, context: grpc.ServicerContext
    ) -> pb.KeepVersionResponse:
        """Keep the memory as it stands under a name."""
        info = self._cases.keep_version(
            read_collection(request.collection),
            name=codec.read_name(request.name),
            description=codec.read_description(request.description),
            at_least=request.min_memory_version,
        )
        return pb.KeepVersionResponse(version=codec.write_version(info))

    def ListVersions(
        self, request: pb.ListVersionsRequest, context: grpc.ServicerContext
    ) -> pb.ListVersionsResponse:
        """List what is kept."""
        infos = self._cases.versions.list(read_collection(request.collection))
        return pb.ListVersionsResponse(versions=map(codec.write_version, infos))

    def DeleteVersion(
        self, request: pb.DeleteVersionRequest, context: grpc.ServicerContext
    ) -> pb.DeleteVersionResponse:
        """Keep a version no longer."""
        self._cases.versions.delete(read_collection(request.collection), codec.read_name(request.name))
        return pb.DeleteVersionResponse()

    def KeepQueries(
        self, request: pb.KeepQueriesRequest, context: grpc.ServicerContext
    ) -> pb.KeepQueriesResponse:
        """Keep questions under a name."""
        per_label = (request.sample.per_label or _PER_LABEL) if request.HasField("sample") else 0
        kept = self._cases.keep_queries(
            read_collection(request.collection),
            Wanted(
                per_label,
                request.sample.seed,
                tuple(
                    checked_id(each, field=f"exemplar_ids[{i}]")
                    for i, each in enumerate(request.exemplar_ids[: LIMITS.queries_per_set + 1])
                ),
                codec.read_queries(request.queries, field="queries"),
            ),
            name=codec.read_name(request.name),
            description=codec.read_description(request.description),
            at_least=request.min_memory_version,
        )
        return pb.KeepQueriesResponse(query_set=codec.write_query_set(kept))

    def ListQuerySets(
        self, request: pb.ListQuerySetsRequest, context: grpc.ServicerContext
    ) -> pb.ListQuerySetsResponse:
        """List the query sets."""
        sets = self._cases.query_sets.list(read_collection(request.collection))
        return pb.ListQuerySetsResponse(query_sets=map(codec.write_query_set, sets))

    def DeleteQuerySet(
        self, request: pb.DeleteQuerySetRequest, context: grpc.ServicerContext
    ) -> pb.DeleteQuerySetResponse:
        """Keep a query set no longer."""
        self._cases.query_sets.delete(read_collection(request.collection), codec.read_name(request.name))
        return pb.DeleteQuerySetResponse()

    def CompareStates(
        self, request: pb.CompareStatesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.CompareStatesResponse]:
        """Ask two states the same questions."""
        compared = self._cases.compare(
            read_collection(request.collection),
            (
                codec.read_state(request.before, field="before"),
                codec.read_state(request.after, field="after"),
            ),
            queries=codec.read_name(request.queries, field="queries"),
            options=read_options(request.options),
        )
        return map(codec.write_comparison, compared)

    def StreamDifference(
        self, request: pb.StreamDifferenceRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.StreamDifferenceResponse]:
        """Say what makes the memory another state of it."""
        found = self._cases.difference(
            read_collection(request.collection),
            codec.read_state(request.to, field="to"),
            at_least=request.min_memory_version,
        )
        return codec.write_difference(found.memory_version, found.changes)

    def MarkErased(
        self, request: pb.MarkErasedRequest, context: grpc.ServicerContext
    ) -> pb.MarkErasedResponse:
        """Note that exemplars are erased."""
        ids = [checked_id(each, field=f"exemplar_ids[{i}]") for i, each in enumerate(request.exemplar_ids)]
        self._cases.erasures.mark(read_collection(request.collection), ids, request.memory_version)
        return pb.MarkErasedResponse()

    def ListErased(
        self, request: pb.ListErasedRequest, context: grpc.ServicerContext
    ) -> pb.ListErasedResponse:
        """Name the exemplars that a state must not bring back."""
        collection = read_collection(request.collection)
        state = codec.read_state(request.state, field="state")
        if state.version:
            erased = self._cases.versions.erased(collection, state.version)
        else:
            erased = self._cases.erasures.since(collection, request.memory_version)
        return pb.ListErasedResponse(exemplar_ids=sorted(erased))
