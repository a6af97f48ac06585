from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from models.vision import masks
from services.kernel.errors import InvalidInput
from services.kernel.regions import whole_image
from services.kernel.vocabulary import Box, ImageReference, Mask, Point, Polygon, Region, RegionOrigin
from services.segmentation.domain import shapes as domain

WIDTH, HEIGHT = 8, 6
IMAGE = ImageReference("00" * 32, "t/c/images/00", "image/png", 100, WIDTH, HEIGHT)
DRAWINGS = arrays.arrays(np.bool_, (HEIGHT, WIDTH))


def polygon(*corners: tuple[float, float]) -> Polygon:
    return Polygon(tuple(Point(x, y) for x, y in corners))


def mask_of(drawing: np.ndarray) -> Mask:
    return Mask(HEIGHT, WIDTH, masks.encode(drawing))


def drawing_of(region: Region) -> np.ndarray:
    assert region.mask is not None
    return masks.decode(region.mask.counts, width_px=region.mask.width_px, height_px=region.mask.height_px)


def refusal(shape: Box | Polygon | Mask, index: int = 2) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        domain.region(index, shape, IMAGE)
    return caught.value


def test_the_whole_image_is_one_region_without_a_mask() -> None:
    assert whole_image(IMAGE) == Region("0", Box(0, 0, 8, 6), RegionOrigin.WHOLE_IMAGE)


def test_a_box_inside_the_image_stays_as_it_is() -> None:
    assert domain.region(3, Box(1.5, 2, 4, 5.25), IMAGE) == Region(
        "3", Box(1.5, 2, 4, 5.25), RegionOrigin.CALLER
    )


def test_a_box_partly_outside_is_clipped() -> None:
    assert domain.region(0, Box(-5, -1, 3, 99), IMAGE).box == Box(0, 0, 3, 6)


@pytest.mark.parametrize(
    "box", [Box(8, 0, 9, 6), Box(-3, 0, 0, 6), Box(0, 6, 8, 7), Box(0, -2, 8, 0), Box(100, 100, 200, 200)]
)
def test_a_box_that_only_touches_the_image_or_lies_elsewhere_is_refused_with_field_and_size(box: Box) -> None:
    error = refusal(box)

    assert (error.field, error.reason) == ("shapes[2].box", "BOX_OUTSIDE_IMAGE")
    assert "8 x 6" in error.message


def test_a_polygon_gets_the_mask_of_its_pixels_and_their_box() -> None:
    region = domain.region(1, polygon((2, 1), (6, 1), (6, 4), (2, 4)), IMAGE)

    expected = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    expected[1:4, 2:6] = True
    np.testing.assert_array_equal(drawing_of(region), expected)
    assert region.box == Box(2, 1, 6, 4)
    assert (region.region_id, region.origin) == ("1", RegionOrigin.CALLER)


CORNERS = st.lists(
    st.tuples(st.floats(-4, WIDTH + 4, width=32), st.floats(-4, HEIGHT + 4, width=32)),
    min_size=3,
    max_size=6,
)


@given(CORNERS)
def test_a_polygon_covers_what_it_covers_when_drawn_on_the_whole_image(
    corners: Sequence[tuple[float, float]],
) -> None:
    whole = masks.rasterise([np.array(corners)], width_px=WIDTH, height_px=HEIGHT)
    if not whole.any():
        assert refusal(polygon(*corners)).field == "shapes[2].polygon"
        return

    region = domain.region(0, polygon(*corners), IMAGE)

    tight = masks.bounding_box(whole)
    np.testing.assert_array_equal(drawing_of(region), whole)
    assert region.mask == mask_of(whole)
    assert region.box == Box(tight.left, tight.top, tight.right, tight.bottom)


def test_a_polygon_beside_the_image_is_refused() -> None:
    error = refusal(polygon((9, 0), (12, 0), (12, 5)))

    assert (error.field, error.reason) == ("shapes[2].polygon", "POLYGON_OUTSIDE_IMAGE")
    assert "8 x 6" in error.message


def test_a_polygon_too_thin_for_any_pixel_is_refused() -> None:
    assert refusal(polygon((1, 1), (5, 1.1), (1, 1.2))).reason == "POLYGON_EMPTY"


def test_a_polygon_that_shreds_the_image_is_refused_before_it_costs_memory() -> None:
    large = ImageReference("00" * 32, "key", "image/png", 100, 4000, 4000)
    corners = np.random.default_rng(7).uniform(0, 4000, (2000, 2)).tolist()

    with pytest.raises(InvalidInput) as caught:
        domain.region(0, polygon(*corners), large)

    assert (caught.value.field, caught.value.reason) == ("shapes[0].polygon", "TOO_MANY_MASK_RUNS")


@given(DRAWINGS.filter(np.any))
def test_a_mask_stays_and_gets_the_smallest_box_around_it(drawing: np.ndarray) -> None:
    region = domain.region(0, mask_of(drawing), IMAGE)

    tight = masks.bounding_box(drawing)
    assert region.mask == mask_of(drawing)
    assert region.box == Box(tight.left, tight.top, tight.right, tight.bottom)


def test_a_run_that_goes_on_in_the_next_column_reaches_from_top_to_bottom() -> None:
    assert domain.region(0, Mask(HEIGHT, WIDTH, (9, 6, 33)), IMAGE).box == Box(1, 0, 3, 6)


def test_runs_of_length_zero_do_not_stretch_the_box_of_a_mask() -> None:
    counts = (0, 0, 13, 2, 0, 1, 32, 0)

    assert domain.region(0, Mask(HEIGHT, WIDTH, counts), IMAGE).box == Box(2, 1, 3, 4)


def test_a_mask_of_another_size_is_refused_even_if_it_has_as_many_pixels() -> None:
    error = refusal(Mask(WIDTH, HEIGHT, (0, 48)))

    assert (error.field, error.reason) == ("shapes[2].mask", "MASK_SIZE_MISMATCH")
    assert "8 x 6" in error.message


@pytest.mark.parametrize("counts", [(), (10, 10), (0, 49), (2**32 - 1, 2**32 - 1)])
def test_a_mask_whose_counts_do_not_sum_to_the_image_is_refused(counts: tuple[int, ...]) -> None:
    error = refusal(Mask(HEIGHT, WIDTH, counts))

    assert (error.field, error.reason) == ("shapes[2].mask.counts", "MASK_COUNTS_INVALID")


@pytest.mark.parametrize("counts", [(48,), (40, 0, 8)])
def test_an_empty_mask_is_refused(counts: tuple[int, ...]) -> None:
    assert refusal(Mask(HEIGHT, WIDTH, counts)).reason == "MASK_EMPTY"


@pytest.mark.parametrize("size", [(0, 6), (8, 0), (20_000, 1), (16_000, 16_000)])
def test_an_image_of_impossible_size_is_refused_before_anything_is_drawn(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidInput) as caught:
        domain.checked_image(ImageReference("00" * 32, "key", "image/png", 100, *size))

    assert caught.value.field == "image"
