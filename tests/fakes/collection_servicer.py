"""Collections of a few lines behind `CollectionService`."""

# ruff: noqa: N802  (the names are the proto's)
from __future__ import annotations

from collections.abc import Iterator

import grpc

from fovea.gateway.v1 import collections_pb2 as pb
from fovea.gateway.v1 import collections_pb2_grpc
from fovea.kernel.v1 import envelope_pb2
from tests.fakes.script import Script


class FakeCollections(collections_pb2_grpc.CollectionServiceServicer):
    """Keeps collections in a dictionary."""

    def __init__(self, script: Script) -> None:
        self.script = script
        key = envelope_pb2.CollectionKey(tenant="default", collection="default")
        self.kept = {"default": pb.Collection(key=key)}

    def CreateCollection(
        self, request: pb.CreateCollectionRequest, context: grpc.ServicerContext
    ) -> pb.CreateCollectionResponse:
        self.script.begin("CreateCollection", context, request)
        name = request.collection.key.collection
        if name in self.kept:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, f"there is a collection {name} already")
        self.kept[name] = request.collection
        return pb.CreateCollectionResponse(collection=request.collection)

    def GetCollection(
        self, request: pb.GetCollectionRequest, context: grpc.ServicerContext
    ) -> pb.GetCollectionResponse:
        self.script.begin("GetCollection", context, request)
        return pb.GetCollectionResponse(collection=self._found(request.key, context))

    def ListCollections(
        self, request: pb.ListCollectionsRequest, context: grpc.ServicerContext
    ) -> pb.ListCollectionsResponse:
        self.script.begin("ListCollections", context, request)
        return pb.ListCollectionsResponse(collections=self.kept.values())

    def UpdateCollection(
        self, request: pb.UpdateCollectionRequest, context: grpc.ServicerContext
    ) -> pb.UpdateCollectionResponse:
        self.script.begin("UpdateCollection", context, request)
        self._found(request.collection.key, context)
        self.kept[request.collection.key.collection] = request.collection
        return pb.UpdateCollectionResponse(collection=request.collection)

    def DeleteCollection(
        self, request: pb.DeleteCollectionRequest, context: grpc.ServicerContext
    ) -> pb.DeleteCollectionResponse:
        self.script.begin("DeleteCollection", context, request)
        self._found(request.key, context)
        del self.kept[request.key.collection]
        return pb.DeleteCollectionResponse(forgotten=3)

    def CalibrateCollection(
        self, request: pb.CalibrateCollectionRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.CalibrateCollectionResponse]:
        self.script.begin("CalibrateCollection", context, request)
        kept = self._found(request.key, context)
        yield pb.CalibrateCollectionResponse(done=1, all=2)
        found = pb.Calibration(
            trust_threshold=0.5,
            unknown_threshold=0.625,
            error_rate=request.error_rate,
            exemplars=40,
            refused=0.025,
            asked=0.25,
            accuracy=0.9,
            retrieval_accuracy=0.8,
            ranking_accuracy=0.85,
            models=["fovea-ranker@1"],
            memory_version="v7",
            seed=request.seed,
        )
        if not request.dry_run:
            kept.calibration.CopyFrom(found)
        yield pb.CalibrateCollectionResponse(done=2, all=2, calibration=found)

    def _found(self, key: envelope_pb2.CollectionKey, context: grpc.ServicerContext) -> pb.Collection:
        if key.collection not in self.kept:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no collection {key.collection}")
        return self.kept[key.collection]
