"""Pictures from strangers: what their bytes are, and their pixels, or one typed error.

Allowed are JPEG, PNG, WebP, GIF and BMP, told by content, never by name. Pillow's format
classes are used directly and not through `Image.open`: only these five parsers are ever
reached, and the pixel limit is ours, so that nothing global is changed and nothing warns.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)
from PIL.ImageFile import ImageFile

from models.vision import exif

_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    struct.error,
    zlib.error,
    UserWarning,  # Pillow warns about oddities; whoever makes warnings errors gets ours
)
_SNIFFED_BYTES = 1024
_PNG_SIZE_END = 24


@dataclass(frozen=True)
class ImageLimits:
    """What is refused before any pixel is decoded."""

    max_bytes: int
    max_pixels: int
    max_side_px: int


@dataclass(frozen=True)
class ImageHeader:
    """What the first bytes tell; width and height are those of the upright picture."""

    media_type: str
    width_px: int
    height_px: int


class ImageError(ValueError):
    """The bytes are no picture that Fovea reads; `reason` is a code that stays."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Jpeg(JpegImagePlugin.JpegImageFile):
    """Leaves EXIF alone: Pillow warns about damaged EXIF while it looks for the resolution."""

    def _read_dpi_from_exif(self) -> None:
        """Skip what nobody asks for."""


_FORMATS: dict[str, type[ImageFile]] = {
    "image/jpeg": _Jpeg,
    "image/png": PngImagePlugin.PngImageFile,
    "image/webp": WebPImagePlugin.WebPImageFile,
    "image/gif": GifImagePlugin.GifImageFile,
    "image/bmp": BmpImagePlugin.BmpImageFile,
}
MEDIA_TYPES = tuple(_FORMATS)
"""The media types that can be decoded."""

_MAGIC = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (8, b"WEBP", "image/webp"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftyphei", "image/heic"),
    (4, b"ftypmif1", "image/heif"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x00\x00\x01\x00", "image/x-icon"),
    (0, b"8BPS", "image/vnd.adobe.photoshop"),
    (0, b"\xff\x0a", "image/jxl"),
    (0, b"\x00\x00\x00\x0cJXL ", "image/jxl"),
)


def inspect(data: bytes, *, limits: ImageLimits) -> ImageHeader:
    """Return type and size from the header alone; the pixels may still turn out damaged.

    Raises:
        ImageError: With reason IMAGE_EMPTY, IMAGE_TOO_LARGE, IMAGE_FORMAT_UNKNOWN,
            IMAGE_FORMAT_UNSUPPORTED, IMAGE_TOO_MANY_PIXELS or IMAGE_DAMAGED.
    """
    media_type, image = _open(data, limits)
    width_px, height_px = exif.upright_size(image.size, _orientation(image))
    return ImageHeader(media_type, width_px, height_px)


def decode(data: bytes, *, limits: ImageLimits, least_px: int | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """Return the upright picture in RGB; of an animation, the first frame.

    CMYK is converted, 16 bits are scaled to 8, and whatever is transparent stands on white.

    Args:
        data: The file.
        limits: What is too large.
        least_px: A JPEG may come out at a half, quarter or eighth of its size, as far as both sides keep
            so many pixels: a photograph of 12 million costs less than half then. None: in full.

    Raises:
        ImageError: As `inspect`; IMAGE_DAMAGED also for pixels that are cut off.
    """
    _, image = _open(data, limits)
    orientation = _orientation(image)
    if least_px is not None:
        image.draft(None, (least_px, least_px))  # only JPEG knows how, and does it while it decodes
    try:
        image.load()
        return np.asarray(exif.upright(_rgb(image), orientation))
    except _DAMAGE as error:
        raise _damaged(error) from error


def _open(data: bytes, limits: ImageLimits) -> tuple[str, ImageFile]:
    if not data:
        raise ImageError("IMAGE_EMPTY", "the image has 0 bytes")
    if len(data) > limits.max_bytes:
        message = f"the image has {len(data):,} bytes; at most {limits.max_bytes:,} are accepted"
        raise ImageError("IMAGE_TOO_LARGE", message)
    media_type = _media_type(data[:_SNIFFED_BYTES])
    if data[12:16] == b"IHDR" and len(data) >= _PNG_SIZE_END:  # Pillow wants pixels behind the size
        _check_size(struct.unpack_from(">II", data, 16), limits)
    try:
        image = _FORMATS[media_type](io.BytesIO(data))
    except _DAMAGE as error:
        raise _damaged(error) from error
    _check_size(image.size, limits)
    return media_type, image


def _media_type(start: bytes) -> str:
    found = next((kind for at, magic, kind in _MAGIC if start[at:].startswith(magic)), "")
    if not found and b"<svg" in start.lower():
        found = "image/svg+xml"
    if found in _FORMATS:
        return found
    accepted = "JPEG, PNG, WebP, GIF and BMP are accepted"
    if found:
        raise ImageError("IMAGE_FORMAT_UNSUPPORTED", f"{found} is not read here; {accepted}")
    raise ImageError("IMAGE_FORMAT_UNKNOWN", f"the bytes are no image of a known type; {accepted}")


def _check_size(size: tuple[int, int], limits: ImageLimits) -> None:
    width_px, height_px = size
    if min(size) < 1:
        raise ImageError("IMAGE_DAMAGED", f"the image claims {width_px} x {height_px} pixels")
    if max(size) > limits.max_side_px or width_px * height_px > limits.max_pixels:
        message = (
            f"the image has {width_px:,} x {height_px:,} pixels; accepted are "
            f"{limits.max_pixels:,} in all and {limits.max_side_px:,} a side"
        )
        raise ImageError("IMAGE_TOO_MANY_PIXELS", message)


def _orientation(image: ImageFile) -> int:
    found = image.info.get("exif", b"")
    return exif.orientation(found) if isinstance(found, bytes) else exif.UPRIGHT


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith("I"):
        return _from_16_bits(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    drawn = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(drawn, mask=drawn.getchannel("A"))
    return white


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Return grey of 16 bits as RGB of 8; Pillow itself would clip at 255."""
    grey = np.asarray(image).astype(np.uint32)  # (h, w), 0 to 65,535
    return Image.fromarray(((grey + 128) // 257).astype(np.uint8)).convert("RGB")


def _damaged(error: BaseException) -> ImageError:
    return ImageError("IMAGE_DAMAGED", f"the image is cut off or damaged ({error})")
