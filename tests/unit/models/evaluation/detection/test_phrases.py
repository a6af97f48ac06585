import numpy as np

from models.evaluation.detection.phrases import COLOUR, ORDER, POSITION, SIZE, aspects, with_strangers
from models.segmentation.samples import Prompt, PromptKind, Sample


def scene(*texts: str) -> Sample:
    prompts = tuple(Prompt(PromptKind.PHRASE, text) for text in texts)
    return Sample(np.zeros((8, 8, 3), dtype=np.uint8), prompts, (), "drawn")


def test_a_phrase_tells_things_apart_by_what_it_says() -> None:
    assert aspects("the red star on the left") == {COLOUR, POSITION}
    assert aspects("Would you mark the second clamp from the top for me?") == {ORDER, POSITION}
    assert aspects("the biggest clamp") == {SIZE}
    assert aspects("every clamp") == frozenset()


def test_strangers_speak_of_nothing_that_is_here() -> None:
    here = scene("the red star")
    others = [here, scene("the blue star", "every clamp"), scene("the largest thing", "the red mushroom")]

    asked = with_strangers(here, others, 9, ["star"])

    assert asked.prompts[:1] == here.prompts
    assert {each.text for each in asked.prompts[1:]} == {"every clamp", "the red mushroom"}


def test_strangers_are_as_many_as_asked_for_and_always_the_same() -> None:
    here, other = scene("the star"), scene(*(f"the kind{number}" for number in range(30)))

    asked = [with_strangers(here, [other], 5, ["star"]).prompts for _ in range(2)]

    assert asked[0] == asked[1]
    assert len(asked[0]) == 6
