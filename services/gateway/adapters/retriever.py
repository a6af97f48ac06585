"""Retrieval over gRPC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import grpc

from fovea.kernel.v1 import audit_pb2, migration_pb2
from fovea.retrieval.v1 import retrieval_pb2 as pb
from fovea.retrieval.v1 import retrieval_pb2_grpc
from services.gateway.codec.memory import read_labels, read_page, write_query
from services.gateway.codec.migrations import read_report
from services.gateway.domain.migration import Report
from services.gateway.domain.teaching import ExemplarPage, ExemplarQuery, LabelCounts
from services.gateway.ports import Recollection
from services.kernel.vocabulary import (
    CollectionKey,
    EncodedExemplar,
    RecognitionOptions,
    RegionEmbeddings,
    SpaceVote,
)
from services.runtime.codec.candidates import read_candidates, write_vote
from services.runtime.codec.exemplar import read_encoded_exemplar, write_region_embeddings
from services.runtime.codec.recognition import read_stage, write_collection, write_options


class GrpcRetriever:
    """Asks the retrieval service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = retrieval_pb2_grpc.RetrievalServiceStub(channel)

    def recall(
        self,
        collection: CollectionKey,
        regions: Sequence[RegionEmbeddings],
        options: RecognitionOptions,
    ) -> Recollection:
        """Return the candidates of each region, in order."""
        reply = self._stub.Recall(
            pb.RecallRequest(
                collection=write_collection(collection),
                regions=map(write_region_embeddings, regions),
                options=write_options(options),
            )
        )
        return Recollection(tuple(map(read_candidates, reply.regions)), read_stage(reply.stage))

    def list_exemplars(self, query: ExemplarQuery) -> ExemplarPage:
        """Return one page, in order of id."""
        return read_page(self._stub.ListExemplars(write_query(query)))

    def export_exemplars(
        self,
        collection: CollectionKey,
        *,
        min_memory_version: str,
        after: str = "",
        having: Sequence[str] = (),
        lacking: Sequence[str] = (),
    ) -> Iterator[EncodedExemplar]:
        """Yield exemplars with their embeddings, in order of id."""
        request = pb.ExportExemplarsRequest(
            collection=write_collection(collection),
            min_memory_version=min_memory_version,
            after_exemplar_id=after,
            having=having,
            lacking=lacking,
        )
        with _cancelled_at_the_end(self._stub.ExportExemplars(request)) as replies:
            for i, reply in enumerate(replies):
                yield read_encoded_exemplar(reply.exemplar, field=f"exemplars[{i}]")

    def count_spaces(
        self, collection: CollectionKey, *, min_memory_version: str
    ) -> Mapping[frozenset[str], int]:
        """Return how many exemplars have embeddings in exactly these spaces."""
        request = pb.CountSpacesRequest(
            collection=write_collection(collection), min_memory_version=min_memory_version
        )
        counts = self._stub.CountSpaces(request).counts
        return {frozenset(each.spaces): each.exemplars for each in counts}

    def compare_spaces(
        self,
        collection: CollectionKey,
        before: SpaceVote,
        after_space: str,
        policy: object,
        *,
        min_memory_version: str,
    ) -> Report:
        """Say how two spaces answer for the same exemplars."""
        request = pb.CompareSpacesRequest(
            collection=write_collection(collection),
            min_memory_version=min_memory_version,
            before=write_vote(before),
            after_space=after_space,
            policy=cast("migration_pb2.ComparisonPolicy", policy),
        )
        return read_report(self._stub.CompareSpaces(request).report)

    def list_labels(self, collection: CollectionKey, *, min_memory_version: str) -> LabelCounts:
        """Count the exemplars of each label."""
        request = pb.ListLabelsRequest(
            collection=write_collection(collection), min_memory_version=min_memory_version
        )
        return read_labels(self._stub.ListLabels(request))

    def audit(
        self, collection: CollectionKey, policy: object, *, min_memory_version: str
    ) -> Iterator[object]:
        """Yield what may be wrong with the memory."""
        request = pb.AuditMemoryRequest(
            collection=write_collection(collection),
            min_memory_version=min_memory_version,
            policy=cast("audit_pb2.AuditPolicy", policy),
        )
        with _cancelled_at_the_end(self._stub.AuditMemory(request)) as replies:
            for reply in replies:
                yield reply.entry


@contextmanager
def _cancelled_at_the_end(call: Any) -> Iterator[Any]:
    """Give a stream of answers, and end it when its reader goes."""
    try:
        yield call
    finally:
        call.cancel()
