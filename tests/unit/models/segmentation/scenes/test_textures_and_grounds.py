"""Stuff by rule, and scenes that are all stuff."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.segmentation.samples import Sample
from models.segmentation.scenes.compositor import Materials, SceneSettings
from models.segmentation.scenes.grounds import apart_from_stuff, stuff_scene
from models.segmentation.scenes.pools import pool
from models.segmentation.scenes.sets import SHARES
from models.segmentation.scenes.sources import Use
from models.segmentation.scenes.textures import TEXTURES, Draws
from models.segmentation.stuff import LEAST_PX, components
from tests.fakes.drawings import drawing, shapes

SETTINGS = SceneSettings(sizes_px=((240, 200),), most=4)


def scene(number: int) -> Sample:
    return stuff_scene(
        Materials(apart_from_stuff(shapes())), SETTINGS, np.random.default_rng(number), "stuff"
    )


@pytest.mark.parametrize("name", TEXTURES)
@pytest.mark.parametrize("size_px", [(90, 60), (1, 1), (3, 200)])
def test_a_texture_has_the_size_that_is_asked_and_depends_on_its_seed(
    name: str, size_px: tuple[int, int]
) -> None:
    first, again, other = (TEXTURES[name](*size_px, Draws(np.random.default_rng(seed))) for seed in (1, 1, 2))

    assert first.shape == (size_px[1], size_px[0], 3)
    np.testing.assert_array_equal(first, again)
    assert size_px == (1, 1) or first.tobytes() != other.tobytes()


@pytest.mark.parametrize("name", TEXTURES)
def test_a_texture_is_no_plain_colour(name: str) -> None:
    drawn = TEXTURES[name](300, 300, Draws(np.random.default_rng(5)))

    assert drawn.astype(np.float64).std(axis=(0, 1)).max() > 3


@given(st.integers(0, 1000))
def test_a_parameter_of_one_use_is_none_of_another(seed: int) -> None:
    drawn = {use: Draws(np.random.default_rng(seed), SHARES[use]).share() for use in Use}

    for use, share in drawn.items():
        holders = [each for each in Use if any(start <= share < end for start, end in SHARES[each])]
        assert holders == [use]


@pytest.mark.parametrize("number", range(15))
def test_every_pixel_is_of_one_thing_or_one_part_of_stuff(number: int) -> None:
    sample = scene(number)
    height_px, width_px = sample.image.shape[:2]
    layers = np.sum([thing.in_image(width_px, height_px) for thing in sample.things], axis=0)

    assert layers.max() == 1
    left_over = components(layers == 0, least_px=1)
    assert all(np.count_nonzero(part.mask) < LEAST_PX for part in left_over)


@pytest.mark.parametrize("number", range(15))
def test_each_part_of_stuff_hangs_together_and_answers_its_name(number: int) -> None:
    sample = scene(number)
    stuff = [thing for thing in sample.things if thing.stuff]

    assert 1 <= len({thing.label for thing in stuff}) <= 4
    for thing in stuff:
        assert len(components(thing.mask)) == 1
        assert [sample.prompts[place].text for place in thing.answers] == [thing.label]


def test_half_of_what_is_absent_is_stuff() -> None:
    sample = scene(0)
    absent = [sample.prompts[place].text for place in sample.absent()]

    assert len(absent) == SETTINGS.absent
    assert sum(text in TEXTURES for text in absent) == SETTINGS.absent // 2


def test_no_thing_has_a_name_that_is_true_of_stuff() -> None:
    known = apart_from_stuff(
        pool(drawing(name) for name in ("water wave", "snow", "star", "cloud", "snowman"))
    )

    assert known.labels == ("STAR", "SNOWMAN")
