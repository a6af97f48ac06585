"""A tower that was imported is served beside those that ship, for pictures and for texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.encoding.v1 import encoding_pb2_grpc
from fovea.kernel.v1 import region_pb2
from services.encoding.assembly import assemble, open_models
from services.encoding.settings import EncodingSettings
from services.runtime.codec.region import write_image
from services.runtime.metrics import ModelMetrics
from tests.fakes.encoded import IMAGE, PICTURE
from tests.fakes.object_store import InMemoryStore
from tests.fakes.serving import served
from tests.models.importer import checkpoints
from tests.models.importer.conftest import Import

REGION = region_pb2.Region(region_id="0", box=region_pb2.Box(left=0, top=0, right=20, bottom=30))


@pytest.fixture
def settings(tmp_path: Path, importing: Import) -> EncodingSettings:
    """A store with a tiny CLIP and the models that ship."""
    importing(checkpoints.clip(tmp_path / "checkpoint"))
    shipped = EncodingSettings().model_folder
    for model in shipped.iterdir():
        (tmp_path / "store" / model.name).symlink_to(model)
    return EncodingSettings.load(
        model_folder=tmp_path / "store", more_image_models="tiny-vision", more_text_models="tiny-text"
    )


def test_pictures_and_texts_meet_in_the_spaces_of_their_towers(settings: EncodingSettings) -> None:
    store = InMemoryStore()
    store.put(IMAGE.key, PICTURE)
    models, senses = open_models(settings, ModelMetrics(CollectorRegistry()))
    assembly = assemble(settings, store, models, senses, version="1")
    spaces = ["visual", "tiny", "tiny.names"]
    request = pb.EncodeRegionsRequest(image=write_image(IMAGE), regions=[REGION], spaces=spaces)

    with served(*assembly.servicers) as channel:
        stub = encoding_pb2_grpc.EncodingServiceStub(channel)
        listed = stub.ListSpaces(pb.ListSpacesRequest())
        (region,) = stub.EncodeRegions(request, timeout=60.0).regions
        texts = pb.EncodeTextsRequest(texts=["wren", "two cats"], space="tiny.names")
        read = stub.EncodeTexts(texts, timeout=60.0).embeddings

    assert [each.space for each in listed.spaces] == ["visual", "tiny"]
    assert [each.space for each in listed.text_spaces] == ["name", "tiny.names"]
    assert [each.space for each in region.embeddings] == spaces
    _, looks, names = (np.frombuffer(each.vector, "<f4") for each in region.embeddings)
    np.testing.assert_array_equal(looks, names)
    assert {each.space for each in read} == {"tiny.names"}
    assert {len(each.vector) for each in read} == {4 * len(names)}
