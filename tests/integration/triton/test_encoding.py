"""Encoding over Triton and MinIO gives what it gives on its own, to the last digit that counts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from tritonclient.grpc import InferenceServerClient

from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.encoding.v1 import encoding_pb2_grpc
from fovea.kernel.v1 import embedding_pb2, region_pb2
from infra.local.daemons import wait_until
from infra.local.server import Running
from services.encoding.assembly import assemble, open_models
from services.encoding.settings import EncodingSettings
from services.runtime.codec.region import write_image
from services.runtime.metrics import ModelMetrics
from services.runtime.object_store.minio import MinioStore
from services.runtime.object_store.ports import ObjectStore
from services.runtime.object_store.verified import read_verified
from tests.e2e.pictures import drawing, encoded
from tests.fakes.encoded import IMAGE, PICTURE, reference
from tests.fakes.object_store import InMemoryStore
from tests.fakes.serving import served
from tests.integration.minio.buckets import a_bucket

pytestmark = pytest.mark.integration
WIDE_PICTURE = encoded(drawing("poppy", side=900).crop((0, 200, 900, 500)))
WIDE = reference(WIDE_PICTURE, size=(900, 300))
PARTS = [
    region_pb2.Region(
        region_id=str(n), box=region_pb2.Box(left=150 * n, top=9, right=150 * n + 100, bottom=200)
    )
    for n in range(5)
]
REGION = region_pb2.Region(region_id="0", box=region_pb2.Box(left=0, top=0, right=20, bottom=30))


@contextmanager
def opened(settings: EncodingSettings, store: ObjectStore) -> Iterator[encoding_pb2_grpc.EncodingServiceStub]:
    """Serve encoding, with a picture in its store."""
    store.put(IMAGE.key, PICTURE)
    store.put(WIDE.key, WIDE_PICTURE)
    models, senses = open_models(settings, ModelMetrics(CollectorRegistry()))
    assembly = assemble(settings, store, models, senses, version="1")
    for check in assembly.checks.values():
        check()
    with served(*assembly.servicers) as channel:
        yield encoding_pb2_grpc.EncodingServiceStub(channel)
    for each in assembly.background:
        each.close()


def cut_and_read(
    stub: encoding_pb2_grpc.EncodingServiceStub,
) -> tuple[list[str], list[embedding_pb2.Embedding]]:
    """Return the models in the records, and the embeddings of regions in either reading and of two texts."""
    seen = stub.EncodeRegions(
        pb.EncodeRegionsRequest(image=write_image(IMAGE), regions=[REGION]), timeout=30.0
    )
    dense = stub.EncodeRegions(
        pb.EncodeRegionsRequest(
            image=write_image(WIDE), regions=PARTS, reading=pb.REGION_READING_DENSE, spaces=["visual"]
        ),
        timeout=30.0,
    )
    read = stub.EncodeTexts(pb.EncodeTextsRequest(texts=["wren", "a much longer name"]), timeout=30.0)
    named = [*seen.stage.models, *dense.stage.models, *read.stage.models]
    found = [embedding for each in dense.regions for embedding in each.embeddings]
    return named, [*seen.regions[0].embeddings, *found, *read.embeddings]


def mapped(stub: encoding_pb2_grpc.EncodingServiceStub, store: ObjectStore) -> dict[str, np.ndarray]:
    """Return the maps of the wide picture, from the store."""
    found = stub.EncodeMaps(pb.EncodeMapsRequest(image=write_image(WIDE)), timeout=30.0).maps
    return {
        each.name: np.frombuffer(read_verified(store, each.key, each.digest), "<f4").reshape(each.shape)
        for each in found
    }


def test_both_backbones_encode_alike(minio_server: Running, triton_server: Running) -> None:
    real = EncodingSettings.load(triton_url=triton_server.settings["FOVEA_TRITON_URL"])
    with closing(MinioStore(a_bucket(minio_server))) as store, opened(real, store) as stub:
        there_models, there = cut_and_read(stub)
        there_maps = mapped(stub, store)
    memory = InMemoryStore()
    with opened(EncodingSettings.load(), memory) as stub:
        here_models, here = cut_and_read(stub)
        here_maps = mapped(stub, memory)

    assert there_models == here_models
    assert [(each.space, each.encoder) for each in there] == [(each.space, each.encoder) for each in here]
    for one, other in zip(there, here, strict=True):
        np.testing.assert_allclose(
            np.frombuffer(one.vector, "<f4"), np.frombuffer(other.vector, "<f4"), atol=1e-4
        )
    assert here_maps["local"].shape[0] < here_maps["local"].shape[1], "it is wide"
    for name, values in here_maps.items():
        np.testing.assert_allclose(there_maps[name], values, atol=1e-3 * float(np.abs(values).max()))


def test_triton_joins_what_callers_of_the_service_ask_at_once(triton_server: Running) -> None:
    url = triton_server.settings["FOVEA_TRITON_URL"]
    settings = EncodingSettings.load(triton_url=url, images_at_once=16, kept_regions=0)
    boxes = [region_pb2.Box(left=0, top=0, right=1 + n % 39, bottom=1 + n // 39) for n in range(160)]
    requests = [
        pb.EncodeRegionsRequest(image=write_image(IMAGE), regions=[region_pb2.Region(region_id="0", box=box)])
        for box in boxes
    ]
    with (
        opened(settings, InMemoryStore()) as stub,
        ThreadPoolExecutor(16) as pool,
        closing(InferenceServerClient(url)) as client,
    ):
        before = client.get_inference_statistics(settings.image_model).model_stats[0]

        def since() -> tuple[int, int]:
            """Return the images that were seen, and in how many batches."""
            now = client.get_inference_statistics(settings.image_model).model_stats[0]
            return now.inference_count - before.inference_count, now.execution_count - before.execution_count

        list(pool.map(lambda request: stub.EncodeRegions(request, timeout=60.0), requests))
        # Triton counts after it has answered.
        wait_until(lambda: since()[0] >= len(requests), "Triton counts too few", patience_s=30)
        images, batches = since()

    assert images == len(requests)
    assert batches < len(requests)
