"""Encoding over gRPC in this process, with images in memory, for those who measure it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata

from prometheus_client import CollectorRegistry

from benchmarks.stored import put
from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.encoding.v1 import encoding_pb2_grpc
from fovea.kernel.v1 import image_pb2, region_pb2
from services.encoding.assembly import assemble, open_models
from services.encoding.settings import EncodingSettings
from services.runtime.metrics import ModelMetrics
from tests.fakes.object_store import InMemoryStore
from tests.fakes.serving import served

_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Encoding:
    """A service and its callers' end."""

    stub: encoding_pb2_grpc.EncodingServiceStub
    store: InMemoryStore

    def put(self, data: bytes) -> image_pb2.ImageReference:
        """Store a picture as the gateway does, and return the reference to it."""
        return put(self.store, data)

    def stream(self, requests: Sequence[pb.EncodeRegionsRequest]) -> None:
        """Have all of them encoded. Raises RuntimeError if one is not."""
        items = (pb.EncodeRegionsStreamRequest(item=request) for request in requests)
        for answer in self.stub.EncodeRegionsStream(items, timeout=_TIMEOUT_S):
            if answer.HasField("failure"):
                raise RuntimeError(answer.failure.message)


def whole(image: image_pb2.ImageReference) -> pb.EncodeRegionsRequest:
    """Return the request for a whole picture."""
    box = region_pb2.Box(left=0, top=0, right=image.width_px, bottom=image.height_px)
    return pb.EncodeRegionsRequest(image=image, regions=[region_pb2.Region(region_id="0", box=box)])


@contextmanager
def opened(**settings: object) -> Iterator[Encoding]:
    """Serve encoding with these settings."""
    given = EncodingSettings.load(**settings)
    models, senses = open_models(given, ModelMetrics(CollectorRegistry()))
    store = InMemoryStore()
    version = metadata.version("fovea")
    assembly = assemble(given, store, models, senses, version=version)
    try:
        with served(*assembly.servicers) as channel:
            yield Encoding(encoding_pb2_grpc.EncodingServiceStub(channel), store)
    finally:
        for each in assembly.background:
            each.close()
