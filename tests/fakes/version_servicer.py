"""`VersionService` of a few lines: it keeps names, and answers what a test says."""

# ruff: noqa: N802  (the names are the proto's)
from __future__ import annotations

from collections.abc import Iterator

import grpc

from fovea.gateway.v1 import versions_pb2 as pb
from fovea.gateway.v1 import versions_pb2_grpc
from fovea.kernel.v1 import failure_pb2, versions_pb2
from tests.fakes.script import Script, Trouble

UNKNOWN = Trouble(
    grpc.StatusCode.NOT_FOUND, "there is no such name; there are spring", "VERSION_UNKNOWN", "name"
)
FAILURE = failure_pb2.Failure(
    status="INVALID_ARGUMENT", reason="UNKNOWN_ENCODER", message="no such encoder runs", field="embeddings"
)


def share(count: int, of: int) -> versions_pb2.Share:
    return versions_pb2.Share(count=count, of=of, low=0.25, high=0.75)


class FakeVersions(versions_pb2_grpc.VersionServiceServicer):
    """A comparison finds two answers that differ; applying brings one back, forgets two, and fails at one."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.kept: dict[str, versions_pb2.MemoryVersion] = {}
        self.sets: dict[str, versions_pb2.QuerySet] = {}
        self.fails = False
        self.labelled = True

    def KeepVersion(
        self, request: pb.KeepVersionRequest, context: grpc.ServicerContext
    ) -> pb.KeepVersionResponse:
        self.script.begin("KeepVersion", context, request)
        kept = versions_pb2.MemoryVersion(
            name=request.name, description=request.description, exemplars=3, labels=1, memory_version="v1"
        )
        kept.created_at.FromSeconds(1_700_000_000)
        self.kept[request.name] = kept
        return pb.KeepVersionResponse(version=kept)

    def ListVersions(
        self, request: pb.ListVersionsRequest, context: grpc.ServicerContext
    ) -> pb.ListVersionsResponse:
        self.script.begin("ListVersions", context, request)
        return pb.ListVersionsResponse(versions=self.kept.values())

    def DeleteVersion(
        self, request: pb.DeleteVersionRequest, context: grpc.ServicerContext
    ) -> pb.DeleteVersionResponse:
        self.script.begin("DeleteVersion", context, request)
        if self.kept.pop(request.name, None) is None:
            UNKNOWN.end(context)
        return pb.DeleteVersionResponse()

    def KeepQueries(
        self, request: pb.KeepQueriesRequest, context: grpc.ServicerContext
    ) -> pb.KeepQueriesResponse:
        self.script.begin("KeepQueries", context, request)
        queries = 2 * request.sample.per_label + len(request.exemplar_ids) + len(request.recognitions)
        kept = versions_pb2.QuerySet(name=request.name, queries=queries, labelled=queries)
        kept.created_at.FromSeconds(1_700_000_000)
        self.sets[request.name] = kept
        return pb.KeepQueriesResponse(query_set=kept)

    def ListQuerySets(
        self, request: pb.ListQuerySetsRequest, context: grpc.ServicerContext
    ) -> pb.ListQuerySetsResponse:
        self.script.begin("ListQuerySets", context, request)
        return pb.ListQuerySetsResponse(query_sets=self.sets.values())

    def DeleteQuerySet(
        self, request: pb.DeleteQuerySetRequest, context: grpc.ServicerContext
    ) -> pb.DeleteQuerySetResponse:
        self.script.begin("DeleteQuerySet", context, request)
        if self.sets.pop(request.name, None) is None:
            UNKNOWN.end(context)
        return pb.DeleteQuerySetResponse()

    def CompareStates(
        self, request: pb.CompareStatesRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.CompareStatesResponse]:
        self.script.begin("CompareStates", context, request)
        for number, (before, after) in enumerate((("wren", "robin"), ("robin", ""))):
            changed = versions_pb2.ChangedAnswer(
                query_id=f"q{number}",
                right_label="robin" if self.labelled else "",
                before=versions_pb2.QueryAnswer(label=before, score=0.9),
                after=versions_pb2.QueryAnswer(label=after, score=0.8),
            )
            yield pb.CompareStatesResponse(entry=versions_pb2.ComparisonEntry(changed=changed))
        summary = versions_pb2.ComparisonSummary(
            same=share(6, 8),
            right_before=share(4, 8) if self.labelled else share(0, 0),
            right_after=share(4, 8) if self.labelled else share(0, 0),
            mended=1,
            broken=1,
        )
        yield pb.CompareStatesResponse(entry=versions_pb2.ComparisonEntry(summary=summary))

    def ApplyState(
        self, request: pb.ApplyStateRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ApplyStateResponse]:
        self.script.begin("ApplyState", context, request)
        yield pb.ApplyStateResponse(restored=1, memory_version="v1.0-8")
        yield pb.ApplyStateResponse(
            restored=1,
            forgotten=2,
            failed=int(self.fails),
            failure=FAILURE if self.fails else None,
            memory_version="v1.0-9",
        )
