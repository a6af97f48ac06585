import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.vision.images import MEDIA_TYPES, ImageError, ImageHeader, ImageLimits, decode, inspect

LIMITS = ImageLimits(max_bytes=1_000_000, max_pixels=1_000_000, max_side_px=4_000)
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
ORIENTATION = 0x0112


def picture(width_px: int = 6, height_px: int = 4) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width_px, height_px), RED)
    image.paste(BLUE, (width_px // 2, 0, width_px, height_px))
    return image


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def reason(data: bytes, limits: ImageLimits = LIMITS) -> str:
    with pytest.raises(ImageError) as caught:
        inspect(data, limits=limits)
    with pytest.raises(ImageError) as again:
        decode(data, limits=limits)
    assert caught.value.reason == again.value.reason
    return caught.value.reason


def png_header(width_px: int, height_px: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


@pytest.mark.parametrize(
    ("kind", "media_type", "options"),
    [
        ("PNG", "image/png", {}),
        ("JPEG", "image/jpeg", {"quality": 95, "subsampling": 0}),
        ("WEBP", "image/webp", {"lossless": True}),
        ("GIF", "image/gif", {}),
        ("BMP", "image/bmp", {}),
    ],
)
def test_every_allowed_type_is_told_by_content(
    kind: str, media_type: str, options: dict[str, object]
) -> None:
    data = saved(picture(32, 16), kind, **options)

    assert inspect(data, limits=LIMITS) == ImageHeader(media_type, 32, 16)
    pixels = decode(data, limits=LIMITS)
    assert pixels.shape == (16, 32, 3)
    np.testing.assert_allclose(pixels[8, 4], RED, atol=12)
    np.testing.assert_allclose(pixels[8, 28], BLUE, atol=12)
    assert media_type in MEDIA_TYPES


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_honoured_by_header_and_pixels(kind: str, orientation: int) -> None:
    upright = Image.new("RGB", (32, 16), WHITE)
    upright.paste(RED, (0, 0, 16, 8))
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(back[orientation]) if orientation in back else upright
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = saved(stored, kind, exif=exif)

    header = inspect(data, limits=LIMITS)
    pixels = decode(data, limits=LIMITS)

    assert (header.width_px, header.height_px) == (32, 16)
    np.testing.assert_allclose(pixels, np.asarray(upright), atol=90)
    np.testing.assert_allclose(pixels[4, 4], RED, atol=12)
    np.testing.assert_allclose(pixels[12, 28], WHITE, atol=12)


@given(exif=st.binary(max_size=60))
@settings(max_examples=60, deadline=None)
def test_damaged_exif_counts_as_upright_and_never_warns(exif: bytes) -> None:
    data = saved(picture(), "JPEG", exif=b"Exif\x00\x00II*\x00" + exif)

    assert inspect(data, limits=LIMITS).width_px in (6, 4)


@pytest.mark.parametrize(
    ("size", "least_px", "reduced"),
    [
        ((800, 600), 300, (400, 300)),
        ((800, 600), 301, (800, 600)),
        ((801, 603), 100, (201, 151)),
        ((800, 600), 1, (100, 75)),
        ((8, 6), 300, (8, 6)),
    ],
)
def test_a_jpeg_comes_reduced_as_far_as_both_sides_allow(
    size: tuple[int, int], least_px: int, reduced: tuple[int, int]
) -> None:
    pixels = decode(saved(picture(*size), "JPEG"), limits=LIMITS, least_px=least_px)

    assert pixels.shape == (*reversed(reduced), 3)
    assert pixels[0, 0, 0] > 200
    assert pixels[-1, -1, 0] < 100


def test_a_reduced_jpeg_stands_upright() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = saved(picture(800, 600), "JPEG", exif=exif)

    assert decode(data, limits=LIMITS, least_px=300).shape == (400, 300, 3)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP"])
def test_only_a_jpeg_comes_reduced(kind: str) -> None:
    assert decode(saved(picture(80, 60), kind), limits=LIMITS, least_px=10).shape == (60, 80, 3)


def test_a_jpeg_that_is_cut_off_is_refused_though_reduced() -> None:
    data = saved(Image.effect_noise((800, 600), 80).convert("RGB"), "JPEG")

    with pytest.raises(ImageError) as refused:
        decode(data[: len(data) // 2], limits=LIMITS, least_px=100)

    assert refused.value.reason == "IMAGE_DAMAGED"


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    grey = np.array([[0, 257, 32_768, 65_535]], dtype=np.uint16)
    data = saved(Image.fromarray(grey))

    assert decode(data, limits=LIMITS)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_cmyk_becomes_rgb() -> None:
    data = saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)

    np.testing.assert_allclose(decode(data, limits=LIMITS)[8, 8], RED, atol=5)


def test_what_is_transparent_stands_on_white() -> None:
    half = Image.new("RGBA", (2, 1), (*RED, 128))
    half.putpixel((0, 0), (0, 0, 0, 0))

    pixels = decode(saved(half), limits=LIMITS)

    assert pixels[0, 0].tolist() == [255, 255, 255]
    np.testing.assert_allclose(pixels[0, 1], (255, 127, 127), atol=1)


@pytest.mark.parametrize("transparency", [0, b"\x00\xff"])
def test_a_palette_with_transparency_stands_on_white(transparency: int | bytes) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*BLUE, *GREEN])
    image.putpixel((1, 0), 1)

    pixels = decode(saved(image, transparency=transparency), limits=LIMITS)

    assert pixels[0].tolist() == [list(WHITE), list(GREEN)]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_of_png_becomes_three_channels(mode: str) -> None:
    assert decode(saved(Image.new(mode, (3, 2))), limits=LIMITS).shape == (2, 3, 3)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_gives_its_first_frame(kind: str) -> None:
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)
    data = saved(first, kind, save_all=True, append_images=[second], duration=100)

    np.testing.assert_allclose(decode(data, limits=LIMITS)[4, 4], RED, atol=12)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_picture_that_is_cut_off_is_damaged(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), kind)

    with pytest.raises(ImageError) as caught:
        decode(data[: len(data) // 2], limits=LIMITS)
    assert caught.value.reason == "IMAGE_DAMAGED"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "IMAGE_EMPTY"),
        (b"just a text named cat.jpg", "IMAGE_FORMAT_UNKNOWN"),
        (b"\x00" * 100, "IMAGE_FORMAT_UNKNOWN"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "IMAGE_FORMAT_UNSUPPORTED"),
        (b"%PDF-1.7", "IMAGE_FORMAT_UNSUPPORTED"),
        (b"II*\x00\x08\x00\x00\x00", "IMAGE_FORMAT_UNSUPPORTED"),
        (b"\x89PNG\r\n\x1a\n", "IMAGE_DAMAGED"),
        (b"\xff\xd8\xff\xe0", "IMAGE_DAMAGED"),
        (b"BM", "IMAGE_DAMAGED"),
        (b"GIF89a", "IMAGE_DAMAGED"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "IMAGE_DAMAGED"),
        (png_header(50_000, 50_000), "IMAGE_TOO_MANY_PIXELS"),
        (png_header(10_000, 9_500), "IMAGE_TOO_MANY_PIXELS"),
        (png_header(5_000, 1), "IMAGE_TOO_MANY_PIXELS"),
        (png_header(0, 5), "IMAGE_DAMAGED"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_reason(data: bytes, expected: str) -> None:
    assert reason(data) == expected


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_every_type_is_refused_by_its_size_before_it_is_decoded(kind: str) -> None:
    small = ImageLimits(max_bytes=1_000_000, max_pixels=100, max_side_px=100)

    assert reason(saved(picture(20, 10), kind), small) == "IMAGE_TOO_MANY_PIXELS"


def test_too_many_bytes_are_refused_before_anything_is_read() -> None:
    assert reason(b"x" * 11, ImageLimits(max_bytes=10, max_pixels=10, max_side_px=10)) == "IMAGE_TOO_LARGE"


def test_the_message_says_what_would_be_accepted() -> None:
    with pytest.raises(ImageError, match=r"5,000 x 1 pixels; accepted are 1,000,000 in all and 4,000 a side"):
        inspect(png_header(5_000, 1), limits=LIMITS)


@given(
    data=st.binary(max_size=300), magic=st.sampled_from([b"\xff\xd8\xff", b"BM", b"GIF89a", b"RIFF1234WEBP"])
)
@settings(max_examples=150, deadline=None)
def test_noise_is_a_typed_error_or_a_picture(data: bytes, magic: bytes) -> None:
    try:
        assert decode(magic + data, limits=LIMITS).dtype == np.uint8
    except ImageError as error:
        assert error.reason.startswith("IMAGE_")  # noqa: PT017  (either outcome is right)


@given(
    position=st.integers(0, 400),
    value=st.integers(0, 255),
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP"]),
)
@settings(max_examples=200, deadline=None)
def test_one_wrong_byte_is_a_typed_error_or_a_picture(position: int, value: int, kind: str) -> None:
    data = bytearray(saved(picture(16, 16), kind))
    data[position % len(data)] = value
    try:
        decode(bytes(data), limits=LIMITS)
    except ImageError as error:
        assert error.reason.startswith("IMAGE_")  # noqa: PT017  (either outcome is right)


def test_many_threads_decode_at_once() -> None:
    data = [saved(picture(40 + position, 30), kind) for position in range(8) for kind in ("PNG", "JPEG")]
    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(lambda one: decode(one, limits=LIMITS).shape[1], data * 4))
    assert sizes == [40 + position for position in range(8) for _ in range(2)] * 4
