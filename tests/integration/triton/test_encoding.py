"""Encoding over Triton and MinIO gives what it gives on its own, to the last digit that counts."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.encoding.v1 import encoding_pb2_grpc
from fovea.kernel.v1 import embedding_pb2, region_pb2
from infra.local.server import Running
from services.encoding.assembly import assemble, open_models
from services.encoding.settings import EncodingSettings
from services.runtime.codec.region import write_image
from services.runtime.metrics import ModelMetrics
from services.runtime.object_store.minio import MinioStore
from services.runtime.object_store.ports import ObjectStore
from tests.fakes.encoded import IMAGE, PICTURE
from tests.fakes.object_store import InMemoryStore
from tests.fakes.serving import served
from tests.integration.minio.buckets import a_bucket

pytestmark = pytest.mark.integration
REGION = region_pb2.Region(region_id="0", box=region_pb2.Box(left=0, top=0, right=20, bottom=30))


def answers(
    settings: EncodingSettings, store: ObjectStore
) -> tuple[list[str], list[embedding_pb2.Embedding]]:
    """Return the models in the record, and the embeddings of a region and of two texts."""
    store.put(IMAGE.key, PICTURE)
    models, reading = open_models(settings, ModelMetrics(CollectorRegistry()))
    assembly = assemble(settings, store, models, reading, version="1")
    for check in assembly.checks.values():
        check()
    with served(*assembly.servicers) as channel:
        stub = encoding_pb2_grpc.EncodingServiceStub(channel)
        seen = stub.EncodeRegions(
            pb.EncodeRegionsRequest(image=write_image(IMAGE), regions=[REGION]), timeout=30.0
        )
        read = stub.EncodeTexts(pb.EncodeTextsRequest(texts=["wren", "a much longer name"]), timeout=30.0)
    named = [*seen.stage.models, *read.stage.models]
    return named, [*seen.regions[0].embeddings, *read.embeddings]


def test_both_backbones_encode_alike(minio_server: Running, triton_server: Running) -> None:
    real = EncodingSettings.load(triton_url=triton_server.settings["FOVEA_TRITON_URL"])
    with closing(MinioStore(a_bucket(minio_server))) as store:
        there_models, there = answers(real, store)
    here_models, here = answers(EncodingSettings.load(), InMemoryStore())

    assert there_models == here_models
    assert [(each.space, each.encoder) for each in there] == [(each.space, each.encoder) for each in here]
    for one, other in zip(there, here, strict=True):
        np.testing.assert_allclose(
            np.frombuffer(one.vector, "<f4"), np.frombuffer(other.vector, "<f4"), atol=1e-4
        )
