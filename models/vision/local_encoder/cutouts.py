"""The cut-outs that scenes are made of, decoded and shrunk once and then read from one file."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from models.data.cache import cache_folder, load
from models.data.manifest import Manifest, Row
from models.data.splits import TRAIN
from models.vision.images import ImageError, ImageLimits, inspect
from models.vision.masks import bounding_box
from models.vision.scenes import OPAQUE, CutOut

TRAINING = cache_folder().parent / "training"
"""Where what training makes lies until it is exported."""
_SAME_DESIGNS = {"fluent-3d": "fluent-flat"}
_LIMITS = ImageLimits(max_bytes=1 << 24, max_pixels=1 << 22, max_side_px=1 << 12)
_KEPT_PX = 160
_LEAST_PX = 48
_OPAQUE_SHARE = (0.08, 0.97)
_MOST_ASPECT = 3.0
_DEVELOPMENT = 12


def cutouts(held_out: str | None = None) -> list[CutOut]:
    """Return what may be learned from, labelled by code point, or by its own name where it is clip art.

    Args:
        held_out: An artist nothing is learned from; all names of the others are learned then. None:
            all artists, but only names that no evaluation asks for.
    """
    emoji = load("emoji").where(lambda row: not row["parent"])  # tones are one drawing
    drawn = zip(emoji.rows, decoded(emoji), strict=True)
    found = [CutOut(row["codepoint"], rgba) for row, rgba in drawn if _is_learned(row, held_out)]
    clipart = load("clipart").where(lambda row: row.split == TRAIN)
    drawn = zip(clipart.rows, decoded(clipart), strict=True)
    return found + [CutOut(row.id, rgba) for row, rgba in drawn if rgba.size]


def is_development(codepoint: str) -> bool:
    """Whether a name is kept out of the shipped models' training, to choose settings on: about 1 in 12."""
    return int(hashlib.sha256(codepoint.encode()).hexdigest(), 16) % _DEVELOPMENT == 0


def on_white(rgba: UInt8[np.ndarray, "h w 4"]) -> UInt8[np.ndarray, "h w 3"]:
    """Return a cut-out as a picture."""
    drawn = Image.fromarray(rgba)
    white = Image.new("RGB", drawn.size, "white")
    white.paste(drawn, mask=drawn.getchannel("A"))
    return np.asarray(white)


def decoded(pictures: Manifest, longer_px: int = _KEPT_PX) -> Sequence[UInt8[np.ndarray, "_ _ 4"]]:
    """Return the pictures in the order of their rows, decoded once and kept in the cache.

    Args:
        pictures: Some of a set.
        longer_px: Larger ones are shrunk to it.

    Returns:
        Colours and how opaque each pixel is; without a pixel where a picture is no cut-out.
    """
    said = [row.sha256 for row in pictures.rows] + [str(longer_px)] * (longer_px != _KEPT_PX)
    key = hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]
    folder = TRAINING / f"cutouts-{pictures.name}-{key}"
    if not folder.is_dir():
        TRAINING.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".cutouts-", dir=TRAINING) as work:
            _write(_reduced(pictures, longer_px), Path(work) / "made")
            shutil.move(Path(work) / "made", folder)
    sizes = np.load(folder / "sizes.npy")
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    ends = np.cumsum(sizes.prod(axis=1) * 4)
    parts = np.split(pixels, ends[:-1])
    return [part.reshape(*size, 4) for part, size in zip(parts, sizes, strict=True)]


def _is_learned(row: Row, held_out: str | None) -> bool:
    if held_out is None:
        return row.split == TRAIN and not is_development(row["codepoint"])
    return row["artist"] not in (held_out, _SAME_DESIGNS.get(held_out))


def _write(pictures: Iterator[UInt8[np.ndarray, "_ _ 4"]], folder: Path) -> None:
    folder.mkdir()
    listed = list(pictures)
    np.save(folder / "sizes.npy", np.array([each.shape[:2] for each in listed]))
    np.save(folder / "pixels.npy", np.concatenate([each.ravel() for each in listed]))


def _reduced(pictures: Manifest, longer_px: int) -> Iterator[UInt8[np.ndarray, "_ _ 4"]]:
    for row in pictures.rows:
        rgba = _read(pictures.file(row))
        if pictures.name == "clipart":
            rgba = _trimmed(rgba)
        ratio = longer_px / max(1, *rgba.shape[:2])
        if ratio < 1:
            size = (max(1, round(rgba.shape[1] * ratio)), max(1, round(rgba.shape[0] * ratio)))
            rgba = np.asarray(Image.fromarray(rgba).resize(size, Image.Resampling.BICUBIC))
        yield rgba


def _read(path: Path) -> UInt8[np.ndarray, "_ _ 4"]:
    """Return a picture; without a pixel where it is a poster that takes long to decode."""
    try:
        inspect(path.read_bytes(), limits=_LIMITS)
    except ImageError:
        return np.zeros((0, 0, 4), dtype=np.uint8)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))


def _trimmed(rgba: UInt8[np.ndarray, "h w 4"]) -> UInt8[np.ndarray, "_ _ 4"]:
    """Return a drawing without its margin; without a pixel if it is a page, a line or a dot."""
    opaque = rgba[:, :, 3] >= OPAQUE
    low, high = _OPAQUE_SHARE
    if not opaque.size or not low < opaque.mean() < high:
        return rgba[:0, :0]
    box = bounding_box(opaque)
    shorter, longer = sorted((box.right - box.left, box.bottom - box.top))
    is_thing = longer >= _LEAST_PX and longer <= _MOST_ASPECT * shorter
    return rgba[box.rows, box.columns] if is_thing else rgba[:0, :0]
