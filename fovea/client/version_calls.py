"""The client's calls that keep, compare and bring back states of a memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc

from fovea.client.session import Session
from fovea.client.versions import (
    Applied,
    ChangedAnswer,
    Comparison,
    Edits,
    MemoryVersion,
    QuerySet,
    RecognizedQuery,
    read_applied,
    read_changed,
    read_comparison,
    read_query_set,
    read_version,
    write_state,
)
from fovea.gateway.v1 import versions_pb2 as pb
from fovea.kernel.v1 import versions_pb2


class VersionCalls:
    """Calls for curators: look before, and be able to go back."""

    _session: Session

    def keep_version(self, name: str, *, description: str = "") -> MemoryVersion:
        """Keep the memory as it stands under a name: all that anybody taught so far.

        >>> client.keep_version("before-the-import").exemplars

        Raises:
            Conflict: The name is taken.
        """
        request = pb.KeepVersionRequest(collection=self._session.key, name=name, description=description)
        return read_version(self._called(self._session.connection.versions.KeepVersion, request).version)

    def versions(self) -> tuple[MemoryVersion, ...]:
        """Return what is kept of the collection, the oldest first."""
        request = pb.ListVersionsRequest(collection=self._session.key)
        found = self._called(self._session.connection.versions.ListVersions, request).versions
        return tuple(map(read_version, found))

    def delete_version(self, name: str) -> None:
        """Keep a version no longer. Raises NotFound, which names those that there are."""
        request = pb.DeleteVersionRequest(collection=self._session.key, name=name)
        self._called(self._session.connection.versions.DeleteVersion, request)

    def keep_queries(  # noqa: PLR0913  (all but one by name)
        self,
        name: str,
        *,
        per_label: int = 0,
        seed: int = 0,
        exemplar_ids: Sequence[str] = (),
        recognitions: Iterable[RecognizedQuery] = (),
        description: str = "",
    ) -> QuerySet:
        """Keep questions under a name, to compare states of the memory by. All that is given becomes one set.

        >>> client.keep_queries("gold", per_label=2)
        >>> client.keep_queries("hard", recognitions=[RecognizedQuery("4f0c…", "goldfinch")])

        Args:
            name: Of the set.
            per_label: Exemplars drawn of every label; they never answer the questions made of themselves.
            seed: The same seed draws the same.
            exemplar_ids: Exemplars that were chosen.
            recognitions: Regions of recognitions, whose pictures must still be there.
            description: For people.

        Raises:
            InvalidInput: A label has fewer exemplars, or the set would be empty.
            Conflict: The name is taken.
        """
        sample = versions_pb2.FewShotSample(per_label=per_label, seed=seed)
        request = pb.KeepQueriesRequest(
            collection=self._session.key,
            name=name,
            description=description,
            min_memory_version=self._session.memory_version,
            sample=sample if per_label else None,
            exemplar_ids=exemplar_ids,
            recognitions=[
                pb.RecognizedQuery(
                    recognition_id=each.recognition_id, region_id=each.region_id, right_label=each.right_label
                )
                for each in recognitions
            ],
        )
        return read_query_set(self._called(self._session.connection.versions.KeepQueries, request).query_set)

    def query_sets(self) -> tuple[QuerySet, ...]:
        """Return the query sets of the collection, the oldest first."""
        request = pb.ListQuerySetsRequest(collection=self._session.key)
        found = self._called(self._session.connection.versions.ListQuerySets, request).query_sets
        return tuple(map(read_query_set, found))

    def delete_query_set(self, name: str) -> None:
        """Keep questions no longer. Raises NotFound, which names those that there are."""
        request = pb.DeleteQuerySetRequest(collection=self._session.key, name=name)
        self._called(self._session.connection.versions.DeleteQuerySet, request)

    def compare(self, queries: str, *, before: str = "", after: str = "") -> Comparison:
        """Ask two states of the memory the same questions.

        >>> client.compare("gold", before="before-the-import").changed

        Args:
            queries: The name of a query set.
            before: The name of a version; empty: the memory as it stands.
            after: Likewise.
        """
        return self._compared(queries, write_state(version=before), write_state(version=after))

    def propose(self, edits: Edits, queries: str) -> Comparison:
        """Ask the memory as it stands, and as it would be with some edits. Nothing is changed.

        >>> client.propose({"8d1f…": "goldfinch", "77ab…": None}, "gold").mended
        """
        return self._compared(queries, write_state(), write_state(edits=edits))

    def revert(self, name: str, *, dry_run: bool = False) -> Iterator[Applied]:
        """Make the memory what a version is, and yield how far that is; the last has the whole.

        Nothing is done until the answers are read. Safe to repeat; what broke off is completed by the next.
        What was erased stays away.

        >>> *_, applied = client.revert("before-the-import")

        Args:
            name: Of the version.
            dry_run: Only count what would be done.
        """
        return self._applied(write_state(version=name), dry_run=dry_run)

    def apply(self, edits: Edits, *, dry_run: bool = False) -> Iterator[Applied]:
        """Give exemplars other labels, or forget them, and yield how far that is; the last has the whole.

        Nothing is done until the answers are read.

        >>> *_, applied = client.apply({"8d1f…": "goldfinch", "77ab…": None})
        """
        return self._applied(write_state(edits=edits), dry_run=dry_run)

    def _compared(
        self, queries: str, before: versions_pb2.MemoryState, after: versions_pb2.MemoryState
    ) -> Comparison:
        request = pb.CompareStatesRequest(
            collection=self._session.key,
            before=before,
            after=after,
            queries=queries,
            min_memory_version=self._session.memory_version,
        )
        changed: list[ChangedAnswer] = []
        summary = versions_pb2.ComparisonSummary()
        with self._answered(self._session.connection.versions.CompareStates(request)) as answers:
            for entry in (answer.entry for answer in answers):
                if entry.HasField("changed"):
                    changed.append(read_changed(entry.changed))
                else:
                    summary = entry.summary
        return read_comparison(summary, tuple(changed))

    def _applied(self, to: versions_pb2.MemoryState, *, dry_run: bool) -> Iterator[Applied]:
        request = pb.ApplyStateRequest(collection=self._session.key, to=to, dry_run=dry_run)
        with self._answered(self._session.connection.versions.ApplyState(request)) as answers:
            for answer in answers:
                self._session.wrote(answer.memory_version)
                yield read_applied(answer)

    def _called(self, method: Any, request: Any) -> Any:
        return self._session.connection.call(method, request, timeout_s=self._session.timeout_s)

    @contextmanager
    def _answered(self, call: Any) -> Iterator[Any]:
        """Give a stream of answers; its errors are the client's, and it ends with its reader."""
        try:
            yield call
        except grpc.RpcError as failed:
            raise self._session.connection.translate(failed) from failed
        finally:
            call.cancel()
