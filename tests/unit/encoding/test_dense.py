"""Regions that are read from one map of their image."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from services.encoding.domain import RegionReading
from services.encoding.usecases import SPACE_MISSING, EncodeRegions
from services.kernel.errors import DeadlineExceeded, InvalidInput, Unavailable, Unsupported
from services.kernel.vocabulary import Box, Exemplar, ExemplarKind, ImageReference, Mask, Region, RegionOrigin
from tests.fakes.encoded import IMAGE, FakeEncoding, reference
from tests.fakes.encoding import GivenTime

DENSE, CROP = RegionReading.DENSE, RegionReading.CROP
SIDE = 256  # four tiles of the fake, each of 64 pixels, if it fits no better


def _quarters() -> bytes:
    """A PNG: red and green above, blue and white below."""
    pixels = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    half = SIDE // 2
    pixels[:half, :half, 0] = pixels[:half, half:, 1] = pixels[half:, :half, 2] = 255
    pixels[half:, half:] = 255
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "PNG")
    return packed.getvalue()


BYTES = _quarters()
QUARTERS = reference(BYTES, size=(SIDE, SIDE))


def box(left: float, top: float, right: float, bottom: float, *, mask: Mask | None = None) -> Region:
    return Region(f"{left},{top}", Box(left, top, right, bottom), RegionOrigin.CALLER, mask)


MANY = [box(8 * i % 240, 4 * i, 8 * i % 240 + 16, 4 * i + 16) for i in range(20)]


@pytest.fixture
def encoding() -> FakeEncoding:
    return FakeEncoding({QUARTERS.key: BYTES})


def colour(encoding: FakeEncoding, region: Region) -> list[float]:
    (found,) = encoding.regions(QUARTERS, [region], reading=DENSE).regions
    return [round(float(value), 2) for value in found.embeddings[0].vector]


def test_many_regions_of_one_image_cost_the_passes_of_its_tiles_and_no_more(encoding: FakeEncoding) -> None:
    found = encoding.regions(QUARTERS, MANY, reading=DENSE)

    assert [each.region_id for each in found.regions] == [each.region_id for each in MANY]
    assert sum(encoding.tiles.batches) == 4 + 1  # the tiles, and the whole image
    assert encoding.tiles.readings == [20]
    assert encoding.eyes.batches == []
    assert encoding.images.reads == [QUARTERS.key]


def test_more_regions_of_an_image_that_was_seen_cost_no_pass(encoding: FakeEncoding) -> None:
    encoding.regions(QUARTERS, MANY[:3], reading=DENSE)
    passes = sum(encoding.tiles.batches)

    encoding.regions(QUARTERS, MANY[2:], reading=DENSE)

    assert sum(encoding.tiles.batches) == passes
    assert encoding.tiles.readings == [3, 17]
    assert encoding.counted["maps"].outcomes == {"miss": 1, "hit": 1}
    assert encoding.counted["regions"].outcomes == {"miss": 20, "hit": 1}


def test_callers_that_ask_for_other_regions_of_one_image_at_once_share_its_map(
    encoding: FakeEncoding,
) -> None:
    begun, go = threading.Event(), threading.Event()

    def before() -> None:
        begun.set()
        assert go.wait(10)

    encoding.tiles.before = before
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(encoding.regions, QUARTERS, [each], reading=DENSE) for each in MANY[:8]]
        assert begun.wait(10)
        go.set()
        for call in calls:
            call.result(10)

    assert sum(encoding.tiles.batches) == 5
    assert len(encoding.tiles.readings) == 8


def test_another_image_or_another_model_makes_a_map_of_its_own(encoding: FakeEncoding) -> None:
    encoding.regions(QUARTERS, MANY[:1], reading=DENSE)
    encoding.tiles.identities = ("painting@2", "pointing@1")

    encoding.regions(QUARTERS, MANY[:1], reading=DENSE)

    assert sum(encoding.tiles.batches) == 10

    encoding.tiles.identities = ("painting@2", "pointing@2")
    encoding.regions(QUARTERS, MANY[:1], reading=DENSE)
    assert sum(encoding.tiles.batches) == 10, "the model that reads has no part in the map"
    assert len(encoding.tiles.readings) == 3


def test_regions_are_read_where_they_lie(encoding: FakeEncoding) -> None:
    red, green, blue = (
        colour(encoding, box(*at)) for at in ((0, 0, 64, 64), (160, 0, 256, 64), (0, 192, 64, 256))
    )

    assert np.argmax([red, green, blue], axis=1).tolist() == [0, 1, 2]
    assert min(max(red), max(green), max(blue)) > 0.99
    left = np.zeros((SIDE, SIDE), dtype=bool)
    left[:, :64] = True
    counts = (0, 64 * SIDE, (SIDE - 64) * SIDE)
    assert colour(encoding, box(0, 0, 256, 64, mask=Mask(SIDE, SIDE, counts))) == red


def test_what_a_region_is_does_not_depend_on_what_else_is_asked(encoding: FakeEncoding) -> None:
    together = encoding.regions(QUARTERS, MANY, reading=DENSE).regions

    for region, found in zip(MANY, together, strict=True):
        alone = FakeEncoding({QUARTERS.key: BYTES}).regions(QUARTERS, [region], reading=DENSE).regions[0]
        np.testing.assert_array_equal(found.embeddings[0].vector, alone.embeddings[0].vector)


def test_a_crop_and_a_dense_reading_of_one_region_are_kept_apart_and_the_record_tells_them(
    encoding: FakeEncoding,
) -> None:
    cut = encoding.regions(QUARTERS, MANY[:1], spaces=["visual"], reading=CROP)
    read = encoding.regions(QUARTERS, MANY[:1], spaces=["visual"], reading=DENSE)

    assert (cut.stage.reading, read.stage.reading) == ("crop", "dense")
    assert read.stage.models == ("painting@1", "pointing@1")
    assert len(encoding.eyes.batches) == len(encoding.tiles.readings) == 1
    # what is read lies among what is cut out, so that one memory serves both
    assert read.regions[0].embeddings[0].encoder == cut.regions[0].embeddings[0].encoder


def test_who_names_no_reading_gets_crops(encoding: FakeEncoding) -> None:
    assert encoding.regions(QUARTERS, MANY[:1]).stage.reading == "crop"
    assert encoding.tiles.batches == []


def test_exemplars_are_cut_out_also_where_queries_are_read_densely(encoding: FakeEncoding) -> None:
    ways = encoding.regions._readings
    encoding.regions._readings = {DENSE: ways[DENSE], CROP: ways[CROP]}
    wren = Exemplar("e1", "wren", ExemplarKind.IMAGE, image=QUARTERS, region=MANY[0])

    assert encoding.regions(QUARTERS, MANY[:1]).stage.reading == "dense"
    assert encoding.eyes.batches == []
    encoding.exemplar(wren)
    assert encoding.eyes.batches == [1]


def test_a_space_that_is_not_read_into_is_in_the_record(encoding: FakeEncoding) -> None:
    found = encoding.regions(QUARTERS, MANY[:1], spaces=["visual", "name"], reading=DENSE)

    assert found.stage.rungs == (SPACE_MISSING,)
    assert [each.space for each in found.regions[0].embeddings] == ["visual"]


@pytest.mark.parametrize(
    "region",
    [
        box(300, 300, 320, 320),
        box(0, 0, 9, 9, mask=Mask(10, 10, (0, 100))),
        box(0, 0, 9, 9, mask=Mask(SIDE, SIDE, (SIDE * SIDE,))),
    ],
)
def test_a_region_that_cannot_be_read_is_refused_before_any_pass(
    encoding: FakeEncoding, region: Region
) -> None:
    with pytest.raises(InvalidInput) as caught:
        encoding.regions(QUARTERS, [region], reading=DENSE)

    assert (caught.value.field, caught.value.reason) == ("regions", "REGION_INVALID")
    assert (encoding.tiles.batches, encoding.images.reads) == ([], [])


def test_a_size_that_is_not_the_images_is_refused_though_its_map_is_there(encoding: FakeEncoding) -> None:
    encoding.regions(QUARTERS, MANY[:1], reading=DENSE)
    lied = reference(BYTES, size=(SIDE, SIDE // 2))

    with pytest.raises(InvalidInput) as caught:
        encoding.regions(lied, MANY[1:2], reading=DENSE)

    assert caught.value.reason == "IMAGE_SIZE_MISMATCH"


def test_one_pixel_is_read_and_so_is_a_strip(encoding: FakeEncoding) -> None:
    assert np.argmax(colour(encoding, box(255, 0, 256, 1))) == 1

    strip = Image.new("RGB", (1, 16_000), "blue")
    packed = io.BytesIO()
    strip.save(packed, "PNG")
    data = packed.getvalue()
    image = reference(data, size=(1, 16_000))
    tall = FakeEncoding({image.key: data})
    (found,) = tall.regions(image, [box(0, 15_000, 1, 15_100)], reading=DENSE).regions

    assert np.argmax(found.embeddings[0].vector) == 2
    assert sum(tall.tiles.batches) == 7


def test_a_model_that_fails_is_asked_again_and_who_gave_up_asks_nobody(encoding: FakeEncoding) -> None:
    def down() -> None:
        raise Unavailable("it is down")

    encoding.tiles.before = down
    with pytest.raises(Unavailable):
        encoding.regions(QUARTERS, MANY[:1], reading=DENSE)
    encoding.tiles.before = lambda: None
    assert encoding.regions(QUARTERS, MANY[:1], reading=DENSE).regions

    late = FakeEncoding({QUARTERS.key: BYTES}, GivenTime(given_up=True))
    with pytest.raises(DeadlineExceeded):
        late.regions(QUARTERS, MANY[:1], reading=DENSE)
    assert late.tiles.batches == []


def test_what_is_not_served_is_said_with_what_is(encoding: FakeEncoding) -> None:
    crops_alone = EncodeRegions(
        {CROP: encoding.regions._readings[CROP]}, encoding.regions._pace, encoding.regions._stages
    )

    with pytest.raises(Unsupported, match=r"FOVEA_LOCAL_MODEL.*or ask for crop") as caught:
        crops_alone(IMAGE, MANY[:1], reading=DENSE)

    assert (caught.value.field, caught.value.reason) == ("reading", "READING_NOT_SERVED")


def test_maps_lie_in_the_store_with_their_digests_and_shapes(encoding: FakeEncoding) -> None:
    found = encoding.encode_maps(QUARTERS)

    local, overview = found.maps
    assert (local.name, local.shape, overview.name, overview.shape) == (
        "local",
        (8, 8, 3),
        "overview",
        (4, 4, 3),
    )
    values = np.frombuffer(encoding.stored.maps[local.key], dtype="<f4").reshape(local.shape)
    assert values[0, 0].argmax() == 0  # red, above on the left
    assert values[0, -1].argmax() == 1
    assert values[-1, 0].argmax() == 2
    assert found.stage.models == ("painting@1",)


def test_maps_are_made_once_for_regions_and_for_others(encoding: FakeEncoding) -> None:
    encoding.regions(QUARTERS, MANY, reading=DENSE)
    encoding.encode_maps(QUARTERS)
    encoding.encode_maps(QUARTERS, most_vectors=80)

    assert sum(encoding.tiles.batches) == 5


def test_more_vectors_than_are_wanted_are_refused_before_any_pass(encoding: FakeEncoding) -> None:
    with pytest.raises(InvalidInput, match="have 80 vectors, of 2 x 2 tiles and an overview") as caught:
        encoding.encode_maps(QUARTERS, most_vectors=79)

    assert (caught.value.field, caught.value.reason) == ("most_vectors", "TOO_MANY_VECTORS")
    assert (encoding.tiles.batches, encoding.images.reads) == ([], [])


def test_an_image_without_pixels_has_no_map(encoding: FakeEncoding) -> None:
    nothing = ImageReference(QUARTERS.digest, QUARTERS.key, "image/png", 1, 0, 0)

    with pytest.raises(InvalidInput):
        encoding.encode_maps(nothing)
