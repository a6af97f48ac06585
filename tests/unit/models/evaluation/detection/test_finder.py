import numpy as np
import pytest
from jaxtyping import UInt8

from models.evaluation.detection import figures
from models.evaluation.detection.answers import unpacked
from models.evaluation.detection.finder import Finder, truth_maps
from models.evaluation.detection.intervals import DRAWS
from models.evaluation.detection.prompted import pointed
from models.evaluation.detection.semantic import VOID
from models.evaluation.detection.twice import Twice
from models.segmentation.samples import Prompt, PromptKind, Sample, Thing
from models.segmentation.second_look import SecondLook
from models.vision.boxes import Box
from tests.fakes.detector import COLOURS, ColourImages, ColourScorer, read

THRESHOLDS = dict.fromkeys(PromptKind, 0.5)
RED, BLUE = Box(32, 64, 128, 192), Box(160, 32, 256, 96)


def painted(*rectangles: tuple[str, Box]) -> UInt8[np.ndarray, "h w 3"]:
    image = np.full((256, 384, 3), 127, dtype=np.uint8)
    for colour, box in rectangles:
        image[box.rows, box.columns] = COLOURS[colour]
    return image


def thing(box: Box, *answers: int, stuff: bool = False) -> Thing:
    mask = np.ones((box.bottom - box.top, box.right - box.left), dtype=np.bool_)
    return Thing(box, mask, frozenset(answers), stuff, "")


def sample(*prompts: str, kind: PromptKind = PromptKind.NAME, stuff: bool = False) -> Sample:
    return Sample(
        painted(("red", RED), ("blue", BLUE)),
        tuple(Prompt(kind, text) for text in prompts),
        (thing(RED, 0), thing(BLUE, 1, stuff=stuff)),
        "painted",
    )


def finder(images: ColourImages | None = None) -> Finder:
    return Finder(images or ColourImages(), ColourScorer(), read, THRESHOLDS)


def test_what_is_found_lies_where_it_is_in_the_picture() -> None:
    evidence = finder().find(sample("red", "blue", "green"), 7)

    asked = evidence.asked()
    best = asked.answers.best(1)
    assert best is not None
    assert asked.answers.boxes[best] == pytest.approx([160, 32, 256, 96], abs=1.5)
    mask = unpacked(asked.answers.masks[asked.answers.mask[best]], 384, 256)
    assert mask[40:88, 168:248].all()
    assert not mask[:, :150].any()
    assert evidence.scene == 7
    assert all(each.mask_iou > 0.9 and each.box_iou > 0.9 for each in pointed([asked]))


def test_an_absent_prompt_is_rejected_and_a_present_one_is_not() -> None:
    asked = [finder().find(sample("red", "blue", "green"), 0).asked()]

    above = asked[0].answers.above(np.full(3, 0.5))
    assert sorted(above.prompts.tolist()) == [0, 1]
    assert figures.ap50(asked).value == pytest.approx(1)


def test_a_second_look_changes_the_scores_of_names_and_what_they_were_without_it_stays() -> None:
    def see(crops: np.ndarray) -> dict[str, np.ndarray]:
        assert crops.shape[1:] == (224, 224, 3)
        return {"name": np.tile(read(["red"]), (len(crops), 1))}

    look = SecondLook(most=4, least_objectness=0.0, own=1.0, crop=3.0, shift=-2.0)
    looking = Finder(ColourImages(), ColourScorer(), read, THRESHOLDS, twice=Twice(look, see))
    plain = finder().find(sample("red", "blue"), 0).regions

    found = looking.find(sample("red", "blue"), 0).regions

    np.testing.assert_allclose(found.unaided, plain.logits)
    np.testing.assert_allclose(found.logits[0], plain.logits[0] + [1.0, -2.0], atol=1e-5)
    np.testing.assert_allclose(found.logits[1], plain.logits[1])  # green is not there


def test_phrases_are_not_looked_at_twice() -> None:
    def nobody(_: np.ndarray) -> dict[str, np.ndarray]:
        raise AssertionError

    look = SecondLook(most=4, least_objectness=0.0, own=1.0, crop=3.0, shift=-2.0)
    looking = Finder(ColourImages(), ColourScorer(), read, THRESHOLDS, twice=Twice(look, nobody))

    found = looking.find(sample("red", "blue", kind=PromptKind.PHRASE), 0).regions

    assert (found.logits == found.unaided).all()


def test_names_are_asked_of_a_picture_that_was_read_without_them() -> None:
    images = ColourImages()

    finder(images).find(sample("red", "blue"), 0)

    assert not images.sentences[0].any()
    assert images.sentences[0].shape[1] == 1


def test_phrases_are_read_with_the_picture() -> None:
    images = ColourImages()

    finder(images).find(sample("the red one", "the blue one", kind=PromptKind.PHRASE), 0)

    assert images.sentences[0].tolist() == [read(["the red one", "the blue one"]).tolist()]


def test_all_names_may_be_asked_at_once() -> None:
    vocabulary = ("yellow", "blue", "red")

    evidence = finder().find(sample("red", "blue"), 0, vocabulary=vocabulary)

    every = evidence.asked_everything(vocabulary)
    assert [each.answers for each in every.truths] == [{2}, {1}]
    assert figures.ap50([every]).value == pytest.approx(1)


def test_maps_are_made_where_stuff_is_named() -> None:
    evidence = finder().find(sample("red", "blue", "green", stuff=True), 0, stuff={"blue"})

    covered = figures.covered("all", [evidence], {"red", "blue", "green"})
    assert covered.miou.value > 0.9
    assert covered.pq.value > 0.9
    assert covered.rq.value == pytest.approx(1)
    assert covered.pq.count == 2
    assert finder().find(sample("red", "blue"), 0).pixels == ()


def test_stuff_of_one_name_is_one_segment_and_things_are_many() -> None:
    both = (thing(RED, 0, stuff=True), thing(BLUE, 0, stuff=True))
    prompts = (Prompt(PromptKind.NAME, "red"),)

    pixels, segments, names = truth_maps(Sample(painted(), prompts, both, "painted"))
    _, _, apart = truth_maps(Sample(painted(), prompts, (thing(RED, 0), thing(BLUE, 0)), "painted"))

    assert names == ["red"]
    assert apart == ["red", "red"]
    assert segments[100, 50] == segments[50, 200] == 1
    assert pixels[0, 0] == VOID


def test_an_interval_of_one_scene_has_no_width() -> None:
    found = figures.ap50([finder().find(sample("red", "blue"), 0).asked()])

    assert DRAWS > 1
    assert found.interval == (found.value, found.value)
    assert found.count == 2
