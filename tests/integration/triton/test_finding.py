"""Finding over Triton gives what it gives on its own, at both looks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry

from benchmarks.pictures import new_scenes
from fovea.kernel.v1 import prompt_pb2
from fovea.segmentation.v1 import segmentation_pb2 as pb
from fovea.segmentation.v1 import segmentation_pb2_grpc
from infra.local.server import Running
from services.runtime.codec.region import write_image
from services.runtime.metrics import ModelMetrics
from services.segmentation.assembly import assemble, open_finder
from services.segmentation.settings import SegmentationSettings
from tests.fakes.found import stored
from tests.fakes.object_store import InMemoryStore
from tests.fakes.serving import served

pytestmark = pytest.mark.integration
(PICTURE,) = new_scenes(1, side_px=512)()
IMAGE = stored(PICTURE, (512, 512))
NAMES = ("taco", "chestnut", "seedling", "wren")


@contextmanager
def opened(settings: SegmentationSettings) -> Iterator[segmentation_pb2_grpc.SegmentationServiceStub]:
    """Serve segmentation, with a picture in its store."""
    store = InMemoryStore()
    store.put(IMAGE.key, PICTURE)
    finder = open_finder(settings, ModelMetrics(CollectorRegistry()))
    assembly = assemble(settings, store, finder, version="1")
    for check in assembly.checks.values():
        check()
    with served(*assembly.servicers) as channel:
        yield segmentation_pb2_grpc.SegmentationServiceStub(channel)
    for each in assembly.background:
        each.close()


def best(stub: segmentation_pb2_grpc.SegmentationServiceStub) -> tuple[list[str], dict[int, list[float]]]:
    """Return the models in the record, and box and score of each prompt's best region."""
    request = pb.ProposeRegionsRequest(
        image=write_image(IMAGE),
        prompts=[prompt_pb2.Prompt(name=name) for name in NAMES],
        find=prompt_pb2.FindOptions(threshold=0.0),
    )
    answer = stub.ProposeRegions(request, timeout=60.0)
    found: dict[int, list[float]] = {}
    for each in answer.regions:
        box = each.box
        place = [box.left, box.top, box.right, box.bottom, 100 * each.found_by.score]
        found.setdefault(each.found_by.prompt, place)
    return list(answer.stage.models), found


@pytest.mark.parametrize("places", [None, 0])
def test_names_are_found_alike_here_and_on_triton(triton_server: Running, places: int | None) -> None:
    real = SegmentationSettings.load(
        triton_url=triton_server.settings["FOVEA_TRITON_URL"], second_look=places
    )
    with opened(real) as stub:
        there_models, there = best(stub)
    with opened(SegmentationSettings.load(second_look=places)) as stub:
        here_models, here = best(stub)

    assert there_models == here_models
    assert any(model.startswith("fovea-global@") for model in here_models) is (places is None)
    assert here.keys() == there.keys() == set(range(len(NAMES)))
    for prompt, place in here.items():
        assert there[prompt] == pytest.approx(place, abs=0.05)
