import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.vision.boxes import Box
from models.vision.preparation import DEFAULTS, Fit, PreparationSettings, blurred_outside, enlarged, prepare

SMALL = PreparationSettings(size_px=16)


def checkerboard(width_px: int = 60, height_px: int = 40) -> np.ndarray:
    rows, columns = np.indices((height_px, width_px))
    grey = (((rows + columns) % 2) * 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


@pytest.mark.parametrize("sigma", [0.03, 0.3])
def test_a_checkerboard_stays_exact_inside_and_loses_its_contrast_outside(sigma: float) -> None:
    crop = checkerboard()
    sharp = np.zeros((40, 60), dtype=bool)
    sharp[10:30, 20:40] = True

    blurred = blurred_outside(crop, sharp, sigma)

    np.testing.assert_array_equal(blurred[sharp], crop[sharp])
    assert blurred[~sharp].var() < 0.05 * crop[~sharp].var()


def test_the_crop_that_was_given_is_not_written_to() -> None:
    crop = checkerboard()
    before = crop.copy()

    blurred_outside(crop, np.zeros((40, 60), dtype=bool), 0.1)

    np.testing.assert_array_equal(crop, before)


def test_a_mask_keeps_sharp_what_it_covers_and_not_its_box() -> None:
    image = checkerboard(64, 64)
    mask = np.zeros((64, 64), dtype=bool)
    mask[20:44, 20:32] = True
    plain = dataclasses.replace(DEFAULTS, size_px=24, scale_small=1.0, scale_large=1.0, blur_sigma=0.2)

    prepared = prepare(image, Box(20, 20, 44, 44), mask, plain)

    np.testing.assert_array_equal(prepared[:, :12], image[20:44, 20:32])
    assert prepared[:, 12:].var() < 0.05 * image.var()


def test_without_enlargement_or_blur_a_box_of_the_right_size_is_cut_out_exactly() -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    plain = dataclasses.replace(SMALL, scale_small=1.0, scale_large=1.0)

    np.testing.assert_array_equal(prepare(image, Box(30, 20, 46, 36), None, plain), image[20:36, 30:46])


def test_the_whole_image_is_resized_and_padded_with_white() -> None:
    image = np.zeros((20, 40, 3), dtype=np.uint8)

    prepared = prepare(image, settings=SMALL)

    assert prepared.shape == (16, 16, 3)
    assert (prepared[4:12] == 0).all()
    assert (prepared[:4] == 255).all()
    assert (prepared[12:] == 255).all()


def test_a_box_around_the_whole_image_equals_no_box() -> None:
    image = checkerboard()

    np.testing.assert_array_equal(
        prepare(image, Box(-5, -5, 99, 99), None, SMALL), prepare(image, settings=SMALL)
    )


def test_stretched_a_crop_fills_the_square() -> None:
    image = np.zeros((20, 40, 3), dtype=np.uint8)

    assert (prepare(image, settings=dataclasses.replace(SMALL, fit="stretch")) == 0).all()


@pytest.mark.parametrize("size", [(20, 41), (37, 23), (16, 16), (50, 17)])
@pytest.mark.parametrize("resize_px", [0, 19])
def test_covering_is_resizing_the_shorter_side_and_cutting_out_the_middle(
    size: tuple[int, int], resize_px: int
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    height_px, width_px = (int((resize_px or 16) * side / min(size)) for side in size)
    whole = Image.fromarray(image).resize((width_px, height_px), Image.Resampling.BILINEAR)
    left, top = (width_px - 16) // 2, (height_px - 16) // 2

    prepared = prepare(
        image, settings=dataclasses.replace(SMALL, fit="cover", resize_px=resize_px, resample="bilinear")
    )

    expected = np.asarray(whole)[top : top + 16, left : left + 16]
    np.testing.assert_allclose(prepared.astype(int), expected.astype(int), atol=1)  # rounding


def test_covering_a_line_of_pixels_draws_no_more_than_the_square() -> None:
    image = np.zeros((1, 20_000, 3), dtype=np.uint8)

    assert prepare(image, settings=PreparationSettings(size_px=224, fit="cover")).shape == (224, 224, 3)


def test_a_filter_changes_what_is_drawn() -> None:
    sharp, soft = (
        prepare(checkerboard(), settings=dataclasses.replace(SMALL, resample=name)).astype(int)
        for name in ("nearest", "bilinear")
    )

    assert sharp.var() > 2 * soft.var()


@pytest.mark.parametrize(("fit", "resize_px"), [("pad", 20), ("cover", 15)])
def test_a_resize_that_could_not_be_meant_is_refused(fit: Fit, resize_px: int) -> None:
    with pytest.raises(ValueError, match="resize_px"):
        dataclasses.replace(SMALL, fit=fit, resize_px=resize_px)


@given(
    left=st.integers(0, 59),
    top=st.integers(0, 39),
    width_px=st.integers(1, 60),
    height_px=st.integers(1, 40),
)
@settings(max_examples=60, deadline=None)
def test_boxes_anywhere_and_of_one_pixel_work(left: int, top: int, width_px: int, height_px: int) -> None:
    prepared = prepare(checkerboard(), Box(left, top, left + width_px, top + height_px), None, SMALL)

    assert prepared.shape == (16, 16, 3)
    assert prepared.dtype == np.uint8


@pytest.mark.parametrize("box", [Box(60, 0, 70, 10), Box(-9, 0, 0, 10), Box(5, 5, 5, 9), Box(9, 9, 5, 5)])
def test_a_box_without_a_pixel_of_the_image_is_refused(box: Box) -> None:
    with pytest.raises(ValueError, match="no pixel of the 60 x 40 image"):
        prepare(checkerboard(), box, None, SMALL)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="the mask is 60 x 41, the image 60 x 40"):
        prepare(checkerboard(), Box(0, 0, 5, 5), np.ones((41, 60), dtype=bool), SMALL)


def test_a_small_object_gets_more_surroundings_than_a_large_one() -> None:
    settings_ = PreparationSettings(scale_small=2.0, scale_large=1.0, share_small=0.1, share_large=0.5)

    assert enlarged(Box(48, 48, 52, 52), 100, 100, settings_) == Box(46, 46, 54, 54)
    assert enlarged(Box(20, 20, 80, 80), 100, 100, settings_) == Box(20, 20, 80, 80)
    assert settings_.scale(0.3) == pytest.approx(1.5)


def test_the_enlarged_crop_is_cut_at_the_border() -> None:
    wide = dataclasses.replace(DEFAULTS, scale_small=3.0, scale_large=3.0)

    assert enlarged(Box(0, 90, 10, 100), 100, 100, wide) == Box(0, 80, 20, 100)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size_px": 0},
        {"padding": 256},
        {"scale_small": 0.5},
        {"blur_sigma": -1.0},
        {"share_small": 0.5, "share_large": 0.5},
    ],
)
def test_settings_that_could_not_be_meant_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must|range"):
        PreparationSettings(**wrong)  # type: ignore[arg-type]
