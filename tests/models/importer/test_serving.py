"""An imported CLIP in the encoding service, put together as `__main__` does."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from prometheus_client import CollectorRegistry

from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.encoding.v1 import encoding_pb2_grpc
from fovea.kernel.v1 import embedding_pb2, region_pb2
from services.encoding.assembly import assemble, open_models
from services.encoding.settings import EncodingSettings
from services.kernel.vocabulary import ImageReference
from services.runtime.codec.region import write_image
from services.runtime.metrics import ModelMetrics
from tests.fakes.encoded import reference
from tests.fakes.object_store import InMemoryStore
from tests.fakes.serving import served
from tests.models.importer.conftest import Shelf

THINGS = 6
SPACES = ["clip", "clip.names"]


@pytest.fixture(scope="module")
def store() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture(scope="module")
def stub(shelf: Shelf, store: InMemoryStore) -> Iterator[encoding_pb2_grpc.EncodingServiceStub]:
    settings = EncodingSettings(
        model_folder=shelf.store,
        image_model="clip-vision",
        image_space="clip",
        bridge_model="",
        text_model="clip-text",
        more_image_models="dinov2-vision",
        more_text_models="siglip-text",
        local_model="",
        regions_model="",
        region_reading="crop",
    )
    models, senses = open_models(settings, ModelMetrics(CollectorRegistry()))
    (servicer,) = assemble(settings, store, models, senses, version="1").servicers
    with served(servicer) as channel:
        yield encoding_pb2_grpc.EncodingServiceStub(channel)


def picture(store: InMemoryStore, thing: int, *, zoom: int) -> ImageReference:
    """Store a picture of a thing, drawn larger or smaller."""
    drawn = np.random.default_rng(thing).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(drawn).resize((16 * zoom, 16 * zoom), Image.Resampling.NEAREST).save(content, "PNG")
    image = reference(content.getvalue(), size=(16 * zoom, 16 * zoom))
    store.put(image.key, content.getvalue())
    return image


def seen(
    stub: encoding_pb2_grpc.EncodingServiceStub, image: ImageReference, spaces: list[str]
) -> dict[str, np.ndarray]:
    box = region_pb2.Box(left=0, top=0, right=image.width_px, bottom=image.height_px)
    request = pb.EncodeRegionsRequest(
        image=write_image(image), regions=[region_pb2.Region(region_id="0", box=box)], spaces=spaces
    )
    (region,) = stub.EncodeRegions(request, timeout=60.0).regions
    return {embedding.space: vector(embedding) for embedding in region.embeddings}


def vector(embedding: embedding_pb2.Embedding) -> np.ndarray:
    return np.frombuffer(embedding.vector, dtype="<f4")


def test_an_imported_clip_recognises_what_it_was_shown_once(
    stub: encoding_pb2_grpc.EncodingServiceStub, store: InMemoryStore
) -> None:
    taught = np.stack([seen(stub, picture(store, i, zoom=3), ["clip"])["clip"] for i in range(THINGS)])

    asked = np.stack([seen(stub, picture(store, i, zoom=5), ["clip"])["clip"] for i in range(THINGS)])

    assert (asked @ taught.T).argmax(axis=1).tolist() == list(range(THINGS))


def test_crops_and_texts_meet_in_one_space(
    shelf: Shelf, stub: encoding_pb2_grpc.EncodingServiceStub, store: InMemoryStore
) -> None:
    found = seen(stub, picture(store, 0, zoom=4), SPACES)
    texts = ["a photo of a goldfinch", "rain"]
    answer = stub.EncodeTexts(pb.EncodeTextsRequest(texts=texts), timeout=60.0)
    direct = shelf.run("clip-text", shelf.tokens("clip-text", texts))["embeddings"]

    assert set(found) == set(SPACES)
    np.testing.assert_array_equal(found["clip"], found["clip.names"])
    assert {embedding.space for embedding in answer.embeddings} == {"clip.names"}
    names = np.stack([vector(embedding) for embedding in answer.embeddings])
    np.testing.assert_allclose(names, direct, atol=1e-5)
    assert names.shape[1] == len(found["clip.names"])


def test_imported_encoders_stand_side_by_side(
    stub: encoding_pb2_grpc.EncodingServiceStub, store: InMemoryStore
) -> None:
    spaces = {each.space for each in stub.ListSpaces(pb.ListSpacesRequest(), timeout=60.0).spaces}
    found = seen(stub, picture(store, 1, zoom=4), ["dinov2", "clip"])
    request = pb.EncodeTextsRequest(texts=["rain"], space="siglip.names")

    assert {"clip", "dinov2"} <= spaces
    assert {space: len(each) for space, each in found.items()} == {"clip": 24, "dinov2": 32}
    (read,) = stub.EncodeTexts(request, timeout=60.0).embeddings
    assert (read.space, read.encoder.partition("@")[0]) == ("siglip.names", "siglip-text")
