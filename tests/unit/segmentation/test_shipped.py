"""Finding with the detector that ships, on its exported graphs, through the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry

from fovea.kernel.v1 import image_pb2, prompt_pb2, region_pb2
from fovea.segmentation.v1 import segmentation_pb2 as pb
from fovea.segmentation.v1 import segmentation_pb2_grpc
from services.kernel.vocabulary import Box, ImageReference
from services.runtime.codec.region import write_image
from services.runtime.metrics import CacheMetrics, FindingMetrics, ModelMetrics
from services.segmentation.assembly import FindingCounters, assemble, open_finder
from services.segmentation.settings import SegmentationSettings
from tests.fakes.found import painted, stored
from tests.fakes.object_store import InMemoryStore
from tests.fakes.serving import served

PICTURE = painted((200, 150), {"red": Box(20, 20, 90, 100), "blue": Box(110, 40, 190, 140)})
IMAGE = stored(PICTURE, (200, 150))
DOT = painted((1, 1), {})
WIDE = painted((1700, 30), {"red": Box(800, 0, 900, 30)})


@dataclass(frozen=True)
class Running:
    stub: segmentation_pb2_grpc.SegmentationServiceStub
    registry: CollectorRegistry

    def find(
        self, prompts: Sequence[prompt_pb2.Prompt], image: ImageReference = IMAGE, *, threshold: float = 0.0
    ) -> pb.ProposeRegionsResponse:
        request = pb.ProposeRegionsRequest(
            image=write_image(image),
            prompts=prompts,
            find=prompt_pb2.FindOptions(threshold=threshold),
        )
        answer: pb.ProposeRegionsResponse = self.stub.ProposeRegions(request, timeout=60.0)
        return answer

    def counted(self, cache: str, outcome: str) -> float:
        labels = {"cache": cache, "outcome": outcome}
        return self.registry.get_sample_value("fovea_cache_requests_total", labels) or 0.0


@contextmanager
def serving(**given: object) -> Iterator[Running]:
    settings = SegmentationSettings.load(**given)
    registry = CollectorRegistry()
    store = InMemoryStore()
    for data, size in ((PICTURE, (200, 150)), (DOT, (1, 1)), (WIDE, (1700, 30))):
        store.put(stored(data, size).key, data)
    assembly = assemble(
        settings,
        store,
        open_finder(settings, ModelMetrics(CollectorRegistry())),
        version="1.2",
        metrics=FindingCounters(CacheMetrics(registry), FindingMetrics(registry)),
    )
    (servicer,) = assembly.servicers
    with served(servicer) as channel:
        yield Running(segmentation_pb2_grpc.SegmentationServiceStub(channel), registry)
    for each in assembly.background:
        each.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serving() as running:
        yield running


def words(*texts: str) -> list[prompt_pb2.Prompt]:
    return [prompt_pb2.Prompt(name=text) for text in texts]


def found_by(regions: Sequence[region_pb2.Region], prompt: int) -> Mapping[tuple[float, ...], float]:
    """Return the scores of what one prompt found, by box."""
    return {
        (each.box.left, each.box.top, each.box.right, each.box.bottom): each.found_by.score
        for each in regions
        if each.found_by.prompt == prompt
    }


def test_what_a_name_finds_is_the_same_whatever_else_is_asked_and_in_whatever_order(running: Running) -> None:
    alone = found_by(running.find(words("red box")).regions, 0)
    few = found_by(running.find(words("wren", "red box")).regions, 1)
    many = words(*(f"thing of kind {number}" for number in range(150)), "red box")
    among = found_by(running.find(many).regions, 150)
    reversed_ = found_by(running.find(many[::-1]).regions, 0)

    assert alone
    assert few.keys() == alone.keys()
    assert among.keys() <= alone.keys()  # what is left when the best of all prompts stay
    for other in (few, among, reversed_):
        assert all(score == pytest.approx(alone[box], abs=1e-5) for box, score in other.items())


def test_phrases_that_are_asked_with_names_change_nothing_of_theirs(running: Running) -> None:
    phrases = [prompt_pb2.Prompt(phrase="the red box on the left"), prompt_pb2.Prompt(sentence="It is blue.")]

    alone = found_by(running.find(words("red box")).regions, 0)
    mixed = found_by(running.find([*phrases, *words("red box")]).regions, 2)

    assert mixed
    assert all(score == pytest.approx(alone[box], abs=1e-5) for box, score in mixed.items())


def test_boxes_and_masks_lie_in_the_picture(running: Running) -> None:
    regions = running.find(words("red box"), threshold=0.0).regions

    for region in regions:
        assert 0 <= region.box.left < region.box.right <= 200
        assert 0 <= region.box.top < region.box.bottom <= 150
        if region.HasField("mask"):
            assert sum(region.mask.counts) == 200 * 150


def test_new_names_do_not_have_the_image_seen_again(running: Running) -> None:
    running.find(words("red box"))
    before = {outcome: running.counted("passes", outcome) for outcome in ("hit", "miss")}

    running.find(words("a name that nobody asked for yet"))

    assert running.counted("passes", "miss") == before["miss"]
    assert running.counted("passes", "hit") == before["hit"] + 1


def test_a_name_is_read_once(running: Running) -> None:
    running.find(words("zebra finch"))
    before = {outcome: running.counted("prompts", outcome) for outcome in ("hit", "miss")}

    running.find(words("zebra finch", "wren of the north"))

    assert running.counted("prompts", "miss") == before["miss"] + 1
    assert running.counted("prompts", "hit") == before["hit"] + 1


def test_the_record_names_the_models(running: Running) -> None:
    stage = running.find(words("red box")).stage

    assert [model.partition("@")[0] for model in stage.models] == [
        "fovea-detector",
        "fovea-detector-text",
        "fovea-text",
        "fovea-global",
    ]


def test_crops_are_seen_for_names_and_not_without_a_second_look(running: Running) -> None:
    with serving(second_look=0) as once:
        own = once.find(words("red box"))
    both = running.find(words("red box"))

    assert not any(model.startswith("fovea-global@") for model in own.stage.models)
    assert found_by(both.regions, 0).keys() == found_by(own.regions, 0).keys()
    assert found_by(both.regions, 0) != pytest.approx(found_by(own.regions, 0), abs=1e-3)
    assert both.regions[0].found_by.score != own.regions[0].found_by.score


def test_phrases_are_not_looked_at_twice(running: Running) -> None:
    phrase = prompt_pb2.Prompt(phrase="the red box on the left")

    stage = running.find([phrase]).stage

    assert not any(model.startswith("fovea-global@") for model in stage.models)


def test_a_picture_is_looked_for_like_a_name(running: Running) -> None:
    region = region_pb2.Region(region_id="0", box=region_pb2.Box(left=20, top=20, right=90, bottom=100))
    shown = prompt_pb2.ExemplarPicture(image=write_image(IMAGE), region=region)
    prompts = [*words("red box"), prompt_pb2.Prompt(exemplar_id="e-1", picture=shown)]

    answer = running.find(prompts)

    assert found_by(answer.regions, 1)
    assert sum(model.startswith("fovea-global@") for model in answer.stage.models) == 1


@pytest.mark.parametrize(("data", "size"), [(DOT, (1, 1)), (WIDE, (1700, 30))])
def test_a_dot_and_a_line_are_pictures_too(running: Running, data: bytes, size: tuple[int, int]) -> None:
    for region in running.find(words("red box"), stored(data, size)).regions:
        assert 0 <= region.box.left < region.box.right <= size[0]
        assert 0 <= region.box.top < region.box.bottom <= size[1]


def test_maps_are_drawn_of_the_same_pass(running: Running) -> None:
    misses = running.counted("passes", "miss")
    image = image_pb2.ImageReference()
    image.CopyFrom(write_image(IMAGE))

    drawn = running.stub.DrawMaps(
        pb.DrawMapsRequest(image=image, prompts=words("red box", "wren"), stuff=[1]), timeout=60.0
    )

    assert [(each.kind, each.width_px, each.height_px) for each in drawn.maps] == [
        (pb.MAP_KIND_SEMANTIC, 200, 150),
        (pb.MAP_KIND_PANOPTIC, 200, 150),
    ]
    assert running.counted("passes", "miss") <= misses + 1
