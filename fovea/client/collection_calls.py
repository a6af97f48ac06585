"""The client's calls that keep a tenant's collections."""

from __future__ import annotations

from collections.abc import Iterator

import grpc

from fovea.client.calibration import Calibrating
from fovea.client.memory import Collection
from fovea.client.reading import read_calibrating, read_collection
from fovea.client.session import Session
from fovea.client.writing import write_collection
from fovea.gateway.v1 import collections_pb2 as pb
from fovea.kernel.v1 import envelope_pb2


class CollectionCalls:
    """Calls that keep collections."""

    _session: Session

    def create_collection(self, collection: Collection) -> Collection:
        """Create a collection and return it as the server keeps it.

        >>> client.create_collection(fovea.Collection("birds", retention=fovea.Retention("days", 30)))

        Raises:
            Conflict: There is one of that name.
        """
        request = pb.CreateCollectionRequest(
            collection=write_collection(collection, tenant=self._session.tenant)
        )
        answer = self._session.connection.call(
            self._session.connection.collections.CreateCollection, request, timeout_s=self._session.timeout_s
        )
        return read_collection(answer.collection)

    def get_collection(self, name: str = "") -> Collection:
        """Return a collection's settings; the client's own without a name. Raises NotFound."""
        answer = self._session.connection.call(
            self._session.connection.collections.GetCollection,
            pb.GetCollectionRequest(key=self._key(name)),
            timeout_s=self._session.timeout_s,
        )
        return read_collection(answer.collection)

    def list_collections(self) -> tuple[Collection, ...]:
        """Return all collections of the tenant."""
        answer = self._session.connection.call(
            self._session.connection.collections.ListCollections,
            pb.ListCollectionsRequest(tenant=self._session.tenant),
            timeout_s=self._session.timeout_s,
        )
        return tuple(map(read_collection, answer.collections))

    def update_collection(self, collection: Collection) -> Collection:
        """Replace a collection's settings, all of them.

        >>> birds = client.get_collection("birds")
        >>> client.update_collection(dataclasses.replace(birds, unknown_threshold=0.4))

        Raises:
            NotFound: There is none of that name.
        """
        request = pb.UpdateCollectionRequest(
            collection=write_collection(collection, tenant=self._session.tenant)
        )
        answer = self._session.connection.call(
            self._session.connection.collections.UpdateCollection, request, timeout_s=self._session.timeout_s
        )
        return read_collection(answer.collection)

    def delete_collection(self, name: str) -> int:
        """Forget every exemplar of a collection, then the collection itself; return how many there were."""
        answer = self._session.connection.call(
            self._session.connection.collections.DeleteCollection,
            pb.DeleteCollectionRequest(key=self._key(name)),
            timeout_s=self._session.timeout_s,
        )
        return answer.forgotten

    def calibrate_collection(
        self,
        name: str = "",
        *,
        error_rate: float = 0.05,
        exemplars: int = 0,
        seed: int = 0,
        dry_run: bool = False,
    ) -> Iterator[Calibrating]:
        """Choose a collection's thresholds on its own exemplars; yield how far it is, what was chosen last.

        Nothing is done until the answers are read.

        >>> *_, last = client.calibrate_collection("birds", error_rate=0.02)
        >>> last.calibration.unknown_threshold

        Args:
            name: Of the collection; the client's own without.
            error_rate: Share of what is known that may be called unknown.
            exemplars: Most that are asked about, each with itself left out; 0: the server's choice.
            seed: Which ones follows from it.
            dry_run: Only say what would be chosen.

        Raises:
            NotFound: There is no such collection.
            Conflict: There are too few exemplars; the message says how many it takes.
        """
        request = pb.CalibrateCollectionRequest(
            key=self._key(name), error_rate=error_rate, exemplars=exemplars, seed=seed, dry_run=dry_run
        )
        call = self._session.connection.collections.CalibrateCollection(request)
        try:
            yield from map(read_calibrating, call)
        except grpc.RpcError as failed:
            raise self._session.connection.translate(failed) from failed
        finally:
            call.cancel()

    def _key(self, name: str) -> envelope_pb2.CollectionKey:
        return envelope_pb2.CollectionKey(
            tenant=self._session.tenant, collection=name or self._session.collection
        )
