"""Encoding put together with the models that are shipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from fovea.encoding.v1 import encoding_pb2 as pb
from fovea.encoding.v1 import encoding_pb2_grpc
from fovea.encoding.v1 import events_pb2 as events
from fovea.gateway.v1 import events_pb2 as gateway_events
from fovea.kernel.v1 import embedding_pb2, exemplar_pb2, region_pb2
from services.encoding.assembly import assemble, open_models
from services.encoding.settings import EncodingSettings
from services.kernel.errors import NotFound
from services.runtime.assembly import Assembly
from services.runtime.codec.region import write_image
from services.runtime.metrics import CacheMetrics, ModelMetrics
from tests.fakes.encoded import IMAGE, PICTURE
from tests.fakes.model_variants import write_variant
from tests.fakes.object_store import InMemoryStore
from tests.fakes.serving import served

LEFT = region_pb2.Region(region_id="0", box=region_pb2.Box(left=0, top=0, right=20, bottom=30))
RIGHT = region_pb2.Region(region_id="1", box=region_pb2.Box(left=20, top=0, right=40, bottom=30))


@dataclass(frozen=True)
class Running:
    assembly: Assembly
    registry: CollectorRegistry
    stub: encoding_pb2_grpc.EncodingServiceStub


@pytest.fixture(scope="module")
def encoding() -> Iterator[Running]:
    settings = EncodingSettings.load()
    models, senses = open_models(settings, ModelMetrics(CollectorRegistry()))
    store = InMemoryStore()
    store.put(IMAGE.key, PICTURE)
    registry = CollectorRegistry()
    assembly = assemble(settings, store, models, senses, version="1.2", metrics=CacheMetrics(registry))
    (servicer,) = assembly.servicers
    with served(servicer) as channel:
        yield Running(assembly, registry, encoding_pb2_grpc.EncodingServiceStub(channel))


def vector(embedding: embedding_pb2.Embedding) -> np.ndarray:
    return np.frombuffer(embedding.vector, dtype="<f4")


def test_a_region_reaches_both_spaces_and_the_record_names_the_models(encoding: Running) -> None:
    request = pb.EncodeRegionsRequest(image=write_image(IMAGE), regions=[LEFT, RIGHT])

    answer = encoding.stub.EncodeRegions(request, timeout=30.0)

    for region in answer.regions:
        looks, name = region.embeddings
        assert (looks.space, name.space) == ("visual", "name")
        for embedding in (looks, name):
            assert np.linalg.norm(vector(embedding)) == pytest.approx(1, abs=1e-4)
    (text,) = encoding.stub.EncodeTexts(pb.EncodeTextsRequest(texts=["wren"]), timeout=30.0).embeddings
    assert (text.space, len(text.vector)) == (name.space, len(name.vector))
    settings = EncodingSettings()
    named = [model.partition("@")[0] for model in answer.stage.models]
    assert named == [name for name in (settings.image_model, settings.bridge_model) if name]


def test_the_encoders_of_before_and_their_bridge_still_see() -> None:
    settings = EncodingSettings.load(
        image_model="efficientnet-lite0",
        bridge_model="conse-imagenet-minilm",
        text_model="all-minilm-l6-v2",
    )
    store = InMemoryStore()
    store.put(IMAGE.key, PICTURE)
    models, senses = open_models(settings, ModelMetrics(CollectorRegistry()))
    (servicer,) = assemble(settings, store, models, senses, version="1.2").servicers

    with served(servicer) as channel:
        stub = encoding_pb2_grpc.EncodingServiceStub(channel)
        request = pb.EncodeRegionsRequest(image=write_image(IMAGE), regions=[LEFT])
        answer = stub.EncodeRegions(request, timeout=30.0)

    looks, name = answer.regions[0].embeddings
    assert (looks.space, len(vector(looks)), name.space, len(vector(name))) == ("visual", 2792, "name", 384)
    assert [model.partition("@")[0] for model in answer.stage.models] == [
        "efficientnet-lite0",
        "conse-imagenet-minilm",
    ]


def test_what_is_kept_is_counted_by_what_it_is_and_whether_it_was_there(encoding: Running) -> None:
    def counted(cache: str) -> list[float]:
        name = "fovea_cache_requests_total"
        outcomes = ("miss", "hit")
        found = [
            encoding.registry.get_sample_value(name, {"cache": cache, "outcome": outcome})
            for outcome in outcomes
        ]
        return [value or 0.0 for value in found]

    region = region_pb2.Region(region_id="0", box=region_pb2.Box(left=1, top=1, right=9, bottom=9))
    before = {cache: counted(cache) for cache in ("regions", "texts")}
    for _ in range(3):
        request = pb.EncodeRegionsRequest(image=write_image(IMAGE), regions=[region])
        encoding.stub.EncodeRegions(request, timeout=30.0)
        encoding.stub.EncodeTexts(pb.EncodeTextsRequest(texts=["counted"]), timeout=30.0)

    for cache, (misses, hits) in before.items():
        assert counted(cache) == [misses + 1, hits + 2]


def test_names_lie_near_names_of_like_things(encoding: Running) -> None:
    request = pb.EncodeTextsRequest(texts=["wren", "house wren", "pickup truck"])

    wren, house_wren, truck = map(vector, encoding.stub.EncodeTexts(request, timeout=30.0).embeddings)

    assert wren @ house_wren > wren @ truck + 0.3


def test_an_image_taught_is_where_the_same_image_is_looked_for(encoding: Running) -> None:
    handle = {each.topic: each.handler for each in encoding.assembly.subscriptions}["exemplars.submitted"]
    exemplar = exemplar_pb2.Exemplar(
        exemplar_id="e1",
        label="red and blue",
        kind=exemplar_pb2.EXEMPLAR_KIND_IMAGE,
        image=write_image(IMAGE),
        region=LEFT,
    )

    taught = handle(gateway_events.ExemplarSubmitted(exemplar_id="e1", remember=exemplar))

    assert isinstance(taught, events.ExemplarEncoded)
    answer = encoding.stub.EncodeRegions(
        pb.EncodeRegionsRequest(image=write_image(IMAGE), regions=[LEFT]), timeout=30.0
    )
    assert list(taught.exemplar.embeddings) == [answer.regions[0].embeddings[0]]


def taught(assembly: Assembly, exemplar: exemplar_pb2.Exemplar) -> embedding_pb2.Embedding:
    """Return the first embedding of an exemplar."""
    handle = {each.topic: each.handler for each in assembly.subscriptions}["exemplars.submitted"]
    event = handle(gateway_events.ExemplarSubmitted(exemplar_id=exemplar.exemplar_id, remember=exemplar))
    assert isinstance(event, events.ExemplarEncoded)
    return event.exemplar.embeddings[0]


def test_the_same_picture_has_the_same_bytes_whoever_encodes_it(encoding: Running) -> None:
    exemplars = [
        exemplar_pb2.Exemplar(
            exemplar_id=region.region_id,
            label="half",
            kind=exemplar_pb2.EXEMPLAR_KIND_IMAGE,
            image=write_image(IMAGE),
            region=region,
        )
        for region in (LEFT, RIGHT)
    ]
    store = InMemoryStore()
    store.put(IMAGE.key, PICTURE)
    settings = EncodingSettings.load(kept_regions=0)
    another = assemble(
        settings, store, *open_models(settings, ModelMetrics(CollectorRegistry())), version="1"
    )

    here = [taught(encoding.assembly, each).SerializeToString() for each in exemplars]
    there = [taught(another, each).SerializeToString() for each in reversed(exemplars)]

    assert here == there[::-1]
    assert here[0] != here[1]


def test_a_name_is_read_in_the_templates_of_its_model(encoding: Running, tmp_path: Path) -> None:
    templates = ("a photo of a {}.", "{}, a kind of bird")
    shutil.copytree(EncodingSettings.load().model_folder, tmp_path / "store")
    described = tmp_path / "store" / EncodingSettings().text_model / "1" / "model.toml"
    described.write_text(f"name_templates = {list(templates)}\n{described.read_text()}")
    settings = EncodingSettings.load(model_folder=tmp_path / "store")
    reading = assemble(
        settings, InMemoryStore(), *open_models(settings, ModelMetrics(CollectorRegistry())), version="1"
    )
    name = exemplar_pb2.Exemplar(
        exemplar_id="e1", label="wren", kind=exemplar_pb2.EXEMPLAR_KIND_NAME, text="wren"
    )

    read = taught(reading, name)
    plainly = taught(encoding.assembly, name)

    texts = [template.replace("{}", "wren") for template in templates]
    rows = encoding.stub.EncodeTexts(pb.EncodeTextsRequest(texts=[*texts, "wren"]), timeout=30.0).embeddings
    mean = vector(rows[0]) + vector(rows[1])
    np.testing.assert_allclose(vector(read), mean / np.linalg.norm(mean), atol=1e-6)
    assert vector(plainly) == pytest.approx(vector(rows[2]), abs=1e-6)
    assert read.encoder.partition("@")[0] == plainly.encoder.partition("@")[0]
    assert read.encoder != plainly.encoder  # so they are never compared


def test_it_handles_regions_and_exemplars_and_is_ready_when_its_models_are(encoding: Running) -> None:
    topics = {(each.topic, each.group) for each in encoding.assembly.subscriptions}

    assert topics == {("regions.proposed", "encoding"), ("exemplars.submitted", "encoding")}
    for check in encoding.assembly.checks.values():
        check()


def test_a_model_that_is_not_there_is_named_before_anything_starts() -> None:
    with pytest.raises(NotFound, match="no model eagle-eye"):
        open_models(EncodingSettings.load(image_model="eagle-eye"), ModelMetrics(CollectorRegistry()))


def test_two_versions_of_an_encoder_serve_a_space_each(tmp_path: Path) -> None:
    shutil.copytree(EncodingSettings.load().model_folder, tmp_path / "store")
    write_variant(tmp_path / "store" / "efficientnet-lite0", version="2")
    settings = EncodingSettings(
        model_folder=tmp_path / "store",
        image_model="efficientnet-lite0",
        more_image_models="visual-1=efficientnet-lite0/1,visual-2=efficientnet-lite0/2",
    )
    store = InMemoryStore()
    store.put(IMAGE.key, PICTURE)
    models, senses = open_models(settings, ModelMetrics(CollectorRegistry()))
    (servicer,) = assemble(settings, store, models, senses, version="1.2").servicers
    request = pb.EncodeRegionsRequest(
        image=write_image(IMAGE), regions=[LEFT], spaces=["visual", "visual-1", "visual-2"]
    )

    with served(servicer) as channel:
        stub = encoding_pb2_grpc.EncodingServiceStub(channel)
        served_spaces = {each.space: each.encoder for each in stub.ListSpaces(pb.ListSpacesRequest()).spaces}
        (region,) = stub.EncodeRegions(request, timeout=30.0).regions

    assert list(served_spaces) == ["visual", "visual-1", "visual-2"]
    assert {each.space: each.encoder for each in region.embeddings} == served_spaces
    newest, first, second = map(vector, region.embeddings)
    assert newest @ second == pytest.approx(1, abs=1e-5)
    assert first @ second < 0.9


@pytest.mark.parametrize("more", ["visual=a", "name=a", "a=b,a=c", "no model"])
def test_a_space_has_one_encoder(more: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)more_image_models"):
        EncodingSettings(more_image_models=more)
