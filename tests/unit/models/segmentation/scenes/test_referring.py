"""Scenes that are asked for by phrases."""

from __future__ import annotations

import numpy as np
import pytest

from models.segmentation.samples import PromptKind, Sample
from models.segmentation.scenes.camera import Camera
from models.segmentation.scenes.compositor import Materials, SceneSettings
from models.segmentation.scenes.layout import Placing
from models.segmentation.scenes.pools import pool
from models.segmentation.scenes.referring import (
    PHRASES,
    SENTENCES,
    UNHEARD_SENTENCES,
    describable,
    referring_scene,
)
from tests.fakes.drawings import drawing, shapes

STILL = Camera(light=0.0, cast=0.0, blurred=0.0, noisy=0.0, packed=0.0)
SETTINGS = SceneSettings(
    sizes_px=((320, 256),),
    least_px=60,
    most_px=160,
    placing=Placing(visible=0.9, outside=0.0, shadows=0.0),
    camera=STILL,
)


def scene(number: int) -> Sample:
    materials = Materials(describable(shapes()), sentences=SENTENCES)
    return referring_scene(materials, SETTINGS, np.random.default_rng(number), "referring")


@pytest.mark.parametrize("number", range(10))
def test_no_prompt_is_a_name_and_none_is_asked_twice(number: int) -> None:
    sample = scene(number)

    assert {prompt.kind for prompt in sample.prompts} <= {PromptKind.PHRASE, PromptKind.SENTENCE}
    assert len(set(sample.prompts)) == len(sample.prompts) >= 8


def test_some_phrases_are_true_of_one_thing_some_of_several_and_some_of_none() -> None:
    counts = [
        sum(place in thing.answers for thing in sample.things)
        for number in range(20)
        for sample in [scene(number)]
        for place in range(len(sample.prompts))
    ]

    assert counts.count(1) > len(counts) / 5
    assert counts.count(0) > len(counts) / 5
    assert any(count > 1 for count in counts)


def test_the_leftmost_and_the_red_are_so_in_the_picture() -> None:
    checked = 0
    for number in range(20):
        sample = scene(number)
        for place, prompt in enumerate(sample.prompts):
            answers = [thing for thing in sample.things if place in thing.answers]
            if "leftmost" in prompt.text and len(prompt.text.split()) == 3:
                name = prompt.text.split()[-1]
                rivals = [t for t in sample.things if name in (t.label.lower(), "thing")]
                if answers:
                    assert min(rivals, key=lambda t: t.box.left + t.box.right) is answers[0]
                    checked += 1
            if " red " in prompt.text and " not " not in prompt.text:
                for thing in answers:
                    shown = np.median(sample.image[thing.box.rows, thing.box.columns][thing.mask], axis=0)
                    assert shown[0] > 2 * max(shown[1:])
                    checked += 1
    assert checked > 5


def test_sentences_of_evaluation_are_not_trained_on() -> None:
    assert not set(SENTENCES) & set(UNHEARD_SENTENCES)
    assert all(said.count("{}") == 1 for said in (*PHRASES, *SENTENCES, *UNHEARD_SENTENCES))


def test_names_that_say_what_phrases_say_are_left_out() -> None:
    names = (
        "blue heart",
        "left arrow",
        "second place medal",
        "first aid kit",
        "star",
        "small kite",
        "o'clock!",
    )
    known = describable(pool(drawing(name) for name in names))

    assert known.labels == ("STAR",)
