from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from fovea.kernel.v1 import image_pb2, prompt_pb2
from fovea.segmentation.v1 import segmentation_pb2 as pb
from fovea.segmentation.v1 import segmentation_pb2_grpc
from services.kernel.errors import NotFound, Unavailable, Unsupported
from services.runtime.metrics import ModelMetrics
from services.segmentation.assembly import Finder, assemble, open_finder, open_ways
from services.segmentation.settings import SegmentationSettings
from tests.fakes.models import FunctionModels, Tensors
from tests.fakes.object_store import InMemoryStore
from tests.fakes.serving import served

IMAGE = image_pb2.ImageReference(width_px=80, height_px=60)
SETTINGS = SegmentationSettings()


def test_it_answers_calls_with_its_version_in_the_record() -> None:
    (servicer,) = assemble(SETTINGS, InMemoryStore(), None, version="1.2").servicers

    with served(servicer) as channel:
        stub = segmentation_pb2_grpc.SegmentationServiceStub(channel)
        answer = stub.ProposeRegions(pb.ProposeRegionsRequest(image=IMAGE), timeout=10.0)

    assert answer.stage.version == "1.2"


def test_it_handles_submitted_images() -> None:
    (subscription,) = assemble(SETTINGS, InMemoryStore(), None, version="1.2").subscriptions

    assert (subscription.topic, subscription.group) == ("images.submitted", "segmentation")


def test_without_a_detector_prompts_are_refused_and_maps_too() -> None:
    (servicer,) = assemble(SETTINGS, InMemoryStore(), None, version="1.2").servicers
    prompts = [prompt_pb2.Prompt(name="bird")]

    with served(servicer) as channel:
        stub = segmentation_pb2_grpc.SegmentationServiceStub(channel)
        with pytest.raises(Unsupported) as caught:
            stub.ProposeRegions(pb.ProposeRegionsRequest(image=IMAGE, prompts=prompts), timeout=10.0)
        assert caught.value.reason == "NO_DETECTOR"
        with pytest.raises(Unsupported) as caught:
            stub.DrawMaps(pb.DrawMapsRequest(image=IMAGE, prompts=prompts), timeout=10.0)
        assert caught.value.reason == "NO_DETECTOR"


def test_a_detector_may_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEA_DETECTOR_MODEL", "none")
    nothing = SegmentationSettings.load()
    monkeypatch.delenv("FOVEA_DETECTOR_MODEL")
    missing = SegmentationSettings.load(model_folder=tmp_path)

    assert open_ways(nothing) is None
    assert open_finder(missing, ModelMetrics(CollectorRegistry())) is None


def test_a_detector_that_is_asked_for_by_name_has_to_be_there() -> None:
    with pytest.raises(NotFound):
        open_ways(SegmentationSettings.load(detector_model="eagle-eye"))


def test_a_model_that_is_no_detector_is_refused() -> None:
    with pytest.raises(Unsupported, match="is no detector"):
        open_ways(SegmentationSettings.load(detector_model="fovea-global"))


def test_it_is_ready_when_the_detector_is_and_at_once_without_one() -> None:
    def away(_: Tensors) -> Tensors:
        raise Unavailable("nobody is there")

    ways = open_ways(SETTINGS)
    assert ways is not None
    there = FunctionModels({"fovea-detector": away, "fovea-detector-text": away})
    elsewhere = FunctionModels({})

    (ready,) = assemble(SETTINGS, InMemoryStore(), Finder(there, ways), version="1").checks.values()
    (unready,) = assemble(SETTINGS, InMemoryStore(), Finder(elsewhere, ways), version="1").checks.values()

    ready()
    with pytest.raises(NotFound):
        unready()
    assert not assemble(SETTINGS, InMemoryStore(), None, version="1").checks
