"""A scene's truth is what its pixels show."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.segmentation.samples import PromptKind, Sample
from models.segmentation.scenes.camera import Camera, photographed
from models.segmentation.scenes.compositor import Materials, SceneSettings, named_scene, nameless_scene
from models.segmentation.scenes.drawing import Pose, pose, posed
from models.segmentation.scenes.layout import LEAST_AREA_PX, Canvas, Placing
from models.segmentation.scenes.pools import Drawing, pool
from tests.fakes.drawings import shape, shapes

STILL = Camera(light=0.0, cast=0.0, blurred=0.0, noisy=0.0, packed=0.0)
SETTINGS = SceneSettings(sizes_px=((200, 160),), absent=10)


def scene(number: int, settings: SceneSettings = SETTINGS) -> Sample:
    return named_scene(Materials(shapes()), settings, np.random.default_rng(number), "scenes")


def test_a_scene_depends_on_its_number_alone() -> None:
    again, other = scene(3), scene(4)

    np.testing.assert_array_equal(scene(3).image, again.image)
    assert scene(3).prompts == again.prompts
    assert [thing.box for thing in scene(3).things] == [thing.box for thing in again.things]
    assert other.image.tobytes() != again.image.tobytes()


@pytest.mark.parametrize("number", range(20))
def test_each_thing_answers_its_name_and_ten_names_are_of_nothing(number: int) -> None:
    sample = scene(number)
    said = [prompt.text for prompt in sample.prompts]

    assert {prompt.kind for prompt in sample.prompts} == {PromptKind.NAME}
    assert len(said) == len(set(said))
    assert len(sample.absent()) == SETTINGS.absent
    for thing in sample.things:
        assert [said[place] for place in thing.answers] == [thing.label.lower()]
        assert thing.cutout == f"me/{thing.label.lower()}"


@pytest.mark.parametrize("number", range(20))
def test_masks_are_of_their_boxes_and_do_not_overlap(number: int) -> None:
    sample = scene(number)
    height_px, width_px = sample.image.shape[:2]
    layers = [thing.in_image(width_px, height_px) for thing in sample.things]

    assert np.sum(layers, axis=0).max() <= 1
    for thing in sample.things:
        assert thing.mask[[0, -1]].any(axis=1).all()
        assert thing.mask[:, [0, -1]].any(axis=0).all()


@pytest.mark.parametrize("number", range(20))
def test_a_mask_holds_exactly_the_pixels_that_show_its_thing(number: int) -> None:
    """Three things in red, green and blue on black: a channel says how much of its thing a pixel shows.

    Of a thing that is half opaque or more at a pixel, at least a quarter shows where a fainter edge of
    another lies upon it; and where more than half of it shows, nothing else can.
    """
    rng = np.random.default_rng(number)
    canvas = Canvas(np.zeros((100, 120, 3), dtype=np.uint8), Placing(shadows=0.0))
    channels = []
    for channel, colour in enumerate(((255, 0, 0), (0, 255, 0), (0, 0, 255))):
        how = Pose(int(rng.integers(20, 90)), float(rng.uniform(-40, 40)))
        if canvas.lay(posed(shape(colour), how), rng):
            channels.append(channel)

    assert channels
    for channel, (box, mask) in zip(channels, canvas.masks(), strict=True):
        shown = canvas.image[:, :, channel]
        assert (shown[box.rows, box.columns][mask] >= 62).all()
        outside = np.ones(shown.shape, dtype=np.bool_)
        outside[box.rows, box.columns] = ~mask
        assert (shown[outside] <= 128).all()
    assert (canvas.image[canvas.free()] <= 128).all()


def test_enough_of_each_thing_stays_to_be_seen() -> None:
    placing = Placing(visible=0.4, outside=0.5, shadows=0.5)
    canvas = Canvas(np.zeros((100, 120, 3), dtype=np.uint8), placing)
    rng = np.random.default_rng(0)
    things = [posed(shape((200, 10, 10)), Pose(int(side_px))) for side_px in rng.integers(20, 60, 40)]
    laid = [thing for thing in things if canvas.lay(thing, rng)]

    assert 3 < len(laid) < len(things)
    for thing, (_, mask) in zip(laid, canvas.masks(), strict=True):
        whole = np.count_nonzero(thing[:, :, 3] >= 128)
        assert np.count_nonzero(mask) >= max(LEAST_AREA_PX, placing.visible * whole)


def test_a_shadow_darkens_what_is_under_it_and_nothing_else() -> None:
    light = np.full((60, 60, 3), 200, dtype=np.uint8)
    canvas = Canvas(light, Placing(shadows=1.0, outside=0.0))
    assert canvas.lay(posed(shape((200, 200, 200)), Pose(30)), np.random.default_rng(1))

    around = canvas.image[canvas.free()]
    assert around.max() == 200
    assert 95 <= around.min() < 150


def test_nothing_of_a_nameless_thing_is_known_but_where_it_is() -> None:
    nameless = [
        Drawing(f"clipart/{number}", f"clipart/{number}", "", "", shape((9, 9, 200))) for number in range(5)
    ]
    sample = nameless_scene(Materials(pool(nameless)), SETTINGS, np.random.default_rng(0), "clipart")

    assert sample.things
    assert sample.prompts == ()
    assert sample.verified == frozenset()
    assert all(not thing.answers and thing.label.startswith("clipart/") for thing in sample.things)


def test_sizes_go_with_the_picture() -> None:
    longest = [
        max(thing.box.right - thing.box.left, thing.box.bottom - thing.box.top) / max(sample.image.shape)
        for number in range(15)
        for sample in [scene(number, SceneSettings())]
        for thing in sample.things
    ]

    assert 0.02 < min(longest) < 0.08
    assert 0.3 < max(longest) < 0.75


def test_any_size_from_320_to_640_pixels_is_drawn() -> None:
    sides = np.array([scene(number, SceneSettings(most=1)).image.shape[:2] for number in range(12)])

    assert sides.min() >= 320
    assert sides.max() <= 640
    assert len(np.unique(sides, axis=0)) > 8


def test_synonyms_are_asked_for_only_where_wanted() -> None:
    plain = [prompt.text for number in range(10) for prompt in scene(number).prompts]
    mixed = [
        prompt.text
        for number in range(10)
        for prompt in scene(number, SceneSettings(sizes_px=((200, 160),), synonyms=True)).prompts
    ]

    assert not any(text.endswith("as others say") for text in plain)
    assert 0 < sum(text.endswith("as others say") for text in mixed) < len(mixed) / 2


def test_a_still_camera_changes_nothing_and_no_camera_moves_a_pixel() -> None:
    rng = np.random.default_rng(0)
    picture = np.zeros((64, 64, 3), dtype=np.uint8)
    picture[20:40, 10:50] = 220

    np.testing.assert_array_equal(photographed(picture, STILL, rng), picture)
    everything = Camera(blurred=1.0, noisy=1.0, packed=1.0)
    for _ in range(10):
        taken = photographed(picture, everything, rng).mean(axis=2)
        assert taken.shape == (64, 64)
        middle = (taken.max() + taken.min()) / 2
        bright = taken > middle
        assert np.count_nonzero(bright != (picture[:, :, 0] > 0)) < 40


def test_letters_and_clocks_stay_upright_and_are_not_mirrored() -> None:
    rng = np.random.default_rng(0)
    clock = Drawing("me/clock", "CLOCK", "clock", "", shape((1, 2, 3)), turns=False)
    cat = Drawing("me/cat", "CAT", "cat", "", shape((1, 2, 3)), mirrors=True)
    clocks = [pose(clock, 40, rng) for _ in range(100)]
    cats = [pose(cat, 40, rng) for _ in range(200)]

    assert max(abs(how.degrees) for how in clocks) <= 6
    assert not any(how.mirrored for how in clocks)
    assert 15 < max(abs(how.degrees) for how in cats) <= 60
    assert np.median([abs(how.degrees) for how in cats]) < 10
    assert {how.mirrored for how in cats} == {True, False}
    assert not any(pose(cat, 40, rng, mirrors=False).mirrored for _ in range(20))


@pytest.mark.parametrize("degrees", [0.0, 90.0])
def test_a_pose_sets_size_and_trims_the_margin(degrees: float) -> None:
    laid = posed(shape((9, 200, 9)), Pose(32, degrees))

    assert math.isclose(max(laid.shape[:2]), 32, abs_tol=1)
    assert laid[:, :, 3].max() == 255
