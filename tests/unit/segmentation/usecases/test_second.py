"""The second look in the service: what is kept, what is said of it, and when it is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from jaxtyping import Float32, UInt8

from models.segmentation.second_look import SecondLook
from services.kernel.errors import DeadlineExceeded, Unavailable
from services.kernel.vocabulary import Box, FindOptions, Prompt, PromptKind
from services.segmentation.domain.seen import Seen
from services.segmentation.usecases import Found, MapOrder, SecondLooks
from tests.fakes.encoding import GivenTime
from tests.fakes.finding import ColourSeer, PaintedDetector
from tests.fakes.found import IMAGE, FakeSegmentation, painted, stored

LOOK = SecondLook(most=2, least_objectness=0.0, own=1.0, crop=2.0, shift=0.5)
THRESHOLDS: Mapping[PromptKind, float] = {PromptKind.NAME: 0.2, PromptKind.EXEMPLAR: 0.3}
EVERYTHING = FindOptions(threshold=0.0)
RED_BOX = Prompt(PromptKind.NAME, "red")


def _nothing() -> None:
    """Let everything pass."""


@dataclass
class WatchedSeer(ColourSeer):
    """Has `before` run ahead of each call."""

    before: Callable[[], None] = _nothing

    def encode(self, crops: UInt8[np.ndarray, "n size size 3"]) -> Float32[np.ndarray, "n dim"]:
        self.before()
        return super().encode(crops)


class Late(PaintedDetector):
    """Takes a second of the caller's time for each pass."""

    def __init__(self, limit: GivenTime) -> None:
        super().__init__()
        self.limit = limit

    def look(
        self,
        squares: UInt8[np.ndarray, "n side side 3"],
        sentences: Float32[np.ndarray, "m dim"] | None = None,
    ) -> Seen:
        assert self.limit.left_s is not None
        self.limit.left_s -= 1.0
        return super().look(squares, sentences)


def segmentation(
    seer: WatchedSeer, *, look: SecondLook = LOOK, left_s: float | None = None
) -> FakeSegmentation:
    limit = GivenTime(left_s)
    detector = None if left_s is None else Late(limit)
    return FakeSegmentation(limit=limit, detector=detector, second=SecondLooks(seer, look, THRESHOLDS, limit))


def scores(found: Found) -> list[float]:
    return [each.found_by.score for each in found.regions if each.found_by]


def test_crops_of_what_is_there_are_seen_once_whatever_is_asked() -> None:
    seer = WatchedSeer()
    service = segmentation(seer)

    service.find(IMAGE, [RED_BOX], EVERYTHING)
    service.find(IMAGE, [Prompt(PromptKind.NAME, "blue"), RED_BOX], EVERYTHING)

    assert seer.batches == [2]
    assert service.counted["passes"].outcomes == {"miss": 1, "hit": 1}


def test_what_crops_say_joins_the_scores_and_names_stay_independent() -> None:
    plain, twice = FakeSegmentation(), segmentation(WatchedSeer())

    before = plain.find(IMAGE, [RED_BOX], EVERYTHING)
    alone = twice.find(IMAGE, [RED_BOX], EVERYTHING)
    among = twice.find(
        IMAGE, [RED_BOX, *(Prompt(PromptKind.NAME, f"{n} blue") for n in range(40))], EVERYTHING
    )

    own = [each.found_by.score for each in among.regions if each.found_by and each.found_by.prompt == 0]
    assert scores(alone) != pytest.approx(scores(before), abs=1e-9)
    assert own == pytest.approx(scores(alone), abs=1e-5)


def test_thresholds_are_those_of_the_second_look_where_it_was_taken() -> None:
    (region,) = segmentation(WatchedSeer()).find(IMAGE, [RED_BOX], FindOptions()).regions

    assert region.found_by is not None
    assert region.found_by.threshold == pytest.approx(0.2)


def test_phrases_are_not_looked_at_twice() -> None:
    seer = WatchedSeer()

    found = segmentation(seer).find(IMAGE, [Prompt(PromptKind.PHRASE, "the red one")], FindOptions())

    assert not seer.batches
    assert found.regions[0].found_by is not None
    assert found.regions[0].found_by.threshold == pytest.approx(0.6)
    assert found.models == ("painted@1", "scored@1", "colour-reader@1")


