"""Which way up a picture is, read from EXIF without believing anything else in there."""

from __future__ import annotations

import struct

from PIL import Image

UPRIGHT = 1
_ORIENTATION_TAG = 0x0112
_SHORT = 3
_ENTRY_BYTES = 12
_HEADER = b"Exif\x00\x00"
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPS_SIDES = (5, 6, 7, 8)


def orientation(data: bytes) -> int:
    """Return the orientation (1 to 8) of an EXIF block; damaged EXIF counts as upright.

    Args:
        data: A TIFF structure, with or without the `Exif` header of JPEG.
    """
    tiff = data.removeprefix(_HEADER)
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2], "")
    if not order:
        return UPRIGHT
    try:
        return _first_directory_orientation(tiff, order)
    except struct.error:
        return UPRIGHT


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return width and height once the picture is turned."""
    width_px, height_px = size
    return (height_px, width_px) if orientation in _SWAPS_SIDES else (width_px, height_px)


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return the picture turned the way it is meant to be seen."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _first_directory_orientation(tiff: bytes, order: str) -> int:
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, start)
    for position in range(entries):
        at = start + 2 + position * _ENTRY_BYTES
        tag, kind, count, value = struct.unpack_from(order + "HHIH", tiff, at)
        if (tag, kind, count) == (_ORIENTATION_TAG, _SHORT, 1):
            return int(value) if value in _TURNS else UPRIGHT
    return UPRIGHT
