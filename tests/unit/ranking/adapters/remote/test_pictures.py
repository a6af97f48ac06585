"""What a server gets to see of a region."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from services.kernel.errors import InvalidInput
from services.kernel.geometry import Box
from services.kernel.vocabulary import Region, RegionOrigin
from services.ranking.adapters.remote.pictures import jpeg_of


def region(left: float, top: float, right: float, bottom: float) -> Region:
    return Region("r", Box(*map(float, (left, top, right, bottom))), RegionOrigin.CALLER)


def seen(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG"
        return np.asarray(image)


def test_it_is_the_region_with_a_margin_around_it() -> None:
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[50:150, 100:200] = (255, 0, 0)

    shown = seen(jpeg_of(picture, region(100, 50, 200, 150), most_px=768))

    assert shown.shape == (120, 120, 3)
    assert shown[60, 60].tolist() == pytest.approx([254, 0, 0], abs=3)
    assert shown[2, 2].tolist() == pytest.approx([0, 0, 0], abs=3)


def test_a_large_one_is_made_smaller_and_a_tiny_one_larger() -> None:
    picture = np.full((900, 1800, 3), 99, np.uint8)

    assert seen(jpeg_of(picture, region(0, 0, 1800, 900), most_px=600)).shape == (300, 600, 3)
    assert min(seen(jpeg_of(picture, region(10.2, 10.2, 10.4, 10.4), most_px=600)).shape[:2]) >= 56


@pytest.mark.parametrize(
    "outside", [(-20, -20, -5, -5), (310, 0, 320, 10), (0, 0, float("inf"), 1), (float("nan"),) * 4]
)
def test_one_outside_of_the_picture_is_refused(outside: tuple[float, float, float, float]) -> None:
    with pytest.raises(InvalidInput) as refused:
        jpeg_of(np.zeros((200, 300, 3), np.uint8), region(*outside), most_px=768)

    assert refused.value.reason == "REGION_OUTSIDE"


@given(st.integers(1, 400), st.integers(1, 400), st.integers(64, 500))
def test_any_size_becomes_one_that_servers_take(width: int, height: int, most_px: int) -> None:
    shown = seen(
        jpeg_of(np.zeros((height, width, 3), np.uint8), region(0, 0, width, height), most_px=most_px)
    )

    high, wide = shown.shape[:2]
    assert max(high, wide) <= most_px
    assert min(high, wide) >= min(56, most_px)
    assert max(high, wide) <= 16 * min(high, wide)