def test_the_record_names_who_saw_the_crops() -> None:
    seer = WatchedSeer()

    found = segmentation(seer).find(IMAGE, [RED_BOX], FindOptions())

    assert found.models == ("painted@1", "scored@1", "colour-reader@1", *seer.models())
    assert found.rungs == ()


def test_without_anybody_to_see_crops_the_detectors_own_scores_and_thresholds_count() -> None:
    def away() -> None:
        raise Unavailable("the encoder is away")

    service = segmentation(WatchedSeer(before=away))
    plain = FakeSegmentation().find(IMAGE, [RED_BOX], FindOptions())

    found = service.find(IMAGE, [RED_BOX], FindOptions())

    assert found.regions == plain.regions
    assert found.rungs == ("second_look_left_out",)
    assert found.models == plain.models


def test_what_was_looked_at_once_is_not_kept_as_if_it_had_been_looked_at_twice() -> None:
    seer = WatchedSeer()
    service = segmentation(seer)

    def away() -> None:
        raise Unavailable("the encoder is away")

    seer.before = away
    first = service.find(IMAGE, [RED_BOX], FindOptions())
    seer.before = _nothing
    second = service.find(IMAGE, [RED_BOX], FindOptions())

    assert first.rungs == ("second_look_left_out",)
    assert second.rungs == ()
    assert seer.batches == [2]


@pytest.mark.parametrize(("left_s", "rungs"), [(1.9, ("second_look_left_out",)), (2.1, ())])
def test_the_second_look_is_left_out_if_less_time_is_left_than_the_first_took(
    left_s: float, rungs: tuple[str, ...]
) -> None:
    found = segmentation(WatchedSeer(), left_s=left_s).find(IMAGE, [RED_BOX], FindOptions())

    assert found.rungs == rungs
    assert found.regions


def test_whoever_gives_up_while_crops_are_seen_is_not_answered() -> None:
    seer = WatchedSeer()
    service = segmentation(seer, look=SecondLook(6, -20.0, own=1.0, crop=2.0, shift=0.5))

    def give_up() -> None:
        service.limit.given_up = True

    service.detector.before = give_up

    with pytest.raises(DeadlineExceeded):
        service.find(IMAGE, [RED_BOX], FindOptions())


def test_an_image_with_nothing_in_it_is_not_looked_at_again() -> None:
    grey = painted((96, 72), {})
    image = stored(grey, (96, 72))
    seer = WatchedSeer()
    limit = GivenTime()
    service = FakeSegmentation({image.key: grey}, second=SecondLooks(seer, LOOK, THRESHOLDS, limit))

    found = service.find(image, [RED_BOX], FindOptions())

    assert not seer.batches
    assert found.regions == ()
    assert found.rungs == ()


def test_the_surest_places_of_all_tiles_are_looked_at_each_once() -> None:
    size = (384, 96)
    wide = painted(size, {"red": Box(20, 20, 60, 60), "blue": Box(300, 20, 340, 60)})
    image = stored(wide, size)
    seer = WatchedSeer()
    service = FakeSegmentation(
        {image.key: wide}, second=SecondLooks(seer, LOOK, THRESHOLDS, GivenTime()), tiles_from_px=100
    )

    found = service.find(image, [RED_BOX, Prompt(PromptKind.NAME, "blue")], FindOptions())

    assert sum(seer.batches) == 2
    assert len(found.regions) == 2


def test_maps_are_drawn_with_the_second_look_and_say_so() -> None:
    seer = WatchedSeer()
    drawn = segmentation(seer).draw(MapOrder(IMAGE, [RED_BOX]))

    assert seer.batches == [2]
    assert drawn.stage.models[-1] == seer.models()[0]


def test_stuff_on_maps_is_what_the_first_look_says_for_crops_know_things_alone() -> None:
    strict = SecondLook(most=6, least_objectness=0.0, own=1.0, crop=0.0, shift=-50.0)
    order = MapOrder(IMAGE, [RED_BOX])

    as_thing = segmentation(WatchedSeer(), look=strict).draw(order)
    as_stuff = segmentation(WatchedSeer(), look=strict).draw(replace(order, stuff=frozenset({0})))
    at_first = FakeSegmentation().draw(replace(order, stuff=frozenset({0})))

    assert not as_thing.segments
    assert [each.area_px for each in as_stuff.segments] == [each.area_px for each in at_first.segments] != []
