import numpy as np
import pytest

from models.vision import masks
from models.vision.preparation import DEFAULTS, prepare
from services.encoding import domain
from services.encoding.domain import RegionKey, RegionReading
from services.kernel.crops import crops
from services.kernel.errors import InvalidInput
from services.kernel.regions import whole_image
from services.kernel.vocabulary import Box, ImageReference, Mask, Region, RegionOrigin

HEIGHT, WIDTH = 60, 80
CROP, DENSE = RegionReading.CROP, RegionReading.DENSE
IMAGE = ImageReference("ab" * 32, "t/c/images/ab", "image/png", 100, WIDTH, HEIGHT)
NOISE = np.random.default_rng(7).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def region(*box: float, mask: Mask | None = None, region_id: str = "0") -> Region:
    return Region(region_id, Box(*box), RegionOrigin.CALLER, mask)


def disc() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    inside: np.ndarray = (x - 40) ** 2 + (y - 30) ** 2 < 200
    return inside


def test_the_whole_image_is_prepared_as_such() -> None:
    whole = whole_image(IMAGE)

    np.testing.assert_array_equal(crops(NOISE, [whole])[0], prepare(NOISE))


def test_a_whole_image_may_be_reduced_and_a_part_of_it_may_not() -> None:
    whole, part = whole_image(IMAGE), region(0, 0, 20, 20)
    masked = Region("m", whole.box, RegionOrigin.CALLER, Mask(HEIGHT, WIDTH, (0, HEIGHT * WIDTH)))

    assert list(domain.by_resolution(IMAGE, [whole], DEFAULTS)) == [(448, [0])]
    assert list(domain.by_resolution(IMAGE, [part, masked], DEFAULTS)) == [(None, [0, 1])]
    assert list(domain.by_resolution(IMAGE, [part, whole, masked], DEFAULTS)) == [(448, [1]), (None, [0, 2])]


def test_crops_keep_the_order_of_the_regions() -> None:
    left, right = region(0, 0, 20, 20), region(50, 30, 80, 60)

    both = crops(NOISE, [left, right])

    np.testing.assert_array_equal(both[0], crops(NOISE, [left])[0])
    np.testing.assert_array_equal(both[1], crops(NOISE, [right])[0])
    assert (both[0] != both[1]).any()


def test_a_pixel_that_the_box_only_touches_belongs_to_it() -> None:
    np.testing.assert_array_equal(
        crops(NOISE, [region(10.9, 10.9, 20.1, 20.1)]), crops(NOISE, [region(10, 10, 21, 21)])
    )


def test_a_mask_keeps_its_pixels_sharp_and_no_others() -> None:
    mask = Mask(HEIGHT, WIDTH, masks.encode(disc()))
    tight = masks.bounding_box(disc())
    box = (tight.left, tight.top, tight.right, tight.bottom)

    crop = crops(NOISE, [region(*box, mask=mask)])[0]

    np.testing.assert_array_equal(crop, prepare(NOISE, tight, disc()))
    assert (crop != crops(NOISE, [region(*box)])[0]).any()


def test_a_box_beside_the_image_is_refused_by_the_id_of_its_region() -> None:
    with pytest.raises(InvalidInput, match="region 7: no pixel"):
        crops(NOISE, [region(100, 100, 120, 120, region_id="7")])


def test_a_mask_of_another_image_is_refused() -> None:
    with pytest.raises(InvalidInput, match="its mask is 10 x 10"):
        crops(NOISE, [region(0, 0, 9, 9, mask=Mask(10, 10, (0, 100)))])


def key(image: ImageReference, part: Region, model: str, reading: RegionReading = CROP) -> RegionKey:
    return domain.region_key(image, part, (model,), reading)


def test_equal_regions_have_equal_keys_whatever_they_are_called() -> None:
    mask = Mask(HEIGHT, WIDTH, (0, HEIGHT * WIDTH))
    one, same = (region(1, 2, 3, 4, mask=mask, region_id=name) for name in "ab")

    assert key(IMAGE, one, "m@1") == key(IMAGE, same, "m@1")


def test_another_image_box_mask_model_or_reading_has_another_key() -> None:
    other_image = ImageReference("cd" * 32, "t/c/images/ab", "image/png", 100, WIDTH, HEIGHT)
    base = region(1, 2, 3, 4)
    keys = {
        key(IMAGE, base, "m@1"),
        key(other_image, base, "m@1"),
        key(IMAGE, region(1, 2, 3, 5), "m@1"),
        key(IMAGE, region(1, 2, 3, 4, mask=Mask(2, 2, (0, 4))), "m@1"),
        key(IMAGE, region(1, 2, 3, 4, mask=Mask(2, 2, (1, 3))), "m@1"),
        key(IMAGE, base, "m@2"),
        key(IMAGE, base, "m@1", DENSE),
    }

    assert len(keys) == 7
