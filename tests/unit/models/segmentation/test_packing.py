"""All phrases of a picture stand in one sample, as many as a pass takes."""

from __future__ import annotations

import numpy as np

from models.segmentation.packing import MOST_PHRASES, asked, packed, thinned
from models.segmentation.samples import Prompt, PromptKind, Sample, Thing
from models.vision.boxes import Box


def scene(phrases: int, names: int = 2) -> Sample:
    """Return a sample whose first names are absent; each place is spoken of by two phrases."""
    prompts = [Prompt(PromptKind.NAME, f"name {number}") for number in range(names)]
    prompts += [Prompt(PromptKind.PHRASE, f"phrase {number}") for number in range(phrases)]
    things = [
        Thing(
            Box(20 * place, 0, 20 * place + 10, 10),
            np.ones((10, 10), dtype=np.bool_),
            frozenset({names + 2 * place, names + 2 * place + 1}) & frozenset(range(len(prompts))),
            stuff=False,
            label=str(place),
        )
        for place in range(-(-phrases // 2))
    ]
    return Sample(np.zeros((10, 10, 3), dtype=np.uint8), tuple(prompts), tuple(things), "drawn")


def test_of_boxes_at_the_same_place_one_stays_and_which_is_chance() -> None:
    boxes = [Box(0, 0, 10, 10), Box(1, 0, 10, 10), Box(50, 0, 60, 10)]
    chosen = {tuple(thinned(boxes, np.random.default_rng(seed))) for seed in range(20)}

    assert chosen == {(0, 2), (1, 2)}


def test_boxes_that_overlap_by_no_more_than_the_threshold_stay_both() -> None:
    ten = Box(0, 0, 10, 10)

    assert thinned([ten, Box(0, 0, 10, 6)], np.random.default_rng(0)) == [0, 1]  # 0.6
    assert len(thinned([ten, Box(0, 0, 10, 7)], np.random.default_rng(0))) == 1  # 0.7


def test_no_more_phrases_stay_than_a_pass_takes() -> None:
    sample = packed(scene(400), np.random.default_rng(0))

    assert len(sample.prompts) == MOST_PHRASES
    assert all(thing.answers <= set(range(MOST_PHRASES)) for thing in sample.things)


def test_answers_follow_their_prompts() -> None:
    whole = scene(40)
    few = packed(whole, np.random.default_rng(3), most=10)

    said = {
        (prompt.text, thing.label)
        for thing in few.things
        for prompt in (few.prompts[i] for i in thing.answers)
    }
    true = {
        (prompt.text, thing.label)
        for thing in whole.things
        for prompt in (whole.prompts[i] for i in thing.answers)
    }
    assert said < true
    assert len(few.prompts) == 10


def test_a_sample_that_fits_is_left_as_it_is() -> None:
    sample = scene(20)

    assert packed(sample, np.random.default_rng(0)) is sample


def test_what_is_asked_stands_in_the_order_of_the_question() -> None:
    whole = scene(4)
    turned = asked(whole, [5, 2])

    assert [prompt.text for prompt in turned.prompts] == ["phrase 3", "phrase 0"]
    assert [thing.answers for thing in turned.things] == [frozenset({1}), frozenset({0})]
