"""Pictures for tests, drawn on the spot: right ones, odd ones and hostile ones."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageDraw

COLOURS = {"poppy": (220, 30, 30), "cornflower": (50, 80, 220), "fern": (30, 150, 50)}


def drawing(label: str, *, seed: int = 0, side: int = 128) -> Image.Image:
    """Return a flower-like drawing; one label has one colour and number of petals, each seed another pose."""
    random = np.random.default_rng(seed)
    picture = Image.new("RGB", (side, side), (250, 250, 245))
    draw = ImageDraw.Draw(picture)
    petals = 4 + 3 * sorted(COLOURS).index(label)
    turn = random.uniform(0, 2 * np.pi)
    for petal in range(petals):
        angle = turn + 2 * np.pi * petal / petals
        x, y = side / 2 + side / 4 * np.cos(angle), side / 2 + side / 4 * np.sin(angle)
        radius = side / 9 * random.uniform(0.9, 1.1)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=COLOURS[label])
    return picture


def encoded(picture: Image.Image, format_: str = "PNG", **options: object) -> bytes:
    """Return the picture as a file of that format."""
    file = io.BytesIO()
    picture.save(file, format_, **options)
    return file.getvalue()


def png(label: str, *, seed: int = 0) -> bytes:
    """Return a drawing as PNG."""
    return encoded(drawing(label, seed=seed))


def png_header(width: int, height: int) -> bytes:
    """Return a PNG whose header claims a size and that holds hardly any data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b"")
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def bomb() -> bytes:
    """Return a PNG of a few kilobytes that would unpack to 400 million pixels."""
    return encoded(Image.new("1", (20_000, 20_000)), "PNG", optimize=True)


def wrong() -> dict[str, tuple[bytes, str]]:
    """Return what is no picture that Fovea takes, each with the reason that it is refused for."""
    jpeg = encoded(drawing("poppy"), "JPEG", quality=90)
    return {
        "empty": (b"", "IMAGE_EMPTY"),
        "text named .jpg": (b"I am no picture.\n" * 20, "IMAGE_FORMAT_UNKNOWN"),
        "svg": (
            b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
            "IMAGE_FORMAT_UNSUPPORTED",
        ),
        "truncated jpeg": (jpeg[: len(jpeg) // 2], "IMAGE_DAMAGED"),
        "huge header": (png_header(50_000, 50_000), "IMAGE_TOO_MANY_PIXELS"),
        "bomb": (bomb(), "IMAGE_TOO_MANY_PIXELS"),
    }


def odd() -> dict[str, bytes]:
    """Return pictures that are right but unusual, each showing the same poppy."""
    poppy = drawing("poppy")
    frames = [drawing("fern"), drawing("cornflower")]
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees clockwise
    wide = np.asarray(poppy.convert("L"), dtype=np.uint16) * 257
    return {
        "cmyk": encoded(poppy.convert("CMYK"), "JPEG", quality=95),
        "16 bit": encoded(Image.fromarray(wide), "PNG"),
        "palette with alpha": encoded(poppy.convert("RGBA").quantize(64), "PNG"),
        "animated gif": encoded(poppy, "GIF", save_all=True, append_images=frames),
        "animated webp": encoded(poppy, "WEBP", save_all=True, append_images=frames, lossless=True),
        "exif-rotated": encoded(poppy.rotate(90, expand=True), "JPEG", quality=95, exif=turned),
        "bmp": encoded(poppy, "BMP"),
    }
