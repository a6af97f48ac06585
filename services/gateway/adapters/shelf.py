"""What retrieval keeps under names, over gRPC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any, cast

import grpc

from fovea.kernel.v1 import versions_pb2
from fovea.retrieval.v1 import versions_pb2 as pb
from fovea.retrieval.v1 import versions_pb2_grpc
from services.gateway.domain.versions import QueriesWanted, Query, Step
from services.kernel.errors import Unsupported
from services.kernel.vocabulary import CollectionKey, RecognitionOptions
from services.runtime.codec.exemplar import read_encoded_exemplar, write_embedding
from services.runtime.codec.recognition import write_collection, write_options


class GrpcShelf:
    """Asks the retrieval service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = versions_pb2_grpc.VersionServiceStub(channel)

    def keep_version(
        self, collection: CollectionKey, *, name: str, description: str, min_memory_version: str
    ) -> object:
        """Keep the memory as it stands."""
        request = pb.KeepVersionRequest(
            collection=write_collection(collection),
            name=name,
            description=description,
            min_memory_version=min_memory_version,
        )
        return self._stub.KeepVersion(request).version

    def versions(self, collection: CollectionKey) -> Sequence[object]:
        """Return what is kept, the oldest first."""
        return tuple(
            self._stub.ListVersions(pb.ListVersionsRequest(collection=write_collection(collection))).versions
        )

    def delete_version(self, collection: CollectionKey, name: str) -> None:
        """Keep a version no longer."""
        self._stub.DeleteVersion(pb.DeleteVersionRequest(collection=write_collection(collection), name=name))

    def keep_queries(self, wanted: QueriesWanted, queries: Sequence[Query]) -> object:
        """Keep questions."""
        per_label, seed = wanted.sample or (0, 0)
        sample = versions_pb2.FewShotSample(per_label=per_label, seed=seed)
        request = pb.KeepQueriesRequest(
            collection=write_collection(wanted.collection),
            name=wanted.name,
            description=wanted.description,
            min_memory_version=wanted.min_memory_version,
            sample=None if wanted.sample is None else sample,
            exemplar_ids=wanted.exemplar_ids,
            queries=map(_write_query, queries),
        )
        return self._stub.KeepQueries(request).query_set

    def query_sets(self, collection: CollectionKey) -> Sequence[object]:
        """Return the query sets, the oldest first."""
        request = pb.ListQuerySetsRequest(collection=write_collection(collection))
        return tuple(self._stub.ListQuerySets(request).query_sets)

    def delete_query_set(self, collection: CollectionKey, name: str) -> None:
        """Keep questions no longer."""
        self._stub.DeleteQuerySet(
            pb.DeleteQuerySetRequest(collection=write_collection(collection), name=name)
        )

    def clear(self, collection: CollectionKey) -> None:
        """Keep nothing more of a collection; where nothing can be kept there is nothing to do."""
        try:
            for version in self.versions(collection):
                self.delete_version(collection, cast("versions_pb2.MemoryVersion", version).name)
            for queries in self.query_sets(collection):
                self.delete_query_set(collection, cast("versions_pb2.QuerySet", queries).name)
        except Unsupported:
            return

    def compare(
        self,
        collection: CollectionKey,
        states: tuple[object, object],
        *,
        queries: str,
        options: RecognitionOptions,
    ) -> Iterator[object]:
        """Yield the answers that differ, then a summary."""
        before, after = (cast("versions_pb2.MemoryState", state) for state in states)
        request = pb.CompareStatesRequest(
            collection=write_collection(collection),
            before=before,
            after=after,
            queries=queries,
            options=write_options(options),
        )
        with _cancelled_at_the_end(self._stub.CompareStates(request)) as replies:
            for reply in replies:
                yield reply.entry

    def difference(
        self, collection: CollectionKey, to: object, *, min_memory_version: str
    ) -> tuple[str, Iterator[Step]]:
        """Return the memory version of a state, and what makes the memory that state."""
        request = pb.StreamDifferenceRequest(
            collection=write_collection(collection),
            to=cast("versions_pb2.MemoryState", to),
            min_memory_version=min_memory_version,
        )
        call = self._stub.StreamDifference(request)
        return next(call).memory_version, _steps(call)

    def mark_erased(
        self, collection: CollectionKey, exemplar_ids: Sequence[str], *, memory_version: str
    ) -> None:
        """Note that these are erased."""
        self._stub.MarkErased(
            pb.MarkErasedRequest(
                collection=write_collection(collection),
                exemplar_ids=exemplar_ids,
                memory_version=memory_version,
            )
        )

    def erased(self, collection: CollectionKey, state: object, *, memory_version: str) -> AbstractSet[str]:
        """Return the ids that a state must not bring back."""
        request = pb.ListErasedRequest(
            collection=write_collection(collection),
            state=cast("versions_pb2.MemoryState", state),
            memory_version=memory_version,
        )
        return frozenset(self._stub.ListErased(request).exemplar_ids)


def _write_query(query: Query) -> versions_pb2.MemoryQuery:
    return versions_pb2.MemoryQuery(
        query_id=query.query_id,
        embeddings=map(write_embedding, query.region.embeddings),
        right_label=query.right_label,
    )


def _steps(call: Any) -> Iterator[Step]:
    with _cancelled_at_the_end(call) as replies:
        for reply in replies:
            if reply.WhichOneof("part") == "restore":
                encoded = read_encoded_exemplar(reply.restore, field="restore")
                yield Step(encoded.exemplar.exemplar_id, encoded)
            else:
                yield Step(reply.forget)


@contextmanager
def _cancelled_at_the_end(call: Any) -> Iterator[Any]:
    """Give a stream of answers, and end it when its reader goes."""
    try:
        yield call
    finally:
        call.cancel()
