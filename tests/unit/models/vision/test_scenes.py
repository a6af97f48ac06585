import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.vision.boxes import Box
from models.vision.masks import EmptyMaskError, bounding_box
from models.vision.scenes import LEAST_SIDE_PX, CutOut, SceneSettings, compose, shrunk

ROOM = SceneSettings(200, 120, least_px=12, most_px=24)
GREY = np.full((120, 200, 3), 128, dtype=np.uint8)


def disc(label: str, side_px: int = 64, margin_px: int = 8) -> CutOut:
    rows, columns = np.indices((side_px, side_px)) + 0.5 - side_px / 2
    rgba = np.zeros((side_px, side_px, 4), dtype=np.uint8)
    rgba[:, :, 0] = 255
    rgba[:, :, 3] = 255 * (np.hypot(rows, columns) <= side_px / 2 - margin_px)
    return CutOut(label, rgba)


def bar(label: str) -> CutOut:
    rgba = np.zeros((60, 60, 4), dtype=np.uint8)
    rgba[28:31, :, :] = 255
    return CutOut(label, rgba)


DISCS = [disc(str(number)) for number in range(12)]


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_every_pixel_that_changed_lies_in_the_box_of_an_object_or_beside_it(seed: int) -> None:
    scene = compose(DISCS, ROOM, seed=seed, background=GREY)

    untouched = np.ones((120, 200), dtype=bool)
    for each in scene.objects:
        untouched[
            max(each.box.top - 1, 0) : each.box.bottom + 1, max(each.box.left - 1, 0) : each.box.right + 1
        ] = False

    np.testing.assert_array_equal(scene.image[untouched], GREY[untouched])


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_masks_show_the_objects_and_boxes_are_the_smallest_around_them(seed: int) -> None:
    scene = compose(DISCS, ROOM, seed=seed, background=GREY)

    for each in scene.objects:
        mask = each.in_image(200, 120)
        assert bounding_box(mask) == each.box
        assert (scene.image[mask][:, 0] > 128).all()
        assert scene.image[mask][:, 1].mean() < 40


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_no_two_objects_share_a_pixel_and_sizes_are_those_asked_for(seed: int) -> None:
    scene = compose(DISCS, ROOM, seed=seed)

    seen = sum(each.in_image(200, 120).astype(int) for each in scene.objects)
    sides = [max(each.box.right - each.box.left, each.box.bottom - each.box.top) for each in scene.objects]

    assert np.max(seen) == 1
    assert all(11 <= side <= 24 for side in sides)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = (compose(DISCS, ROOM, seed=seed) for seed in (1, 1, 2))

    np.testing.assert_array_equal(first.image, again.image)
    assert [each.box for each in first.objects] == [each.box for each in again.objects]
    assert (first.image != other.image).any()


def test_objects_stand_in_the_order_of_their_cut_outs_with_their_labels() -> None:
    labels = [each.label for each in compose(DISCS, ROOM, seed=3).objects]

    assert labels == [str(number) for number in range(12)]


def test_what_finds_no_place_is_left_out_and_not_laid_over_another() -> None:
    scene = compose([disc(str(number)) for number in range(40)], SceneSettings(64, 64, 20, 24), seed=0)

    assert 2 <= len(scene.objects) <= 9


def test_a_thing_too_thin_to_be_seen_is_left_out() -> None:
    scene = compose([bar("thin"), disc("round")], SceneSettings(64, 64, 10, 10), seed=0)

    assert [each.label for each in scene.objects] == ["round"]


def test_a_thing_that_is_nowhere_opaque_is_left_out() -> None:
    faint = CutOut("faint", np.full((20, 20, 4), 90, dtype=np.uint8))

    assert compose([faint], ROOM, seed=0).objects == ()


def test_the_background_that_was_given_is_not_written_to() -> None:
    before = GREY.copy()

    compose(DISCS, ROOM, seed=0, background=GREY)

    np.testing.assert_array_equal(GREY, before)


def test_a_background_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="background"):
        compose(DISCS, ROOM, seed=0, background=GREY[:-1])


@pytest.mark.parametrize(("least_px", "most_px"), [(LEAST_SIDE_PX - 1, 20), (20, 12), (12, 118)])
def test_sizes_that_cannot_be_told_apart_or_do_not_fit_are_refused(least_px: int, most_px: int) -> None:
    with pytest.raises(ValueError, match="px"):
        SceneSettings(200, 120, least_px, most_px)


def test_shrinking_takes_off_the_empty_margin_and_keeps_the_aspect() -> None:
    rgba = np.zeros((100, 80, 4), dtype=np.uint8)
    rgba[10:50, 20:40] = 255

    assert shrunk(rgba, 20).shape == (20, 10, 4)


def test_a_cut_out_that_is_nowhere_opaque_is_refused() -> None:
    with pytest.raises(EmptyMaskError):
        shrunk(np.zeros((8, 8, 4), dtype=np.uint8), 8)


def test_what_is_half_opaque_lets_the_background_through() -> None:
    rgba = np.full((16, 16, 4), 255, dtype=np.uint8)
    rgba[:, :, 3] = 200

    scene = compose([CutOut("veil", rgba)], SceneSettings(64, 64, 16, 16), seed=0, background=GREY[:64, :64])

    box = scene.objects[0].box
    assert (scene.image[box.rows, box.columns] == round(128 + 127 * 200 / 255)).all()


def test_colours_under_full_transparency_do_not_bleed_into_the_edge() -> None:
    rgba = np.zeros((64, 64, 4), dtype=np.uint8)
    rgba[:, :, 1] = 255
    rgba[16:48, 16:48] = (255, 0, 0, 255)

    scene = compose([CutOut("red", rgba)], SceneSettings(64, 64, 16, 16), seed=0, background=GREY[:64, :64])

    box = scene.objects[0].box
    assert box.area == Box(0, 0, 16, 16).area
    assert scene.image[box.rows, box.columns, 1].max() <= 128
